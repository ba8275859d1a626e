// Which definition of which price holds for a customer when: the one rule of time, as a pure function of immutable
// records (P1).
//
// A term is the stretch of a period in which one definition of a price holds. The terms of a usage price begin and end
// at window boundaries, and a term is known by its first window (T14). A change makes a new term of what it changes and
// of nothing else (T4). The grid draws periods; the start and end of a subscription cut terms and never a period (T5).
import { isMinimum } from '../pricing/parts.ts';
import type { UsagePrice } from '../pricing/prices.ts';
import { isOrdinary, isOtherwise, matchesGroups, type TakenUsage, takenBy } from '../pricing/taken-usage.ts';
import type { BillingPeriod } from '../time/billing-period.ts';
import { windowStartFrom, windowStartOf } from '../time/time-window.ts';
import type { CatalogHistory } from './catalog-history.ts';
import { defaultHolder, type PlanHolder, subscriptionHolder } from './plan-holders.ts';
import { lengthOf, type PriceLine, priceLines, priceMinimumLines, segmentPeriod, segmentsIn } from './price-lines.ts';
import { CustomerSegments, joinedSegments, type PriceSegment } from './price-segments.ts';
import type { SubscriptionHistory } from './subscription-history.ts';
import { lengthText } from './subscription-periods.ts';

/** The records of one customer. */
export interface CustomerRecords {
  readonly catalog: CatalogHistory;
  /** In any order. */
  readonly subscriptions: readonly SubscriptionHistory[];
}

/** Milliseconds since the epoch, end exclusive. Bounds are finite: a term lies in a period. */
export interface UsageTerm {
  /** Its first window. */
  readonly from: number;
  readonly to: number;
  /** Null: the default plan. */
  readonly subscription: string | null;
  /** As of its first window. */
  readonly plan: string;
  /** As of its first window; null: the subscription's own price. */
  readonly catalogVersion: number | null;
  readonly price: UsagePrice;
  /** In order of time. */
  readonly taken: readonly TakenUsage[];
}

/** A usage price in one of its periods. */
export interface UsagePeriod {
  readonly line: PriceLine;
  /** Of the grid. */
  readonly period: BillingPeriod;
  /** From its first window to the end of its last, priced or not; one that had begun only where it is priced. */
  readonly windows: { readonly from: number; readonly to: number };
  /** By first window, then by the order in which their subscriptions joined the line. */
  readonly terms: readonly UsageTerm[];
}

/** What a window of usage is met by. `trial`: held, and free; `none`: nothing prices it. */
export type WindowCover = 'priced' | 'trial' | 'none';

export class CustomerTerms {
  /** Its subscriptions in the order of their start, and the default plan last where there is one. */
  readonly holders: readonly PlanHolder[];
  readonly segments: CustomerSegments;
  readonly lines: readonly PriceLine[];
  readonly usageLines: readonly PriceLine[];
  readonly feeLines: readonly PriceLine[];
  readonly catalog: CatalogHistory;
  /** Those that were asked for: of most customers the same few, hour by hour. */
  private readonly found = new Map<PriceLine, UsagePeriod[]>();
  private every: readonly PriceLine[] | null = null;

  /**
   * `lookedFrom`: no period is asked for that starts before it, so that a default plan which is over by then need not
   * be told. Default: any may be.
   */
  constructor({ catalog, subscriptions }: CustomerRecords, lookedFrom = Number.NEGATIVE_INFINITY) {
    this.catalog = catalog;
    const byDefault = defaultHolder(catalog, subscriptions, lookedFrom);
    const inOrder = subscriptions.toSorted(
      ({ opening: a }, { opening: b }) => a.billedFrom - b.billedFrom || (a.id < b.id ? -1 : 1),
    );
    this.holders = [...inOrder.map(subscriptionHolder), ...(byDefault === null ? [] : [byDefault])];
    this.segments = new CustomerSegments(catalog, this.holders);
    this.lines = priceLines(this.holders, this.segments);
    this.usageLines = this.lines.filter(({ meter }) => meter !== null);
    this.feeLines = this.lines.filter(({ meter, slug }) => meter === null && !isMinimum(slug));
  }

  /** With those of prices' minimums. */
  get everyLine(): readonly PriceLine[] {
    const { lines, holders, segments } = this;
    this.every ??= [...lines, ...priceMinimumLines(lines, holders, segments)];
    return this.every;
  }

  /** Where what any holder has may change, by a record or a version; in no order. */
  get instants(): number[] {
    const { holders, segments } = this;
    return holders.flatMap((holder) =>
      segments.instantsOf(
        holder,
        segments.pricesOf(holder).map(({ slug }) => slug),
      ),
    );
  }

  /**
   * The periods of a line in which its window that holds an instant is priced: one, or none, but where two
   * subscriptions price it at once. The same period is the same object.
   */
  usagePeriodsAt(line: PriceLine, instant: number): UsagePeriod[] {
    const windowStart = windowStartOf(instant, line.windowMs);
    const holds = ({ from, to }: Pick<UsageTerm, 'from' | 'to'>): boolean => from <= windowStart && windowStart < to;
    const periods: UsagePeriod[] = [];
    for (const segment of line.segments) {
      if (segment.isTrial || !holds(segment)) continue;
      const period = this.periodOf(line, segment, windowStart);
      if (!periods.includes(period)) periods.push(period);
    }
    return periods;
  }

  /** The periods of a line that start at an instant: several where its length has changed. */
  usagePeriodsFrom(line: PriceLine, start: number): UsagePeriod[] {
    const periods = new Set<UsagePeriod>();
    for (const { segment, period } of segmentsIn(line, start)) {
      if (segment.isTrial) continue;
      const first = windowStartFrom(Math.max(segment.from, period.start), line.windowMs);
      // A segment may have nothing of the period but a window that had begun.
      const found = this.periodOf(line, segment, first < segment.to ? first : segment.from);
      if (found.period.start === start) periods.add(found);
    }
    return [...periods];
  }

  /** That of a segment which holds a window of it. */
  private periodOf(line: PriceLine, segment: PriceSegment, windowStart: number): UsagePeriod {
    const known = this.found.get(line) ?? [];
    const found = known.find(
      ({ windows, terms }) =>
        windows.from <= windowStart &&
        windowStart < windows.to &&
        terms.some(
          ({ subscription, from, to }) =>
            subscription === segment.subscription && from <= windowStart && windowStart < to,
        ),
    );
    if (found !== undefined) return found;
    const period = usagePeriod(line, segment, windowStart, () => this.ordinaryOf(line));
    this.found.set(line, [period, ...known]);
    return period;
  }

  /** The prices of a meter, and when each holds. */
  usagePricesOf(meter: string): HeldUsagePrice[] {
    return this.usageLines
      .filter((line) => line.meter!.slug === meter)
      .flatMap(({ segments }) => segments.map(({ from, to, price }) => ({ from, to, price: price as UsagePrice })));
  }

  /** What is priced of a line's meter but by `otherwise`, and taken from that. */
  private ordinaryOf({ meter }: PriceLine): HeldUsagePrice[] {
    return this.usagePricesOf(meter!.slug).filter(({ price }) => isOrdinary(price));
  }

  /** Every period of a line with a term that begins before `to` and ends after `from`, by start. */
  usagePeriodsIn(line: PriceLine, from: number, to: number): UsagePeriod[] {
    const found = new Map<string, UsagePeriod>();
    for (const segment of line.segments) {
      let windowStart = Math.max(segment.from, windowStartOf(from, line.windowMs));
      while (!segment.isTrial && windowStart < Math.min(segment.to, to)) {
        const period = this.periodOf(line, segment, windowStart);
        found.set(`${lengthText(lengthOf(segment))} ${period.period.start}`, period);
        windowStart = period.windows.to;
      }
    }
    return [...found.values()].sort((a, b) => a.period.start - b.period.start);
  }

  /** The definitions by which usage of a meter with some group values is priced, or free in a trial. */
  takersOf(meter: string, groups: Readonly<Record<string, string>>, windowStart: number): PriceSegment[] {
    const matching = this.usageLines
      .filter((line) => line.meter!.slug === meter)
      .flatMap(({ segments }) => segments)
      .filter(({ from, to }) => from <= windowStart && windowStart < to)
      .filter(({ price }) => matchesGroups(price as UsagePrice, groups));
    const isTaken = matching.some(({ price }) => isOrdinary(price as UsagePrice));
    return isTaken ? matching.filter(({ price }) => !isOtherwise(price as UsagePrice)) : matching;
  }

  /** Of the usage of a meter with some group values. */
  coverOf(meter: string, groups: Readonly<Record<string, string>>, windowStart: number): WindowCover {
    const covering = this.takersOf(meter, groups, windowStart);
    if (covering.length === 0) return 'none';
    return covering.some(({ isTrial }) => !isTrial) ? 'priced' : 'trial';
  }

  /** As it would be if nothing changed after an instant. */
  static until({ catalog, subscriptions }: CustomerRecords, instant: number): CustomerTerms {
    return new CustomerTerms({
      catalog: catalog.until(instant),
      subscriptions: subscriptions
        .filter(({ opening }) => opening.billedFrom <= instant)
        .map((subscription) => subscription.until(instant)),
    });
  }
}

type HeldUsagePrice = Pick<UsageTerm, 'from' | 'to' | 'price'>;

function usagePeriod(
  line: PriceLine,
  segment: PriceSegment,
  windowStart: number,
  ordinary: () => HeldUsagePrice[],
): UsagePeriod {
  const period = segmentPeriod(line, segment, windowStart);
  const length = lengthText(lengthOf(segment));
  const [start, to] = [windowStartFrom(period.start, line.windowMs), windowStartFrom(period.end, line.windowMs)];
  // The first window of a line may have begun before its period.
  const isFirst = period.start <= line.begin && line.begin < period.end;
  const earliest = isFirst ? Math.min(start, line.segments[0]!.from) : start;
  // Of most lines: it has one definition, and a window of it was asked for.
  if (line.segments.length === 1) {
    const held = { ...segment, from: Math.max(segment.from, earliest), to: Math.min(segment.to, to) };
    const only = termOf(held, ordinary);
    return { line, period, windows: { from: Math.min(start, only.from), to }, terms: [only] };
  }
  const terms = line.segments
    .filter((each) => !each.isTrial && lengthText(lengthOf(each)) === length)
    .map((each) => ({ ...each, from: Math.max(each.from, earliest), to: Math.min(each.to, to) }))
    .filter((each) => each.from < each.to);
  const from = Math.min(start, ...terms.map((each) => each.from));
  // Two that price the same windows: the one that joined the line first.
  const place = ({ subscription }: UsageTerm): number => line.members.indexOf(subscription);
  const inOrder = joinedSegments(terms)
    .map((term) => termOf(term, ordinary))
    .sort((a, b) => a.from - b.from || place(a) - place(b));
  return { line, period, windows: { from, to }, terms: inOrder };
}

function termOf(segment: PriceSegment, ordinary: () => HeldUsagePrice[]): UsageTerm {
  const { from, to, subscription, plan, catalogVersion } = segment;
  const price = segment.price as UsagePrice;
  return { from, to, subscription, plan, catalogVersion, price, taken: takenBy({ from, to, price }, ordinary) };
}
