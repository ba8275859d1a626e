// latest: the quantity of the event that happened last; of events of one time, the one that was accepted last.
import type { AggregationRules, EventOrder } from './aggregation-rules.ts';

/**
 * Event time, then T at acceptance, then the place in the log.
 * @public for aggregations that look at the order
 */
export function isAfter(a: EventOrder, b: EventOrder): boolean {
  if (a.eventTime !== b.eventTime) return a.eventTime > b.eventTime;
  if (a.acceptedAt !== b.acceptedAt) return a.acceptedAt > b.acceptedAt;
  for (let i = 0; i < a.place.length; i++) if (a.place[i] !== b.place[i]) return a.place[i]! > b.place[i]!;
  return false;
}

export const latest: AggregationRules = {
  reads: 'quantity',
  isSum: false,
  isMean: false,
  joinValues: null,
  needsFirstSeen: false,
  across: ['sum', 'max'],
  acrossMerged: null,
  begin: ({ quantity }, order) => ({ value: quantity, latest: order, uniqueValues: null }),
  add(state, { quantity }, order) {
    if (isAfter(order, state.latest!)) {
      state.value = quantity;
      state.latest = order;
    }
  },
  mergeWindows: (_before, window) => window,
};
