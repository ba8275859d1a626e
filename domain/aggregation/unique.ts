// unique: how many different values there are. Exact, since money comes of it: the state holds the hash of each.
import { QUANTITY_ONE } from '../number/quantity.ts';
import type { AggregationRules } from './aggregation-rules.ts';

export const unique: AggregationRules = {
  reads: 'scalar',
  isSum: false,
  isMean: false,
  joinValues: null,
  needsFirstSeen: true,
  across: ['union', 'sum'],
  acrossMerged: 'union',
  begin: ({ uniqueValue }) => ({ value: QUANTITY_ONE, latest: null, uniqueValues: new Set([uniqueValue!]) }),
  add(state, { uniqueValue }) {
    state.uniqueValues!.add(uniqueValue!);
    state.value = BigInt(state.uniqueValues!.size) * QUANTITY_ONE;
  },
  // Of a window: the values that no earlier window of the period has seen.
  mergeWindows: (before, window) => (before ?? 0n) + window,
};
