// count: how many events there are. Each is a quantity of 1.
import type { AggregationRules } from './aggregation-rules.ts';
import { sum } from './sum.ts';

export const count: AggregationRules = { ...sum, reads: 'nothing', joinValues: null };
