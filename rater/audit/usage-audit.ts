// I2 and I4 from raw events: what every meter says of every window, and what every billing period costs, against what is stored.
import type { Pool, PoolClient } from 'pg';
import type { CatalogVersion } from '../../domain/catalog.ts';
import { Decimal } from '../../domain/decimal.ts';
import { formatQuantity, quantityToDecimal } from '../../domain/quantity.ts';
import { windowSizeMs } from '../../domain/time-window.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { nextChunkOf, type SealVector } from '../../platform/usage-store/seal-vector.ts';
import { sealedRowsCondition } from '../../platform/usage-store/sealed-rows.ts';
import type { Seals } from '../../platform/usage-store/seals.ts';
import { mergeExpression, quantityFromStore } from '../../platform/usage-store/usage-query.ts';
import { amountOf, type PeriodPrice, periodPrices } from '../core/period-prices.ts';
import type { AuditLog } from './discrepancy.ts';
import { MeterTally } from './meter-tally.ts';
import type { AuditScope, RecountedReading } from './recount.ts';

const keyOf = (...parts: readonly (string | number)[]): string => JSON.stringify(parts);

/** Recounts usage by (tenant, meter, subject, window, group values) and compares it with the merged roll-ups of sealed chunks. */
export class UsageAudit {
  private readonly tallies = new Map<string, MeterTally>();

  add({ tenant, subject, windowStart, reading, place }: RecountedReading): void {
    const key = keyOf(tenant, reading.meter.slug, subject, windowStart, ...reading.groupValues);
    let tally = this.tallies.get(key);
    if (tally === undefined) {
      tally = new MeterTally(reading.meter.aggregation);
      this.tallies.set(key, tally);
    }
    tally.add(reading, place);
  }

  async compare(
    clickhouse: ClickHouse,
    seals: Seals,
    versions: readonly CatalogVersion[],
    scope: AuditScope,
    log: AuditLog,
  ): Promise<void> {
    const meters = new Map(versions.flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter]));
    const sealed = sealedRowsCondition(seals);
    for (const meter of meters.values()) {
      const rows = clickhouse.stream(
        `SELECT tenant, subject, toUnixTimestamp(window_start), group_values,
            toString(${mergeExpression(meter.aggregation)}), toString(sum(r.event_count))
          FROM usage_rollups AS r FINAL
          WHERE r.meter = {meter:String} AND ({tenant:String} = '' OR r.tenant = {tenant:String})
            AND toUnixTimestamp(window_start) >= {from:Int64} AND toUnixTimestamp(window_start) < {to:Int64} AND ${sealed.sql}
          GROUP BY tenant, subject, window_start, group_values`,
        {
          meter: meter.slug,
          tenant: scope.tenant ?? '',
          from: Math.floor((scope.from ?? 0) / 1000),
          to: Math.floor((scope.to ?? Number.MAX_SAFE_INTEGER) / 1000),
          ...sealed.params,
        },
      );
      for await (const batch of rows) {
        for (const row of batch) {
          const [tenant, subject, start, groups, value, events] = row as [
            string,
            string,
            number,
            string[],
            string,
            string,
          ];
          const key = keyOf(tenant, meter.slug, subject, Number(start) * 1000, ...groups);
          const tally = this.tallies.get(key);
          this.tallies.delete(key);
          const expected =
            tally === undefined ? 'nothing' : `${formatQuantity(tally.value())} of ${tally.eventCount} events`;
          log.compare(
            'I2',
            `usage ${key}`,
            expected,
            `${formatQuantity(quantityFromStore(value))} of ${events} events`,
          );
        }
      }
    }
    for (const [key, tally] of this.tallies) {
      log.compare('I2', `usage ${key}`, `${formatQuantity(tally.value())} of ${tally.eventCount} events`, 'nothing');
    }
  }
}

interface AuditedPeriod {
  readonly tenant: string;
  readonly subject: string;
  readonly start: number;
  readonly end: number;
  readonly vector: SealVector;
  /** Windows that end at or before this were closed at the last rating; milliseconds. */
  readonly closedUpTo: number;
  readonly prices: readonly { readonly terms: PeriodPrice; readonly tally: MeterTally }[];
}

interface WrittenPrice {
  readonly amount: string;
  readonly quantity: string;
}

/** Recounts what every billing period costs, as of the seals and the watermark of its last rating. */
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
        await audit.readLineItems(client);
        return audit;
      },
      { isolation: 'repeatable read' },
    );
  }

  private async readPeriods(client: PoolClient, versions: readonly CatalogVersion[], scope: AuditScope): Promise<void> {
    const { rows } = await client.query(
      `SELECT tenant, subject, period_start, period_end, plan, catalog_version, seal_vector,
          closed_up_to
        FROM tallyline.billing_periods
        WHERE closed_up_to IS NOT NULL AND ($1::text IS NULL OR tenant = $1)
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
        vector: row.seal_vector,
        closedUpTo: row.closed_up_to.getTime(),
        prices: terms.map((each) => ({ terms: each, tally: new MeterTally(each.meter?.aggregation ?? 'count') })),
      };
      const key = keyOf(period.tenant, period.subject);
      const periods = this.bySubject.get(key);
      if (periods === undefined) this.bySubject.set(key, [period]);
      else periods.push(period);
    }
  }

  private async readLineItems(client: PoolClient): Promise<void> {
    const { rows } = await client.query<
      Record<'tenant' | 'subject' | 'price' | 'amount' | 'quantity', string> & { start: Date }
    >(
      `SELECT tenant, subject, period_start AS start, price, sum(amount)::text AS amount, sum(quantity)::text AS quantity
        FROM tallyline.line_items GROUP BY tenant, subject, period_start, price`,
    );
    for (const row of rows) this.written.set(keyOf(row.tenant, row.subject, row.start.getTime(), row.price), row);
  }

  add({ tenant, subject, windowStart, reading, place, seal }: RecountedReading): void {
    const { meter, groupValues } = reading;
    for (const period of this.bySubject.get(keyOf(tenant, subject)) ?? []) {
      if (windowStart < period.start || windowStart >= period.end) continue;
      if (windowStart + windowSizeMs[meter.window] > period.closedUpTo) continue;
      if (seal.chunk >= nextChunkOf(period.vector, seal.generation, seal.partition)) continue;
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
    for (const periods of this.bySubject.values()) {
      for (const period of periods) {
        for (const { terms, tally } of period.prices) {
          const { price } = terms;
          const row = this.written.get(keyOf(period.tenant, period.subject, period.start, price.slug));
          const found = Decimal.parse(row?.amount ?? '0').toString();
          const where = `tenant ${period.tenant} subject ${period.subject} period ${new Date(period.start).toISOString()} price ${price.slug}`;
          if (price.model === 'flat') {
            // Charged once or, for a subject of the default plan without usage, not at all.
            const times = Decimal.parse(row?.quantity ?? '0');
            log.compare('I4', `${where}, amount`, amountOf(price)(times).toString(), found);
            continue;
          }
          const quantity = quantityToDecimal(tally.value());
          log.compare('I4', `${where}, quantity`, quantity.toString(), Decimal.parse(row?.quantity ?? '0').toString());
          log.compare('I4', `${where}, amount`, amountOf(price)(quantity).toString(), found);
        }
      }
    }
  }
}

/** The entries of every ledger transaction, per tenant and currency, and each line item against its own entries (I5). */
export async function auditLedger(pool: Pool, log: AuditLog): Promise<void> {
  const { rows: sums } = await pool.query<{ transaction_id: string; sum: string }>(
    'SELECT transaction_id, sum(amount)::text AS sum FROM tallyline.ledger_entries GROUP BY transaction_id, tenant, currency',
  );
  for (const { transaction_id, sum } of sums) {
    log.compare('I5', `ledger transaction ${transaction_id}`, '0', Decimal.parse(sum).toString());
  }
  const { rows: items } = await pool.query<{ id: string; amount: string; receivable: string | null }>(
    `SELECT item.id, item.amount::text AS amount, sum(entry.amount) FILTER (WHERE entry.account LIKE 'receivable:%')::text AS receivable
      FROM tallyline.line_items item LEFT JOIN tallyline.ledger_entries entry ON entry.line_item = item.id
      GROUP BY item.id HAVING item.amount <> 0 OR count(entry.amount) > 0`,
  );
  for (const { id, amount, receivable } of items) {
    log.compare(
      'I5',
      `line item ${id}, receivable`,
      Decimal.parse(amount).toString(),
      Decimal.parse(receivable ?? '0').toString(),
    );
  }
}
