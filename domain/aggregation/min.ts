// min: the smallest quantity.
import type { AggregationRules } from './aggregation-rules.ts';

export const min: AggregationRules = {
  reads: 'quantity',
  isSum: false,
  needsFirstSeen: false,
  across: ['sum', 'max'],
  acrossMerged: null,
  begin: ({ quantity }) => ({ value: quantity, latest: null, uniqueValues: null }),
  add(state, { quantity }) {
    if (quantity < state.value) state.value = quantity;
  },
  mergeWindows: (before, window) => (before === null || window < before ? window : before),
};
