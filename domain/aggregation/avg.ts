// avg: the mean of the quantities of all events, each event weighing the same whatever its window or subject. What is
// kept is their sum: how many they are is known of every window.
import type { AggregationRules } from './aggregation-rules.ts';
import { sum } from './sum.ts';

export const avg: AggregationRules = {
  ...sum,
  isMean: true,
  // The elements of one event would weigh more than another event.
  joinValues: null,
  across: ['pooled'],
  acrossMerged: 'pooled',
};
