// I4 from raw events: what the terms of every price cost by the recounted usage, against their line items.
import type { Pool, PoolClient } from 'pg';
import { customerOf, Ownership } from '../../../domain/accounts/ownership.ts';
import { customerText, startText, type TenantCustomer } from '../../../domain/billing/billing-period-terms.ts';
import { closedBefore } from '../../../domain/billing/item-span.ts';
import type { TenantVersions } from '../../../domain/catalog/tenant-versions.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { namedGroups } from '../../../domain/metering/meter.ts';
import { isTaken } from '../../../domain/pricing/taken-usage.ts';
import type { BilledBy } from '../../../domain/rating/billed-by.ts';
import { RecordsByCustomer } from '../../../domain/rating/customer-records.ts';
import { heldTimes } from '../../../domain/rating/held-share.ts';
import { type DueFee, type PeriodTarget, wholeTarget } from '../../../domain/rating/period-targets.ts';
import { ratedTerms } from '../../../domain/rating/rated-terms.ts';
import { RatingCatalogs } from '../../../domain/rating/rating-catalog.ts';
import { type CountedTerms, chargedTerms, countedTerms } from '../../../domain/rating/term-usage.ts';
import { nextChunkOf, type SealVector } from '../../../domain/sealing/seal-vector.ts';
import type { UsagePeriod } from '../../../domain/terms/price-terms.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { readAllAssignments } from '../../../platform/account-store/subject-assignments.ts';
import { readAllSubscriptions } from '../../../platform/account-store/subscriptions.ts';
import { readBilledPeriodsIn } from '../../../platform/billing-store/billed-periods.ts';
import { readProgress } from '../../../platform/billing-store/rater-progress.ts';
import { type PriceSum, readPriceSums } from '../../../platform/billing-store/written-prices.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';
import type { AuditLog } from '../discrepancy.ts';
import { compareTerms } from '../expected-terms.ts';
import { CountedTally } from '../meter-tally.ts';
import { countsIn, type RecountedReading } from '../recount.ts';
import type { AuditScope } from './audit-slices.ts';

/** How far something is billed. */
interface BilledView {
  readonly vector: SealVector;
  /** What ends by then was closed; milliseconds. */
  readonly closedUpTo: number;
  /** Of the last rating; milliseconds. */
  readonly watermark: number;
}

/** The periods of a customer that start at an instant. */
interface AuditedStart {
  readonly target: PeriodTarget;
  readonly view: BilledView;
  readonly usage: readonly {
    readonly period: UsagePeriod;
    readonly counted: readonly { readonly terms: CountedTerms; readonly tally: CountedTally }[];
  }[];
  /** Those that are charged only where there is usage, and have some. */
  readonly usedFees: Set<DueFee>;
}

const NOTHING_CHARGED: readonly PriceSum[] = [];

/**
 * Recounts what every term costs, as of the seals and the watermark of its last rating, or of the raters' progress
 * where that is later: what the progress has passed over is billed, and where there is no period for it there should be
 * one.
 */
export class PriceAudit {
  private readonly catalogs: RatingCatalogs;
  private readonly records: RecordsByCustomer;
  private readonly ownership: Ownership;
  /** By customer, then by start. */
  private readonly starts = new Map<string, Map<number, AuditedStart>>();
  /** By customer and start. */
  private readonly charged: ReadonlyMap<string, readonly PriceSum[]>;
  /** Of customers that are due: the next step of a rater bills what has changed, or has come. */
  private readonly due = new Set<string>();
  private readonly unread: { readonly from: number; readonly to: number }[] = [];
  /** Null: nothing is said of periods that are missing. */
  private readonly passed: BilledView | null;
  private readonly periods = new WeakMap<BilledBy, Map<string, UsagePeriod[]>>();

  private constructor(parts: {
    readonly catalogs: RatingCatalogs;
    readonly records: RecordsByCustomer;
    readonly ownership: Ownership;
    readonly charged: ReadonlyMap<string, readonly PriceSum[]>;
    readonly passed: BilledView | null;
  }) {
    this.catalogs = parts.catalogs;
    this.records = parts.records;
    this.ownership = parts.ownership;
    this.charged = parts.charged;
    this.passed = parts.passed;
  }

  /**
   * Periods and line items of one snapshot; call it before the seals are read, so that these cover every period's
   * vector.
   */
  static read(pool: Pool, versions: TenantVersions, scope: AuditScope): Promise<PriceAudit> {
    return inTransaction(
      pool,
      async (client) => {
        const progress = await readProgress(client);
        const catalogs = new RatingCatalogs(versions.upTo(progress.catalogVersion));
        const subscriptions = await readAllSubscriptions(client, scope.tenant);
        const sums = await readPriceSums(client, scope);
        const { closedUpTo, sealVector: vector, watermark } = progress;
        // Periods that reach out of the scope are not read, so it can't be told what they leave out.
        const isWhole = scope.from === null && scope.to === null && catalogs.version > 0;
        const audit = new PriceAudit({
          catalogs,
          records: new RecordsByCustomer(catalogs, subscriptions),
          ownership: new Ownership(await readAllAssignments(client, scope.tenant)),
          charged: groupBy(sums, startText),
          passed: isWhole && closedUpTo !== null ? { vector, closedUpTo, watermark: watermark! } : null,
        });
        await audit.readPeriods(client, scope);
        return audit;
      },
      { isolation: 'repeatable read' },
    );
  }

  private async readPeriods(client: PoolClient, scope: AuditScope): Promise<void> {
    for (const period of await readBilledPeriodsIn(client, scope)) {
      if (period.isDue) this.due.add(customerText(period));
      const { sealVector: vector, closedUpTo, ratedWatermark: watermark } = period;
      // Those that start together were rated together.
      if (this.startsOf(period).has(period.periodStart)) continue;
      this.audited(period, period.periodStart, { vector, closedUpTo, watermark });
    }
  }

  private startsOf(customer: TenantCustomer): Map<number, AuditedStart> {
    const key = customerText(customer);
    const starts = this.starts.get(key) ?? new Map<number, AuditedStart>();
    this.starts.set(key, starts);
    return starts;
  }

  private audited({ tenant, customer }: TenantCustomer, periodStart: number, view: BilledView): AuditedStart {
    const by = this.records.of({ tenant, customer });
    const subjects = this.ownership.subjectsOf({ tenant, customer });
    const target = wholeTarget(view, by, { tenant, customer, subjects }, periodStart);
    const usage = target.usage.map((period) => ({
      period,
      counted: countedTerms(period).map((terms) => ({ terms, tally: new CountedTally(period.line.meter!, terms) })),
    }));
    const start = { target, view, usage, usedFees: new Set<DueFee>() };
    this.startsOf({ tenant, customer }).set(periodStart, start);
    return start;
  }

  add(recounted: RecountedReading): void {
    const { tenant, windowStart } = recounted;
    const customer = { tenant, customer: this.customerOf(recounted) };
    const starts = this.startsOf(customer);
    for (const { period } of this.periodsOf(customer, recounted)) {
      const start = starts.get(period.start) ?? this.missingStart(recounted, customer, period.start);
      if (start !== null) count(start, recounted);
    }
    for (const start of starts.values()) {
      for (const fee of start.target.fees) {
        const isIn = fee.isByUsage && fee.from <= windowStart && windowStart < fee.to;
        if (isIn && isBilled(start.view, recounted)) start.usedFees.add(fee);
      }
    }
  }

  private customerOf({ tenant, subject, windowStart, reading }: RecountedReading): string {
    const assigned = this.ownership.assigned({ tenant, subject });
    return assigned === null ? subject : customerOf(assigned, windowStart, windowSizeMs[reading.meter.window]);
  }

  /** The periods of prices of the meter that hold the window; of most customers the same. */
  private periodsOf(customer: TenantCustomer, { reading, windowStart }: RecountedReading): readonly UsagePeriod[] {
    const by = this.records.of(customer);
    const known = this.periods.get(by) ?? new Map<string, UsagePeriod[]>();
    this.periods.set(by, known);
    const key = keyText(reading.meter.slug, windowStart);
    const periods =
      known.get(key) ??
      by.terms.usageLines
        .filter(({ meter }) => meter!.slug === reading.meter.slug)
        .flatMap((line) => by.terms.usagePeriodsAt(line, windowStart))
        // Several prices of a start are counted at once.
        .filter(({ period: { start } }, i, all) => all.findIndex(({ period }) => period.start === start) === i);
    known.set(key, periods);
    return periods;
  }

  /** What should be there for usage that the raters' progress has passed over; null: there need be nothing. */
  private missingStart(
    recounted: RecountedReading,
    customer: TenantCustomer,
    periodStart: number,
  ): AuditedStart | null {
    const { passed } = this;
    if (passed === null || !isBilled(passed, recounted)) return null;
    // Line items without their period speak for themselves.
    if (this.charged.has(startText({ ...customer, periodStart }))) return null;
    return this.audited(customer, periodStart, passed);
  }

  /**
   * Usage of these days could not be read: nothing is said of the periods that it is in. Milliseconds since the epoch.
   */
  leaveOut(from: number, to: number): void {
    this.unread.push({ from, to });
  }

  /** The line items of each term of each price against the price of the recounted usage (I4). */
  compare(log: AuditLog): void {
    const compared = new Set<string>();
    for (const [customer, starts] of this.starts) {
      for (const start of starts.values()) {
        const key = startText(start.target);
        compared.add(key);
        if (this.due.has(customer) || this.isUnread(start.target)) continue;
        compareTerms(start.target, this.termsOf(start), this.charged.get(key) ?? NOTHING_CHARGED, log);
      }
    }
    // What is left was charged for no period at all: it has to cancel out.
    for (const [key, sums] of this.charged) if (!compared.has(key)) compareTerms(sums[0]!, [], sums, log);
  }

  private termsOf({ target, view, usage, usedFees }: AuditedStart) {
    const charged = usage.map(({ period, counted }) => {
      const heldBy = (subject: string, { terms }: CountedTerms) =>
        heldTimes(period.line.meter!, target, subject, terms, view.closedUpTo);
      const tallies = new Map(counted.map(({ terms, tally }) => [terms, tally.usage(heldBy)]));
      return { period, charged: chargedTerms(period, [...tallies.keys()], (terms) => tallies.get(terms)!) };
    });
    const fees = target.fees.filter((fee) => !fee.isByUsage || usedFees.has(fee));
    return ratedTerms(target, charged, fees, this.catalogs.of(target.tenant));
  }

  private isUnread({ usage, fees, periodStart }: PeriodTarget): boolean {
    const end = Math.max(
      periodStart + 1,
      ...usage.map(({ windows }) => windows.to),
      ...fees.map((fee) => fee.periodEnd),
    );
    const from = Math.min(periodStart, ...usage.map(({ windows }) => windows.from));
    return this.unread.some((unread) => unread.from < end && unread.to > from);
  }
}

/** Whether the view has the chunk of a reading, in the reading's revision, and its window is closed in it. */
function isBilled({ vector, closedUpTo }: BilledView, recounted: RecountedReading): boolean {
  const { windowStart, reading, chunk } = recounted;
  return (
    chunk.chunk < nextChunkOf(vector, chunk.generation, chunk.partition) &&
    windowStart < closedBefore(reading.meter, closedUpTo) &&
    countsIn(vector, recounted)
  );
}

/** Counts a reading to the terms that price its window. */
function count(start: AuditedStart, recounted: RecountedReading): void {
  const { windowStart, reading } = recounted;
  if (!isBilled(start.view, recounted)) return;
  const { meter, groupValues } = reading;
  for (const { period, counted } of start.usage) {
    if (period.line.meter!.slug !== meter.slug) continue;
    // By the dimensions that the meter has by now: the reading may be of before some of them.
    const groups = namedGroups(period.line.meter!, groupValues);
    for (const { terms, tally } of counted) {
      if (!terms.terms.some(({ from, to }) => from <= windowStart && windowStart < to)) continue;
      if (isTaken(terms.taken, groups, windowStart)) tally.add(recounted);
    }
  }
}
