// What a meter keeps of any set of events, recounted one event at a time by the rules of its aggregation, and of
// the terms of a price over the events of a customer.
import { isOneSubject } from '../../domain/aggregation/across.ts';
import type { EventOrder, WindowState } from '../../domain/aggregation/aggregation-rules.ts';
import { type Aggregation, aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { POOLED } from '../../domain/billing/billing-period-terms.ts';
import { acrossOf, type Meter } from '../../domain/metering/meter.ts';
import type { Reading } from '../../domain/metering/meter-reading.ts';
import { QUANTITY_ONE, type Quantity } from '../../domain/number/quantity.ts';
import type { WindowValue } from '../../domain/rating/contributions.ts';
import type { CountedTerms, SubjectWindows } from '../../domain/rating/term-usage.ts';
import type { RecountedReading } from './recount.ts';

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

  /** What is kept; of a mean the sum. Zero for no events. */
  kept(): Quantity {
    return this.state?.value ?? 0n;
  }
}

/**
 * What some terms of a price count of a customer's events: of each subject, or of all of them where they are one for
 * the meter. Of one term as a whole, of several window by window.
 */
export class CountedTally {
  private readonly meter: Meter;
  private readonly counted: CountedTerms;
  /** By subject, then by window. */
  private readonly tallies = new Map<string, Map<number, MeterTally>>();
  /** Of a matrix: by the values of its dimensions. */
  private readonly byValues = new Map<string, CountedTally>();
  /** Of a meter that tells values apart: by subject the window that saw each first. */
  private readonly firstSeen = new Map<string, Map<string, number>>();

  constructor(meter: Meter, counted: CountedTerms) {
    this.meter = meter;
    this.counted = counted;
  }

  add(recounted: RecountedReading): void {
    const { meter, counted } = this;
    if (counted.dimensions.length === 0) {
      this.addAlike(recounted);
      return;
    }
    const { groupValues } = recounted.reading;
    const values = counted.dimensions.map(
      (name) => groupValues[meter.dimensions.findIndex((each) => each.name === name)] ?? '',
    );
    const key = JSON.stringify(values);
    const tally = this.byValues.get(key) ?? new CountedTally(meter, { ...counted, dimensions: [] });
    this.byValues.set(key, tally);
    tally.addAlike(recounted);
  }

  private addAlike({ subject, windowStart, reading, order }: RecountedReading): void {
    const { meter, counted } = this;
    const isMerged = !counted.isBySubject && isOneSubject(acrossOf(meter));
    const key = isMerged ? POOLED : subject;
    const place = counted.terms.length === 1 ? counted.terms[0]!.from : windowStart;
    if (reading.uniqueValue !== null) {
      const seen = this.firstSeen.get(key) ?? new Map<string, number>();
      this.firstSeen.set(key, seen);
      seen.set(reading.uniqueValue, Math.min(place, seen.get(reading.uniqueValue) ?? place));
      return;
    }
    const windows = this.tallies.get(key) ?? new Map<number, MeterTally>();
    this.tallies.set(key, windows);
    const tally = windows.get(place) ?? new MeterTally(meter.aggregation);
    windows.set(place, tally);
    tally.add(reading, order);
  }

  /** `heldBy`: when a subject is the customer's, of a level that counts by that. */
  usage(heldBy: (subject: string, counted: CountedTerms) => SubjectWindows['held']): SubjectWindows[] {
    if (this.byValues.size > 0) return this.usageByValues(heldBy);
    const { isMean } = aggregationRules(this.meter.aggregation);
    const tallied = [...this.tallies].map(([subject, windows]) => ({
      ...{ subject, held: heldBy(subject, this.counted) },
      windows: [...windows].map(([windowStart, tally]) => ({
        ...{ windowStart, quantity: tally.kept() },
        ...(isMean && { events: BigInt(tally.eventCount) }),
      })),
    }));
    const seen = [...this.firstSeen].map(([subject, values]) => {
      const counts = new Map<number, Quantity>();
      for (const windowStart of values.values())
        counts.set(windowStart, (counts.get(windowStart) ?? 0n) + QUANTITY_ONE);
      return { subject, windows: [...counts].map(([windowStart, quantity]) => ({ windowStart, quantity })) };
    });
    return [...tallied, ...seen];
  }

  /** Each subject once, with the windows of all values. */
  private usageByValues(heldBy: Parameters<CountedTally['usage']>[0]): SubjectWindows[] {
    const found = new Map<string, WindowValue[]>();
    for (const [key, tally] of this.byValues) {
      const groups = JSON.parse(key) as readonly string[];
      for (const { subject, windows } of tally.usage(heldBy)) {
        const known = found.get(subject) ?? [];
        found.set(subject, known);
        for (const window of windows) known.push({ ...window, groups });
      }
    }
    const held = (subject: string) => heldBy(subject, this.counted) ?? null;
    return [...found].map(([subject, windows]) => ({ subject, windows, held: held(subject) }));
  }
}
