// I4 from raw events: what every billing period costs by the recounted usage, against its line items.
import type { Pool, PoolClient } from 'pg';
import type { CatalogVersion } from '../../../domain/catalog/catalog.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { quantityToDecimal } from '../../../domain/number/quantity.ts';
import { isPeriodDue } from '../../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../../domain/pricing/prices.ts';
import { windowSizeMs } from '../../../domain/time/time-window.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';
import { laterOf, nextChunkOf, type SealVector } from '../../../platform/usage-store/seal-vector.ts';
import { type PricedInPeriod, periodPrices } from '../../core/period-prices.ts';
import { type PeriodTerms, ratingTargets, type SubjectTimeline } from '../../core/rating-targets.ts';
import { keyText } from '../../../domain/composite-key.ts';
import { timelineOf } from '../../rating/rating-batch.ts';
import type { AuditScope } from './audit-slices.ts';
import type { AuditLog } from '../discrepancy.ts';
import { MeterTally } from '../meter-tally.ts';
import type { RecountedReading } from '../recount.ts';

interface AuditedPeriod {
  readonly tenant: string;
  readonly subject: string;
  readonly terms: PeriodTerms;
  readonly vector: SealVector;
  /** Windows that end at or before this were closed then; milliseconds. */
  readonly closedUpTo: number;
  /** Of the last rating; milliseconds. */
  readonly watermark: number;
  hasUsage: boolean;
  readonly prices: readonly { readonly price: PricedInPeriod; readonly tally: MeterTally }[];
}

/** How far the raters say that everything is billed. */
interface Passed {
  readonly vector: SealVector;
  readonly closedUpTo: number;
  readonly versions: readonly CatalogVersion[];
}

interface WrittenPrice {
  readonly tenant: string;
  readonly subject: string;
  readonly start: Date;
  readonly price: string;
  readonly amount: string;
  readonly quantity: string;
}

const placeOf = (tenant: string, subject: string, start: number, price: string): string =>
  `tenant ${tenant} subject ${subject} period ${new Date(start).toISOString()} price ${price}`;

const tallies = (versions: readonly CatalogVersion[], terms: PeriodTerms): AuditedPeriod['prices'] =>
  periodPrices(versions, terms).map((price) => ({
    price,
    tally: new MeterTally(price.meter?.aggregation ?? 'count'),
  }));

/**
 * Recounts what every billing period costs, as of the seals and the watermark of its last rating, or of the raters' progress where
 * that is later: what the progress has passed over is billed, and where there is no period for it there should be one.
 */
export class PriceAudit {
  private readonly bySubject = new Map<string, AuditedPeriod[]>();
  private readonly written = new Map<string, WrittenPrice>();
  /** By tenant, subject and start: the periods that line items name. */
  private readonly charged = new Set<string>();
  private readonly timelines = new Map<string, SubjectTimeline>();
  private readonly unread: { readonly from: number; readonly to: number }[] = [];
  /** Null: nothing is said of periods that are missing. */
  private passed: Passed | null = null;

  /** Periods and line items of one snapshot; call it before the seals are read, so that these cover every period's vector. */
  static read(pool: Pool, versions: readonly CatalogVersion[], scope: AuditScope): Promise<PriceAudit> {
    const audit = new PriceAudit();
    return inTransaction(
      pool,
      async (client) => {
        // Periods that reach out of the scope are not read, so it can't be told what they leave out.
        if (scope.from === null && scope.to === null) audit.passed = await readPassed(client, versions);
        await audit.readPeriods(client, versions, scope);
        await audit.readLineItems(client, scope);
        return audit;
      },
      { isolation: 'repeatable read' },
    );
  }

  private async readPeriods(client: PoolClient, versions: readonly CatalogVersion[], scope: AuditScope): Promise<void> {
    const { rows } = await client.query(
      `SELECT period.tenant, period.subject, period_start, period_end, plan, period.catalog_version, subscription_start,
          period.seal_vector, progress.seal_vector AS progress_vector,
          greatest(period.closed_up_to, progress.closed_up_to) AS closed_up_to,
          greatest(rated_watermark, progress.watermark) AS watermark
        FROM tallyline.billing_periods period CROSS JOIN tallyline.rater_progress progress
        WHERE period.closed_up_to IS NOT NULL AND ($1::text IS NULL OR tenant = $1)
          AND ($2::timestamptz IS NULL OR period_start >= $2) AND ($3::timestamptz IS NULL OR period_end <= $3)`,
      [scope.tenant, scope.from === null ? null : new Date(scope.from), scope.to === null ? null : new Date(scope.to)],
    );
    for (const row of rows) {
      const terms: PeriodTerms = {
        periodStart: row.period_start.getTime(),
        periodEnd: row.period_end.getTime(),
        plan: row.plan,
        catalogVersion: row.catalog_version,
        subscriptionStart: row.subscription_start?.getTime() ?? null,
      };
      this.addPeriod({
        tenant: row.tenant,
        subject: row.subject,
        terms,
        vector: laterOf(row.seal_vector, row.progress_vector),
        closedUpTo: row.closed_up_to.getTime(),
        watermark: row.watermark?.getTime() ?? Number.NEGATIVE_INFINITY,
        hasUsage: false,
        prices: tallies(versions, terms),
      });
    }
  }

  private addPeriod(period: AuditedPeriod): void {
    const key = keyText(period.tenant, period.subject);
    const periods = this.bySubject.get(key);
    if (periods === undefined) this.bySubject.set(key, [period]);
    else periods.push(period);
  }

  private async readLineItems(client: PoolClient, scope: AuditScope): Promise<void> {
    const { rows } = await client.query<WrittenPrice>(
      // Items whose period is missing are looked at whatever the bounds are.
      `SELECT item.tenant, item.subject, item.period_start AS start, item.price, sum(item.amount)::text AS amount,
          sum(item.quantity)::text AS quantity
        FROM tallyline.line_items item LEFT JOIN tallyline.billing_periods period USING (tenant, subject, period_start)
        WHERE ($1::text IS NULL OR item.tenant = $1)
          AND ($2::timestamptz IS NULL OR item.period_start >= $2)
          AND ($3::timestamptz IS NULL OR coalesce(period.period_end, item.period_start) <= $3)
        GROUP BY item.tenant, item.subject, item.period_start, item.price`,
      [scope.tenant, scope.from === null ? null : new Date(scope.from), scope.to === null ? null : new Date(scope.to)],
    );
    for (const row of rows) {
      const start = row.start.getTime();
      this.written.set(keyText(row.tenant, row.subject, start, row.price), row);
      this.charged.add(keyText(row.tenant, row.subject, start));
    }
  }

  add(recounted: RecountedReading): void {
    const { tenant, subject, windowStart } = recounted;
    let isCovered = false;
    for (const period of this.bySubject.get(keyText(tenant, subject)) ?? []) {
      if (windowStart < period.terms.periodStart || windowStart >= period.terms.periodEnd) continue;
      isCovered = true;
      count(period, recounted);
    }
    if (isCovered) return;
    const missing = this.missingPeriod(recounted);
    if (missing === null) return;
    this.addPeriod(missing);
    count(missing, recounted);
  }

  /** The period that should be there for usage that the raters' progress has passed over; null: there need be none. */
  private missingPeriod({ tenant, subject, windowStart, reading, chunk }: RecountedReading): AuditedPeriod | null {
    const { passed } = this;
    if (passed === null || chunk.chunk >= nextChunkOf(passed.vector, chunk.generation, chunk.partition)) return null;
    if (windowStart + windowSizeMs[reading.meter.window] > passed.closedUpTo) return null;
    const key = keyText(tenant, subject);
    let timeline = this.timelines.get(key);
    if (timeline === undefined) {
      timeline = timelineOf(passed, { tenant, subject });
      this.timelines.set(key, timeline);
    }
    if (timeline.periodAt(windowStart) === null) return null;
    const stored = (this.bySubject.get(key) ?? []).map(({ terms }) => terms);
    const terms = ratingTargets(timeline, stored, [windowStart]).find(
      ({ periodStart, periodEnd }) => periodStart <= windowStart && windowStart < periodEnd,
    );
    if (terms === undefined || stored.some(({ periodStart }) => periodStart === terms.periodStart)) return null;
    // Line items without their period speak for themselves.
    if (this.charged.has(keyText(tenant, subject, terms.periodStart))) return null;
    const { vector, closedUpTo, versions } = passed;
    // One of its windows is closed, so the log's time is past its start.
    const watermark = closedUpTo;
    return { tenant, subject, terms, vector, closedUpTo, watermark, hasUsage: false, prices: tallies(versions, terms) };
  }

  /** Usage of these days could not be read: nothing is said of the periods that it is in. Milliseconds since the epoch. */
  leaveOut(from: number, to: number): void {
    this.unread.push({ from, to });
  }

  /** The line items of each price of each period against the price of the recounted usage (I4). */
  compare(log: AuditLog): void {
    for (const periods of this.bySubject.values()) for (const period of periods) this.comparePeriod(period, log);
    // What is left was charged for a price that the period has no more, or for no period at all: it has to cancel out.
    for (const { tenant, subject, start, price, amount, quantity } of this.written.values()) {
      const where = placeOf(tenant, subject, start.getTime(), price);
      log.compare('I4', `${where}, which the period does not have, quantity`, '0', Decimal.parse(quantity).toString());
      log.compare('I4', `${where}, which the period does not have, amount`, '0', Decimal.parse(amount).toString());
    }
  }

  private comparePeriod({ tenant, subject, terms, prices, watermark, hasUsage }: AuditedPeriod, log: AuditLog): void {
    const charges = isPeriodDue(terms, watermark, hasUsage) ? new Decimal(1n) : Decimal.zero;
    const isUnread = this.unread.some(({ from, to }) => from < terms.periodEnd && to > terms.periodStart);
    for (const { price: priced, tally } of prices) {
      const { price } = priced;
      const key = keyText(tenant, subject, terms.periodStart, price.slug);
      const row = this.written.get(key);
      this.written.delete(key);
      if (isUnread) continue;
      const where = placeOf(tenant, subject, terms.periodStart, price.slug);
      const quantity = isUsagePrice(price) ? quantityToDecimal(tally.value()) : charges;
      log.compare('I4', `${where}, quantity`, quantity.toString(), Decimal.parse(row?.quantity ?? '0').toString());
      log.compare(
        'I4',
        `${where}, amount`,
        amountOf(price)(quantity).toString(),
        Decimal.parse(row?.amount ?? '0').toString(),
      );
    }
  }
}

/** Counts a reading to the period that holds its window. */
function count(period: AuditedPeriod, { windowStart, reading, order, chunk }: RecountedReading): void {
  const { meter, groupValues } = reading;
  if (chunk.chunk >= nextChunkOf(period.vector, chunk.generation, chunk.partition)) return;
  period.hasUsage = true;
  if (windowStart + windowSizeMs[meter.window] > period.closedUpTo) return;
  for (const { price: priced, tally } of period.prices) {
    const { price } = priced;
    if (!isUsagePrice(price) || price.meter !== meter.slug) continue;
    const { match } = price;
    if (meter.dimensions.every(({ name }, i) => match[name] === undefined || match[name] === groupValues[i])) {
      tally.add(reading, order);
    }
  }
}

/** Null before the first step of a rater. */
async function readPassed(client: PoolClient, versions: readonly CatalogVersion[]): Promise<Passed | null> {
  const { rows } = await client.query<{ seal_vector: SealVector; closed_up_to: Date | null; catalog_version: number }>(
    'SELECT seal_vector, closed_up_to, catalog_version FROM tallyline.rater_progress',
  );
  const { seal_vector: vector, closed_up_to: closedUpTo, catalog_version: newest } = rows[0]!;
  const inForce = versions.filter(({ version }) => version <= newest);
  if (closedUpTo === null || inForce.length === 0) return null;
  return { vector, closedUpTo: closedUpTo.getTime(), versions: inForce };
}
