// The value of a meter over any set of events, recounted one event at a time: the plain twin of what the aggregator rolls up.
import type { Aggregation } from '../../domain/catalog.ts';
import type { Reading } from '../../domain/meter-reading.ts';
import { QUANTITY_ONE, type Quantity } from '../../domain/quantity.ts';

/** Event time, T at acceptance, generation, partition, offset, index: how the values of a `latest` meter follow each other. */
export type EventPlace = readonly [number, number, number, number, number, number];

function follows(a: EventPlace, b: EventPlace): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! > b[i]!;
  return false;
}

export class MeterTally {
  private readonly aggregation: Aggregation;
  private sum: Quantity = 0n;
  private max: Quantity | null = null;
  private min: Quantity | null = null;
  private latest: { place: EventPlace; quantity: Quantity } | null = null;
  private readonly unique = new Set<string>();
  eventCount = 0;

  constructor(aggregation: Aggregation) {
    this.aggregation = aggregation;
  }

  add({ quantity, uniqueValue }: Reading, place: EventPlace): void {
    this.eventCount++;
    this.sum += quantity;
    if (this.max === null || quantity > this.max) this.max = quantity;
    if (this.min === null || quantity < this.min) this.min = quantity;
    if (this.latest === null || follows(place, this.latest.place)) this.latest = { place, quantity };
    if (uniqueValue !== null) this.unique.add(uniqueValue);
  }

  /** Zero for no events. */
  value(): Quantity {
    switch (this.aggregation) {
      case 'sum':
      case 'count':
        return this.sum;
      case 'max':
        return this.max ?? 0n;
      case 'min':
        return this.min ?? 0n;
      case 'latest':
        return this.latest?.quantity ?? 0n;
      case 'unique':
        return BigInt(this.unique.size) * QUANTITY_ONE;
    }
  }
}
