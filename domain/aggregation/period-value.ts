// The value of a meter over windows, told window by window in order of time: how much each adds to it. What is divided
// is divided when it is told, and never added up afterwards: so the additions come to the value of all windows.
import { halfEven } from '../number/half-even.ts';
import type { Quantity } from '../number/quantity.ts';
import type { AggregationRules } from './aggregation-rules.ts';
import { type Aggregation, aggregationRules } from './aggregations.ts';

/** What is kept of a window, of some windows, or of some group values of one. */
export interface KeptUsage {
  /** Of a mean: the sum of the events' quantities. */
  readonly quantity: Quantity;
  /** How many events; of a mean alone. */
  readonly events?: bigint;
}

/** Of a sum of quantities, rounded half to even at the twelfth digit; 0 of no events. */
export const meanOf = (sum: Quantity, events: bigint): Quantity => (events === 0n ? 0n : halfEven(sum, events));

/** What both come to, the earlier first. */
export function keptTogether<Kept extends KeptUsage>(rules: AggregationRules, before: Kept, later: Kept): Kept {
  const quantity = rules.mergeWindows(before.quantity, later.quantity);
  return rules.isMean ? { ...before, quantity, events: eventsOf(before) + eventsOf(later) } : { ...before, quantity };
}

function eventsOf({ events }: KeptUsage): bigint {
  if (events === undefined) throw new RangeError('a mean needs the number of its events');
  return events;
}

export class PeriodValue {
  private readonly rules: AggregationRules;
  private kept: Quantity | null = null;
  private events = 0n;
  private value: Quantity = 0n;

  constructor(aggregation: Aggregation) {
    this.rules = aggregationRules(aggregation);
  }

  /** How much a later window adds to the value. */
  add(window: KeptUsage): Quantity {
    const { rules, value } = this;
    this.kept = rules.mergeWindows(this.kept, window.quantity);
    if (rules.isMean) {
      this.events += eventsOf(window);
      this.value = meanOf(this.kept, this.events);
    } else this.value = this.kept;
    return this.value - value;
  }
}
