// sum: the quantities of all events together.
import type { AggregationRules } from './aggregation-rules.ts';

export const sum: AggregationRules = {
  reads: 'quantity',
  isSum: true,
  isMean: false,
  joinValues: (one, other) => one + other,
  needsFirstSeen: false,
  across: ['sum'],
  acrossMerged: 'sum',
  begin: ({ quantity }) => ({ value: quantity, latest: null, uniqueValues: null }),
  add(state, { quantity }) {
    state.value += quantity;
  },
  mergeWindows: (before, window) => (before ?? 0n) + window,
};
