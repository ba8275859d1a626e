// min: the smallest quantity.
import type { AggregationRules } from './aggregation-rules.ts';

export const min: AggregationRules = {
  reads: 'quantity',
  isSum: false,
  isMean: false,
  // biome-ignore lint/complexity/useMathMinMax: Math takes no bigint.
  joinValues: (one, other) => (other < one ? other : one),
  needsFirstSeen: false,
  across: ['sum', 'max'],
  acrossMerged: null,
  begin: ({ quantity }) => ({ value: quantity, latest: null, uniqueValues: null }),
  add(state, { quantity }) {
    if (quantity < state.value) state.value = quantity;
  },
  mergeWindows: (before, window) => (before === null || window < before ? window : before),
};
