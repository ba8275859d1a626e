// The aggregations by name. One without its rules does not compile, and neither does one without its SQL.
import type { AggregationRules } from './aggregation-rules.ts';
import { avg } from './avg.ts';
import { count } from './count.ts';
import { latest } from './latest.ts';
import { max } from './max.ts';
import { min } from './min.ts';
import { sum } from './sum.ts';
import { unique } from './unique.ts';

const rules = { sum, count, max, min, latest, unique, avg } satisfies Readonly<Record<string, AggregationRules>>;

export type Aggregation = keyof typeof rules;

export const aggregations = Object.keys(rules) as readonly Aggregation[];

export const aggregationRules = (aggregation: Aggregation): AggregationRules => rules[aggregation];

/** Whether a period's value is made of units that add up; else it is a level. */
export const countsUnits = (aggregation: Aggregation): boolean =>
  (rules[aggregation].isSum && !rules[aggregation].isMean) || rules[aggregation].needsFirstSeen;
