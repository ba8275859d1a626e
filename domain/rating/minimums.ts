// The minimums of a customer: the least that a price, or a plan, costs in a period (T6).
//
// What a minimum comes to in a period is its part by the second of the time in which the plan that has it is held: with
// several definitions, the sum of theirs. It is charged where a period is over and closed, on the stretch of the last
// definition, and only as far as what was charged in the period falls short of it. So it stays a function of records
// and of closed usage, and usage that comes late moves it as it moves every amount.
//
// The minimum of a price runs by the line of the price: it has its grid, and is of its periods. That of a plan has a
// line of its own, as if it were a fee of the plan. Whoever has the default plan has agreed to nothing, and has none.
import { itemClosesAt } from '../billing/item-span.ts';
import { mapKey } from '../composite-key.ts';
import { Decimal } from '../number/decimal.ts';
import type { FlatPrice } from '../pricing/models/flat.ts';
import { isMinimum, slugOfMinimum } from '../pricing/parts.ts';
import { amountBetween } from '../terms/exact-share.ts';
import { type PriceLine, segmentPeriod, segmentsIn } from '../terms/price-lines.ts';
import type { PriceSegment } from '../terms/price-segments.ts';
import type { CustomerTerms } from '../terms/price-terms.ts';
import type { BillingPeriod } from '../time/billing-period.ts';
import { LONGEST_WINDOW_MS, windowStartFrom } from '../time/time-window.ts';

/** A minimum in one of its periods. Instants are milliseconds since the epoch. */
export interface MinimumPeriod {
  /** As its items are named. */
  readonly name: string;
  /** The slug of the price that it is of; null: of all of the plan. */
  readonly price: string | null;
  /** What is charged to these subscriptions is counted to it. */
  readonly members: readonly (string | null)[];
  readonly period: BillingPeriod;
  /** When the last is closed that counts: then it is due. */
  readonly closesAt: number;
  /** What holds last, in the stretch of the period in which it does. */
  readonly last: Pick<PriceSegment, 'from' | 'to' | 'subscription' | 'plan' | 'catalogVersion'>;
  /** Before anything is taken off. */
  readonly amount: Decimal;
}

type MinimumLine = Pick<PriceLine, 'slug' | 'grid' | 'begin' | 'members' | 'segments'>;

/** Those of prices come first: they are counted to that of the plan. */
const rankOf = ({ slug }: MinimumLine): number => (slugOfMinimum(slug) === null ? 1 : 0);

export class CustomerMinimums {
  private readonly terms: CustomerTerms;
  private readonly lines: readonly MinimumLine[];

  constructor(terms: CustomerTerms) {
    this.terms = terms;
    this.lines = terms.everyLine
      .filter(({ slug, members }) => isMinimum(slug) && members.some((id) => id !== null))
      .map((line) => ({ ...line, segments: line.segments.filter(({ isTrial }) => !isTrial) }))
      .filter(({ segments }) => segments.length > 0)
      .sort((a, b) => rankOf(a) - rankOf(b));
  }

  /** Of most customers. */
  get isEmpty(): boolean {
    return this.lines.length === 0;
  }

  /** Of which slugs there is one at some time. */
  isOf(slug: string): boolean {
    return this.lines.some((line) => slugOfMinimum(line.slug) === slug);
  }

  /** In the periods that start at an instant: those of prices, then those of plans. */
  startingAt(start: number): MinimumPeriod[] {
    return this.lines.flatMap((line) => {
      const byEnd = new Map<number, PriceSegment[]>();
      for (const { segment, period } of segmentsIn(line, start))
        byEnd.set(period.end, [...(byEnd.get(period.end) ?? []), segment]);
      return [...byEnd].map(([end, segments]) => this.minimumIn(line, { start, end }, segments));
    });
  }

  /** Of periods that begin before `to` and end after `from`. */
  periodsIn(from: number, to: number): BillingPeriod[] {
    const found = new Map<string, BillingPeriod>();
    for (const line of this.lines) {
      for (const segment of line.segments) {
        let instant = Math.max(segment.from, Math.min(from, segment.to - 1));
        while (instant < Math.min(segment.to, to)) {
          const period = segmentPeriod(line, segment, instant);
          if (period.end > from) found.set(mapKey(period.start, period.end), period);
          instant = period.end;
        }
      }
    }
    return [...found.values()].sort((a, b) => a.start - b.start);
  }

  /** The first instant after one at which a minimum closes; null: none is to come. */
  nextClosing(after: number): number | null {
    let next: number | null = null;
    for (const line of this.lines) {
      for (const segment of line.segments) {
        // What closes after it may have ended before, by no more than an item is wide.
        let instant = Math.max(segment.from, Math.min(after - LONGEST_WINDOW_MS, segment.to - 1));
        for (let found = false; !found && instant < segment.to; ) {
          const period = segmentPeriod(line, segment, instant);
          const { closesAt } = this.minimumIn(line, period, [segment]);
          found = closesAt > after;
          if (found && (next === null || closesAt < next)) next = closesAt;
          instant = period.end;
        }
      }
    }
    return next;
  }

  private minimumIn(line: MinimumLine, period: BillingPeriod, segments: readonly PriceSegment[]): MinimumPeriod {
    const { start, end } = period;
    const whole = BigInt(end - start);
    let amount = Decimal.zero;
    let last: PriceSegment | null = null;
    for (const segment of segments) {
      const [from, to] = [Math.max(segment.from, start), Math.min(segment.to, end)];
      const { flatAmount } = segment.price as FlatPrice;
      amount = amount.plus(amountBetween(Decimal.parse(flatAmount), BigInt(from - start), BigInt(to - start), whole));
      const isLast = last === null || to > last.to || (to === last.to && from >= last.from);
      if (isLast) last = { ...segment, from, to };
    }
    const { slug: name, members } = line;
    const price = slugOfMinimum(name);
    return { name, price, members, period, closesAt: this.closesAt(line, period), last: last!, amount };
  }

  /** When the last window is closed whose charge counts: of the period, or of the subscriptions where these end. */
  private closesAt({ slug, members }: MinimumLine, { end }: BillingPeriod): number {
    const { holders, usageLines } = this.terms;
    const ends = holders.filter(({ subscription }) => members.includes(subscription)).map((holder) => holder.end);
    const until = Math.min(end, Math.max(...ends));
    const price = slugOfMinimum(slug);
    const closings = usageLines
      .filter((line) => (price === null || line.slug === price) && line.members.some((id) => members.includes(id)))
      .map(({ meter, windowMs }) => itemClosesAt(meter!, windowStartFrom(until, windowMs)));
    return Math.max(until, ...closings);
  }
}
