// What a batch of customers has to be rated for: which periods of which prices, with all their terms, and from where on
// window by window. A price's terms in the periods that start at an instant are rated together, whosever subscription
// they are of, so that a term that is no more is seen to be gone (T14).
import type { AssignedSubject } from '../accounts/assignments.ts';
import {
  customerText,
  NO_SUBSCRIPTION,
  type RatedPeriod,
  type TenantCustomer,
} from '../billing/billing-period-terms.ts';
import { itemBoundBefore } from '../billing/item-span.ts';
import { groupBy } from '../composite-key.ts';
import { minimumOf } from '../pricing/parts.ts';
import { sameDefinition } from '../terms/catalog-history.ts';
import type { FeeTerm } from '../terms/fees.ts';
import type { PriceLine } from '../terms/price-lines.ts';
import type { UsagePeriod } from '../terms/price-terms.ts';
import { RERATED_BACK_MAX_MS } from '../terms/record-rules.ts';
import { LONGEST_WINDOW_MS } from '../time/time-window.ts';
import type { BilledBy } from './billed-by.ts';
import type { RecordsByCustomer } from './customer-records.ts';
import { type CustomerWork, timesOf } from './customer-work.ts';
import type { MinimumPeriod } from './minimums.ts';
import { openStarts, withMoves } from './subject-moves.ts';

/** A fee's term that is due. */
export interface DueFee extends FeeTerm {
  readonly slug: string;
  readonly periodEnd: number;
  /** Of the default plan, which nobody chose: it is charged only once there is usage. */
  readonly isByUsage: boolean;
}

/** What is to be rated of a customer in the periods that start at an instant. */
export interface PeriodTarget extends TenantCustomer {
  /** Milliseconds since the epoch. */
  readonly periodStart: number;
  /** Whatever is the customer's subject at some time. */
  readonly subjects: readonly AssignedSubject[];
  readonly usage: readonly UsagePeriod[];
  readonly fees: readonly DueFee[];
  /** Those that are due, of the prices that are rated. */
  readonly minimums: readonly MinimumPeriod[];
  /** The slugs of the prices that are rated; null: all that have items, so that a price that is gone is seen. */
  readonly prices: ReadonlySet<string> | null;
  /** Usage and its items of windows that start before are compared as one sum, and are of items that start before. */
  readonly detailFrom: number;
}

/** Which windows are looked at one by one: from the first touched one of a period on, or all of them. */
export type Detail = 'touched' | 'all';

export const subscriptionOf = ({ subscription }: { readonly subscription: string | null }): string =>
  subscription ?? NO_SUBSCRIPTION;

/** Up to where all is rated that is due, and what ends by when is closed; milliseconds since the epoch. */
export interface RatedUpTo {
  readonly watermark: number;
  readonly closedUpTo: number;
}

/** In the order of the customers, then of time. */
export function periodTargets(
  detail: Detail,
  upTo: RatedUpTo,
  records: RecordsByCustomer,
  work: readonly CustomerWork[],
  stored: readonly RatedPeriod[],
): PeriodTarget[] {
  const storedByCustomer = groupBy(stored, customerText);
  const { closedUpTo } = upTo;
  return work.flatMap((ofCustomer) => {
    const known = stored.length === 0 ? [] : (storedByCustomer.get(customerText(ofCustomer)) ?? []);
    const by = records.of(ofCustomer, Math.min(earliestOf(upTo, ofCustomer, known), ...openStarts(ofCustomer, known)));
    const withAll = withMoves(by, ofCustomer, known, closedUpTo);
    return new CustomerTargets(detail, upTo, by, withAll, known).all();
  });
}

/** Every period of a customer in which anything is due from an instant on, `work.dueFrom`, whole. */
export const dueTargets = (
  upTo: RatedUpTo,
  by: BilledBy,
  work: CustomerWork,
  stored: readonly RatedPeriod[],
): PeriodTarget[] => new CustomerTargets('all', upTo, by, work, stored).all();

/** Each period that is looked at holds this instant or a later one. */
function earliestOf(upTo: RatedUpTo, work: CustomerWork, stored: readonly RatedPeriod[]): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (const time of timesOf(work)) if (time < earliest) earliest = time;
  if (work.dueFrom === null) return earliest;
  const from = dueSince(work.dueFrom);
  earliest = Math.min(earliest, closedSince(upTo, from));
  for (const { periodStart, periodEnd } of stored) if (periodEnd > from) earliest = Math.min(earliest, periodStart);
  return earliest;
}

/** The stretch of a fee is a whole window, which may have begun in the period before (T7). */
const dueSince = (dueFrom: number): number => dueFrom - LONGEST_WINDOW_MS;

/** A minimum is due where its period is closed, and not where it ends. */
const closedSince = ({ watermark, closedUpTo }: RatedUpTo, from: number): number => from - (watermark - closedUpTo);

/** All prices of a customer in the periods that start at an instant, as they stand. */
export function wholeTarget(
  upTo: RatedUpTo,
  by: BilledBy,
  customer: TenantCustomer & Pick<CustomerWork, 'subjects'>,
  periodStart: number,
): PeriodTarget {
  const work: CustomerWork = { ...customer, windows: new Map(), dueFrom: periodStart };
  return new CustomerTargets('all', upTo, by, work, []).wholeAt(periodStart);
}

class CustomerTargets {
  private readonly detail: Detail;
  private readonly upTo: RatedUpTo;
  private readonly watermark: number;
  private readonly by: BilledBy;
  private readonly work: CustomerWork;
  private readonly stored: readonly RatedPeriod[];
  /** Of all that is known now, and of what was known at the watermark. */
  private readonly feeLines: readonly PriceLine[];
  private readonly usage = new Map<number, Set<UsagePeriod>>();
  private readonly fees = new Map<number, DueFee[]>();
  private readonly prices = new Map<number, Set<string>>();

  constructor(detail: Detail, upTo: RatedUpTo, by: BilledBy, work: CustomerWork, stored: readonly RatedPeriod[]) {
    this.detail = detail;
    this.upTo = upTo;
    this.watermark = upTo.watermark;
    this.by = by;
    this.work = work;
    this.stored = stored;
    this.feeLines = [...new Set([...by.terms.feeLines, ...by.fees.linesAt(upTo.watermark)])];
  }

  all(): PeriodTarget[] {
    const { dueFrom } = this.work;
    for (const time of timesOf(this.work)) this.addTouched(time);
    const whole = new Set(
      [...this.prices.keys()].filter((start) => this.hasOtherRecords(start) || this.hasPlanMinimum(start)),
    );
    if (dueFrom !== null) {
      const from = dueSince(dueFrom);
      this.addDue(from);
      const closed = closedSince(this.upTo, from);
      for (const { start } of this.by.minimums.periodsIn(closed, this.watermark)) this.at(start);
      // What was billed may be of a price, or of a period, that is no more.
      for (const { periodStart, periodEnd } of this.stored) if (periodEnd > from) this.at(periodStart);
      for (const periodStart of this.prices.keys()) whole.add(periodStart);
    }
    for (const periodStart of whole) this.addUsageAt(periodStart, null);
    for (const periodStart of whole) this.addFeesAt(periodStart);
    return [...this.prices.keys()].sort((a, b) => a - b).map((periodStart) => this.target(periodStart, whole));
  }

  /**
   * Whether the customer has other records than those that a period was rated by. Then all of its prices are rated:
   * once the period is said to be rated by the new records, a term whose end they moved can't be told from a wrong one.
   */
  private hasOtherRecords(start: number): boolean {
    return this.stored.some(({ periodStart, records }) => periodStart === start && records !== this.by.records);
  }

  /** Whether one is due: then whatever changes in its periods changes it, too. */
  private hasPlanMinimum(start: number): boolean {
    return this.dueMinimums(start).some(({ price }) => price === null);
  }

  private dueMinimums(start: number): MinimumPeriod[] {
    const { minimums } = this.by;
    if (minimums.isEmpty) return NO_MINIMUMS;
    return minimums.startingAt(start).filter(({ closesAt }) => closesAt <= this.upTo.closedUpTo);
  }

  wholeAt(periodStart: number): PeriodTarget {
    this.at(periodStart);
    this.addUsageAt(periodStart, null);
    this.addFeesAt(periodStart);
    return this.target(periodStart, new Set([periodStart]));
  }

  private target(periodStart: number, whole: ReadonlySet<number>): PeriodTarget {
    const { tenant, customer, subjects } = this.work;
    const usage = [...(this.usage.get(periodStart) ?? [])];
    const prices = whole.has(periodStart) ? null : this.prices.get(periodStart)!;
    const minimums = this.dueMinimums(periodStart).filter(({ name }) => prices?.has(name) !== false);
    return {
      ...{ tenant, customer, subjects, periodStart, usage, fees: this.fees.get(periodStart) ?? [], minimums, prices },
      detailFrom: this.detailFrom(periodStart, usage),
    };
  }

  private at(periodStart: number): Set<string> {
    const known = this.prices.get(periodStart) ?? new Set();
    this.prices.set(periodStart, known);
    return known;
  }

  /** Usage of a window, and what the default plan charges once there is some. */
  private addTouched(windowStart: number): void {
    const { terms, fees } = this.by;
    for (const line of terms.usageLines) {
      for (const period of terms.usagePeriodsAt(line, windowStart)) this.addUsage(period);
    }
    if (!this.feeLines.some(({ members }) => members[0] === null)) return;
    for (const { slug, first, period } of fees.periodsIn(windowStart, windowStart + 1, this.watermark)) {
      if (first === null) this.addFees(period.start, slug);
    }
  }

  private addUsage(period: UsagePeriod): void {
    const periodStart = period.period.start;
    const known = this.usage.get(periodStart);
    if (known?.has(period)) return;
    const { slug } = period.line;
    this.at(periodStart).add(slug);
    if (this.by.minimums.isOf(slug)) this.at(periodStart).add(minimumOf(slug));
    if (known === undefined) this.usage.set(periodStart, new Set([period]));
    else known.add(period);
    // Another line of the slug, or another length, may have a period that starts then, too: which terms are gone is
    // told by all of them.
    const { usageLines } = this.by.terms;
    const { line } = period;
    const isOnly =
      usageLines.every((other) => other === line || other.slug !== line.slug) &&
      line.segments.every((segment) => sameDefinition(segment.price.every, line.segments[0]!.price.every));
    if (!isOnly) this.addUsageAt(periodStart, line.slug);
  }

  /** Of a price, or of all of them. */
  private addUsageAt(periodStart: number, slug: string | null): void {
    const { terms } = this.by;
    for (const line of terms.usageLines) {
      if (slug !== null && line.slug !== slug) continue;
      for (const period of terms.usagePeriodsFrom(line, periodStart)) this.addUsage(period);
    }
  }

  /** Every period of which anything is from then on. */
  private addDue(from: number): void {
    const { terms, fees } = this.by;
    const until = this.watermark + 1;
    const isDefault = ({ members }: { readonly members: readonly unknown[] }) => members[0] === null;
    const ofDefault = Math.max(from, this.defaultLookedFrom());
    for (const line of terms.usageLines) {
      const since = isDefault(line) ? ofDefault : Math.max(from, line.begin - line.windowMs);
      for (const { period } of terms.usagePeriodsIn(line, since, until)) this.at(period.start);
    }
    const begin = Math.min(...this.feeLines.map((line) => (isDefault(line) ? ofDefault : line.begin)));
    for (const { period } of fees.periodsIn(Math.max(from, begin), until, this.watermark)) this.at(period.start);
  }

  /**
   * The default plan has always been there, and a version may hold from whenever. What the plan charges may be due in a
   * period of which nothing was billed yet, but not in one that is long over: whatever comes to be charged there has
   * been billed before, or is of a window that is looked at.
   */
  private defaultLookedFrom(): number {
    const billedFrom = Math.min(this.watermark, ...this.stored.map(({ periodStart }) => periodStart));
    return Math.min(billedFrom, this.watermark - RERATED_BACK_MAX_MS);
  }

  private addFeesAt(periodStart: number): void {
    const slugs = new Set(this.feeLines.map(({ slug }) => slug));
    for (const slug of slugs) this.addFees(periodStart, slug);
  }

  /** Of all lines of a fee. */
  private addFees(periodStart: number, slug: string): void {
    const prices = this.at(periodStart);
    if (this.fees.get(periodStart)?.some((fee) => fee.slug === slug)) return;
    const { fees } = this.by;
    const due = fees
      .periodsFrom(periodStart, this.watermark)
      .filter((of) => of.slug === slug)
      .flatMap((of) =>
        fees
          .termsAt(of, this.watermark)
          .filter(({ dueAt }) => dueAt <= this.watermark)
          .map((term) => ({ ...term, slug, periodEnd: of.period.end, isByUsage: of.first === null })),
      );
    prices.add(slug);
    this.fees.set(periodStart, [...(this.fees.get(periodStart) ?? []), ...due]);
  }

  private detailFrom(periodStart: number, usage: readonly UsagePeriod[]): number {
    const isKnown = this.stored.some((period) => period.periodStart === periodStart);
    if (this.detail === 'all' || !isKnown) return 0;
    const { dueFrom } = this.work;
    let first = dueFrom ?? Number.POSITIVE_INFINITY;
    const end = Math.max(...usage.map(({ windows }) => windows.to));
    for (const time of timesOf(this.work)) if (time < first && time < end && isIn(usage, time)) first = time;
    if (!Number.isFinite(first)) return 0;
    return itemBoundBefore(
      first,
      0,
      usage.map(({ line }) => line.meter!),
    );
  }
}

const NO_MINIMUMS: MinimumPeriod[] = [];

const isIn = (usage: readonly UsagePeriod[], time: number): boolean =>
  usage.some(({ windows }) => windows.from <= time && time < windows.to);
