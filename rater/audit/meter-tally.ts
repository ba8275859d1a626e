// The value of a meter over any set of events, recounted one event at a time by the rules of its aggregation, and of a
// price over the events of a customer.
import { isOneSubject, valueAcross } from '../../domain/aggregation/across.ts';
import type { EventOrder, WindowState } from '../../domain/aggregation/aggregation-rules.ts';
import { type Aggregation, aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { POOLED } from '../../domain/billing/billing-period-terms.ts';
import { acrossOf, type Meter } from '../../domain/metering/meter.ts';
import type { Reading } from '../../domain/metering/meter-reading.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import type { UsagePrice } from '../../domain/pricing/prices.ts';

export class MeterTally {
  private readonly aggregation: Aggregation;
  private state: WindowState | null = null;
  eventCount = 0;

  constructor(aggregation: Aggregation) {
    this.aggregation = aggregation;
  }

  add(reading: Reading, order: EventOrder): void {
    const rules = aggregationRules(this.aggregation);
    this.eventCount++;
    if (this.state === null) this.state = rules.begin(reading, order);
    else rules.add(this.state, reading, order);
  }

  /** Zero for no events. */
  value(): Quantity {
    return this.state?.value ?? 0n;
  }
}

/** What a price counts of a customer's events: of each subject, or of all of them by the meter's `across`. */
export class UsageTally {
  private readonly meter: Meter;
  private readonly per: UsagePrice['per'];
  private readonly bySubject = new Map<string, MeterTally>();

  constructor(meter: Meter, { per }: Pick<UsagePrice, 'per'>) {
    this.meter = meter;
    this.per = per;
  }

  add(subject: string, reading: Reading, order: EventOrder): void {
    const isMerged = this.per !== 'subject' && isOneSubject(acrossOf(this.meter));
    const key = isMerged ? POOLED : subject;
    const tally = this.bySubject.get(key) ?? new MeterTally(this.meter.aggregation);
    this.bySubject.set(key, tally);
    tally.add(reading, order);
  }

  /** By subject, or `POOLED` alone. */
  values(): ReadonlyMap<string, Quantity> {
    const values = new Map([...this.bySubject].map(([subject, tally]) => [subject, tally.value()]));
    return this.per === 'subject' ? values : new Map([[POOLED, valueAcross(acrossOf(this.meter), values.values())]]);
  }
}
