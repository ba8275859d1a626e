// I4 from raw events: what every billing period costs by the recounted usage, against its line items.
import type { Pool, PoolClient } from 'pg';
import type { CatalogVersion } from '../../domain/catalog.ts';
import { Decimal } from '../../domain/decimal.ts';
import { quantityToDecimal } from '../../domain/quantity.ts';
import { windowSizeMs } from '../../domain/time-window.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { laterOf, nextChunkOf, type SealVector } from '../../platform/usage-store/seal-vector.ts';
import { amountOf, type PeriodPrice, periodPrices } from '../core/period-prices.ts';
import { keyText } from '../keys.ts';
import type { AuditScope } from './audit-slices.ts';
import type { AuditLog } from './discrepancy.ts';
import { MeterTally } from './meter-tally.ts';
import type { RecountedReading } from './recount.ts';

interface AuditedPeriod {
  readonly tenant: string;
  readonly subject: string;
  readonly start: number;
  readonly end: number;
  readonly vector: SealVector;
  /** Windows that end at or before this were closed then; milliseconds. */
  readonly closedUpTo: number;
  /** Of a subscription that had begun at the last rating; else a flat price is due only once there is usage. */
  readonly isFlatDue: boolean;
  readonly isByDefault: boolean;
  hasUsage: boolean;
  readonly prices: readonly { readonly terms: PeriodPrice; readonly tally: MeterTally }[];
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

/**
 * Recounts what every billing period costs, as of the seals and the watermark of its last rating, or of the rater's progress where
 * that is later: what the progress has passed over is billed.
 */
export class PriceAudit {
  private readonly bySubject = new Map<string, AuditedPeriod[]>();
  private readonly written = new Map<string, WrittenPrice>();

  /** Periods and line items of one snapshot; call it before the seals are read, so that these cover every period's vector. */
  static read(pool: Pool, versions: readonly CatalogVersion[], scope: AuditScope): Promise<PriceAudit> {
    const audit = new PriceAudit();
    return inTransaction(
      pool,
      async (client) => {
        await audit.readPeriods(client, versions, scope);
        await audit.readLineItems(client, scope);
        return audit;
      },
      { isolation: 'repeatable read' },
    );
  }

  private async readPeriods(client: PoolClient, versions: readonly CatalogVersion[], scope: AuditScope): Promise<void> {
    const { rows } = await client.query(
      `SELECT period.tenant, period.subject, period_start, period_end, plan, period.catalog_version, period.seal_vector,
          progress.seal_vector AS progress_vector, greatest(period.closed_up_to, progress.closed_up_to) AS closed_up_to,
          coalesce(subscription_start IS NOT NULL AND period_end > period_start
            AND greatest(rated_watermark, progress.watermark) >= period_start, false) AS flat_due,
          subscription_start IS NULL AND period_end > period_start AS by_default
        FROM tallyline.billing_periods period CROSS JOIN tallyline.rater_progress progress
        WHERE period.closed_up_to IS NOT NULL AND ($1::text IS NULL OR tenant = $1)
          AND ($2::timestamptz IS NULL OR period_start >= $2) AND ($3::timestamptz IS NULL OR period_end <= $3)`,
      [scope.tenant, scope.from === null ? null : new Date(scope.from), scope.to === null ? null : new Date(scope.to)],
    );
    for (const row of rows) {
      const terms = periodPrices(versions, { plan: row.plan, catalogVersion: row.catalog_version });
      const period: AuditedPeriod = {
        tenant: row.tenant,
        subject: row.subject,
        start: row.period_start.getTime(),
        end: row.period_end.getTime(),
        vector: laterOf(row.seal_vector, row.progress_vector),
        closedUpTo: row.closed_up_to.getTime(),
        isFlatDue: row.flat_due,
        isByDefault: row.by_default,
        hasUsage: false,
        prices: terms.map((each) => ({ terms: each, tally: new MeterTally(each.meter?.aggregation ?? 'count') })),
      };
      const key = keyText(period.tenant, period.subject);
      const periods = this.bySubject.get(key);
      if (periods === undefined) this.bySubject.set(key, [period]);
      else periods.push(period);
    }
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
    for (const row of rows) this.written.set(keyText(row.tenant, row.subject, row.start.getTime(), row.price), row);
  }

  add({ tenant, subject, windowStart, reading, place, chunk }: RecountedReading): void {
    const { meter, groupValues } = reading;
    for (const period of this.bySubject.get(keyText(tenant, subject)) ?? []) {
      if (windowStart < period.start || windowStart >= period.end) continue;
      if (chunk.chunk >= nextChunkOf(period.vector, chunk.generation, chunk.partition)) continue;
      period.hasUsage = true;
      if (windowStart + windowSizeMs[meter.window] > period.closedUpTo) continue;
      for (const { terms, tally } of period.prices) {
        if (terms.price.model === 'flat' || terms.price.meter !== meter.slug) continue;
        const { match } = terms.price;
        if (meter.dimensions.every(({ name }, i) => match[name] === undefined || match[name] === groupValues[i])) {
          tally.add(reading, place);
        }
      }
    }
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

  private comparePeriod(period: AuditedPeriod, log: AuditLog): void {
    for (const { terms, tally } of period.prices) {
      const { price } = terms;
      const key = keyText(period.tenant, period.subject, period.start, price.slug);
      const row = this.written.get(key);
      this.written.delete(key);
      const where = placeOf(period.tenant, period.subject, period.start, price.slug);
      const isFlatCharged = period.isFlatDue || (period.hasUsage && period.isByDefault);
      const quantity =
        price.model === 'flat' ? Decimal.parse(isFlatCharged ? '1' : '0') : quantityToDecimal(tally.value());
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
