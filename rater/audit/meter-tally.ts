// The value of a meter over any set of events, recounted one event at a time by the rules of its aggregation.
import type { EventOrder, WindowState } from '../../domain/aggregation/aggregation-rules.ts';
import { type Aggregation, aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Reading } from '../../domain/metering/meter-reading.ts';
import type { Quantity } from '../../domain/number/quantity.ts';

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
