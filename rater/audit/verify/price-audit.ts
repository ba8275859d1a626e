// I4 from raw events: what every billing period costs by the recounted usage, against its line items.
import type { Pool, PoolClient } from 'pg';
import { customerOf, Ownership } from '../../../domain/accounts/ownership.ts';
import {
  customerText,
  NO_SUBSCRIPTION,
  type PeriodKey,
  type PeriodTerms,
  POOLED,
  periodText,
  pricedText,
} from '../../../domain/billing/billing-period-terms.ts';
import { closedBefore } from '../../../domain/billing/item-span.ts';
import type { CatalogVersion } from '../../../domain/catalog/catalog.ts';
import {
  type CustomerTimeline,
  type SubscriptionBook,
  subscriptionBook,
} from '../../../domain/catalog/subscription-book.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { QUANTITY_ONE, type Quantity, quantityToDecimal } from '../../../domain/number/quantity.ts';
import { isPeriodDue } from '../../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../../domain/pricing/prices.ts';
import { nextChunkOf, type SealVector } from '../../../domain/sealing/seal-vector.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { readAllAssignments } from '../../../platform/account-store/subject-assignments.ts';
import { readBilledPeriodsIn } from '../../../platform/billing-store/billed-periods.ts';
import { readProgress } from '../../../platform/billing-store/rater-progress.ts';
import { type PriceSum, readPriceSums } from '../../../platform/billing-store/written-prices.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';
import { type PricedInPeriod, periodPrices } from '../../core/period-prices.ts';
import { ratingTargets } from '../../core/rating-targets.ts';
import type { AuditLog } from '../discrepancy.ts';
import { UsageTally } from '../meter-tally.ts';
import type { RecountedReading } from '../recount.ts';
import type { AuditScope } from './audit-slices.ts';

interface AuditedPeriod extends PeriodKey {
  readonly terms: PeriodTerms;
  readonly vector: SealVector;
  /** What ends by then was closed; milliseconds. */
  readonly closedUpTo: number;
  /** Of the last rating; milliseconds. */
  readonly watermark: number;
  /** Of closed windows. */
  hasUsage: boolean;
  /** A price of the period itself has no tally. */
  readonly prices: readonly { readonly price: PricedInPeriod; readonly tally: UsageTally | null }[];
}

/** How far the raters say that everything is billed. */
interface Passed {
  readonly vector: SealVector;
  readonly closedUpTo: number;
  readonly versions: readonly CatalogVersion[];
  readonly book: SubscriptionBook;
}

const placeOf = ({ tenant, customer, periodStart }: PeriodKey, price: string, subject: string): string =>
  `tenant ${tenant} customer ${customer} period ${new Date(periodStart).toISOString()} price ${price}` +
  (subject === POOLED ? '' : ` subject ${subject}`);

const tallies = (versions: readonly CatalogVersion[], terms: PeriodTerms): AuditedPeriod['prices'] =>
  periodPrices(versions, terms).map((price) => ({
    price,
    tally: isUsagePrice(price.price) ? new UsageTally(price.meter!, price.price) : null,
  }));

/**
 * Recounts what every billing period costs, as of the seals and the watermark of its last rating, or of the raters'
 * progress where that is later: what the progress has passed over is billed, and where there is no period for it there
 * should be one.
 */
export class PriceAudit {
  private readonly byCustomer = new Map<string, AuditedPeriod[]>();
  /** By price of a period, then by subject. */
  private readonly written = new Map<string, Map<string, PriceSum>>();
  private ownership = new Ownership([]);
  /** By `periodText`: the periods that line items name. */
  private readonly charged = new Set<string>();
  private readonly timelines = new Map<string, CustomerTimeline>();
  private readonly unread: { readonly from: number; readonly to: number }[] = [];
  /** Null: nothing is said of periods that are missing. */
  private passed: Passed | null = null;

  /**
   * Periods and line items of one snapshot; call it before the seals are read, so that these cover every period's
   * vector.
   */
  static read(pool: Pool, versions: readonly CatalogVersion[], scope: AuditScope): Promise<PriceAudit> {
    const audit = new PriceAudit();
    return inTransaction(
      pool,
      async (client) => {
        // Periods that reach out of the scope are not read, so it can't be told what they leave out.
        if (scope.from === null && scope.to === null) audit.passed = await readPassed(client, versions);
        audit.ownership = new Ownership(await readAllAssignments(client, scope.tenant));
        await audit.readPeriods(client, versions, scope);
        await audit.readLineItems(client, scope);
        return audit;
      },
      { isolation: 'repeatable read' },
    );
  }

  private async readPeriods(client: PoolClient, versions: readonly CatalogVersion[], scope: AuditScope): Promise<void> {
    for (const period of await readBilledPeriodsIn(client, scope)) {
      const { tenant, customer, subscription, sealVector: vector, closedUpTo, ratedWatermark: watermark } = period;
      this.addPeriod({
        ...{ tenant, customer, subscription, periodStart: period.periodStart, terms: period },
        ...{ vector, closedUpTo, watermark, hasUsage: false },
        prices: tallies(versions, period),
      });
    }
  }

  private addPeriod(period: AuditedPeriod): void {
    const key = customerText(period);
    const periods = this.byCustomer.get(key);
    if (periods === undefined) this.byCustomer.set(key, [period]);
    else periods.push(period);
  }

  private async readLineItems(client: PoolClient, scope: AuditScope): Promise<void> {
    for (const sum of await readPriceSums(client, scope)) {
      const key = pricedText(sum, sum.price);
      this.written.set(key, (this.written.get(key) ?? new Map()).set(sum.subject, sum));
      this.charged.add(periodText(sum));
    }
  }

  add(recounted: RecountedReading): void {
    const { tenant, windowStart } = recounted;
    const customer = this.customerOf(recounted);
    let isCovered = false;
    for (const period of this.byCustomer.get(customerText({ tenant, customer })) ?? []) {
      if (windowStart < period.terms.periodStart || windowStart >= period.terms.periodEnd) continue;
      isCovered = true;
      count(period, recounted);
    }
    if (isCovered) return;
    const missing = this.missingPeriod(recounted, customer);
    if (missing === null) return;
    this.addPeriod(missing);
    count(missing, recounted);
  }

  private customerOf({ tenant, subject, windowStart, reading }: RecountedReading): string {
    const assigned = this.ownership.assigned({ tenant, subject });
    return assigned === null ? subject : customerOf(assigned, windowStart, windowSizeMs[reading.meter.window]);
  }

  /** The period that should be there for usage that the raters' progress has passed over; null: there need be none. */
  private missingPeriod(
    { tenant, windowStart, reading, chunk }: RecountedReading,
    customer: string,
  ): AuditedPeriod | null {
    const { passed } = this;
    if (passed === null || chunk.chunk >= nextChunkOf(passed.vector, chunk.generation, chunk.partition)) return null;
    if (windowStart >= closedBefore(reading.meter, passed.closedUpTo)) return null;
    const key = customerText({ tenant, customer });
    let timeline = this.timelines.get(key);
    if (timeline === undefined) {
      timeline = passed.book.timeline({ tenant, customer });
      this.timelines.set(key, timeline);
    }
    if (timeline.periodAt(windowStart) === null) return null;
    const stored = (this.byCustomer.get(key) ?? []).map(({ terms }) => terms);
    const terms = ratingTargets(timeline, stored, [windowStart]).find(
      ({ periodStart, periodEnd }) => periodStart <= windowStart && windowStart < periodEnd,
    );
    if (terms === undefined || stored.some(({ periodStart }) => periodStart === terms.periodStart)) return null;
    // Line items without their period speak for themselves.
    const period = { tenant, customer, subscription: NO_SUBSCRIPTION, periodStart: terms.periodStart };
    if (this.charged.has(periodText(period))) return null;
    const { vector, closedUpTo, versions } = passed;
    // One of its windows is closed, so the log's time is past its start.
    const watermark = closedUpTo;
    return { ...period, terms, vector, closedUpTo, watermark, hasUsage: false, prices: tallies(versions, terms) };
  }

  /**
   * Usage of these days could not be read: nothing is said of the periods that it is in. Milliseconds since the epoch.
   */
  leaveOut(from: number, to: number): void {
    this.unread.push({ from, to });
  }

  /** The line items of each price of each period against the price of the recounted usage (I4). */
  compare(log: AuditLog): void {
    for (const periods of this.byCustomer.values()) for (const period of periods) this.comparePeriod(period, log);
    // What is left was charged for a price that the period has no more, or for no period at all: it has to cancel out.
    for (const bySubject of this.written.values()) {
      for (const sum of bySubject.values()) {
        const where = `${placeOf(sum, sum.price, sum.subject)}, which the period does not have`;
        log.compare('I4', `${where}, quantity`, '0', sum.quantity);
        log.compare('I4', `${where}, amount`, '0', sum.amount);
      }
    }
  }

  private comparePeriod(period: AuditedPeriod, log: AuditLog): void {
    const { terms, prices, watermark, hasUsage } = period;
    const charges = isPeriodDue(terms, watermark, hasUsage) ? QUANTITY_ONE : 0n;
    const isUnread = this.unread.some(({ from, to }) => from < terms.periodEnd && to > terms.periodStart);
    for (const { price: priced, tally } of prices) {
      const { price } = priced;
      const key = pricedText(period, price.slug);
      const rows = this.written.get(key);
      this.written.delete(key);
      if (isUnread) continue;
      const used: ReadonlyMap<string, Quantity> = tally?.values() ?? new Map([[POOLED, charges]]);
      // A price that was never used is compared as well: nothing is written of it.
      for (const subject of new Set([POOLED, ...used.keys(), ...(rows?.keys() ?? [])])) {
        const where = placeOf(period, price.slug, subject);
        const row = rows?.get(subject);
        const quantity = quantityToDecimal(used.get(subject) ?? 0n);
        log.compare('I4', `${where}, quantity`, quantity, row?.quantity ?? Decimal.zero);
        log.compare('I4', `${where}, amount`, amountOf(price)(quantity), row?.amount ?? Decimal.zero);
      }
    }
  }
}

/** Counts a reading to the period that holds its window. */
function count(period: AuditedPeriod, { subject, windowStart, reading, order, chunk }: RecountedReading): void {
  const { meter, groupValues } = reading;
  if (chunk.chunk >= nextChunkOf(period.vector, chunk.generation, chunk.partition)) return;
  if (windowStart >= closedBefore(meter, period.closedUpTo)) return;
  period.hasUsage = true;
  for (const { price: priced, tally } of period.prices) {
    const { price } = priced;
    if (!isUsagePrice(price) || price.meter !== meter.slug) continue;
    const { match } = price;
    if (meter.dimensions.every(({ name }, i) => match[name] === undefined || match[name] === groupValues[i])) {
      tally!.add(subject, reading, order);
    }
  }
}

/** Null before the first step of a rater. */
async function readPassed(client: PoolClient, versions: readonly CatalogVersion[]): Promise<Passed | null> {
  const { sealVector: vector, closedUpTo, catalogVersion } = await readProgress(client);
  const inForce = versions.filter(({ version }) => version <= catalogVersion);
  if (closedUpTo === null || inForce.length === 0) return null;
  return { vector, closedUpTo, versions: inForce, book: subscriptionBook(inForce) };
}
