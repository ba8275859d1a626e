// Line items and their ledger entries in Postgres. Rows are only ever added. Every statement takes columns as arrays, so
// that thousands of rows are one round trip with a fixed number of parameters.
import type { PoolClient } from 'pg';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import type { SealVector } from '../usage-store/seal-vector.ts';
import { quantityFromStore } from '../usage-store/usage-query.ts';
import { ledgerTransactionId, lineItemId } from '../../domain/billing/line-item-key.ts';
import type { RatedItem, WrittenWindow } from '../../rater/core/rate.ts';
import { keyText } from '../../domain/composite-key.ts';

/** A billing period of one subject. */
export interface PeriodKey {
  readonly tenant: string;
  readonly subject: string;
  /** Milliseconds since the epoch. */
  readonly periodStart: number;
}

/** A period whose line items are read. */
export interface PeriodDetail extends PeriodKey {
  /** The items of windows that start before are read as those of one window, which starts with the period. Milliseconds. */
  readonly detailFrom: number;
}

/** What the line items of one price in one period say already. */
export interface WrittenPrice {
  readonly windows: WrittenWindow[];
  readonly amount: Decimal;
}

interface WrittenRow {
  readonly tenant: string;
  readonly subject: string;
  readonly period_start: Date;
  readonly price: string;
  readonly window_start: Date;
  readonly window_end: Date;
  readonly quantity: string;
  readonly amount: string;
  readonly revision: number;
}

const WRITTEN_SUMS =
  'max(item.window_end) AS window_end, sum(item.quantity) AS quantity, sum(item.amount) AS amount, max(item.revision) AS revision';
const OF_PERIOD =
  '(item.tenant, item.subject, item.period_start) = (wanted.tenant, wanted.subject, wanted.period_start)';

/** By `keyText(tenant, subject, periodStart, price)`; a price without items is absent. */
export async function readWrittenPrices(
  client: PoolClient,
  periods: readonly PeriodDetail[],
): Promise<Map<string, WrittenPrice>> {
  const { rows } = await client.query<WrittenRow>(
    // A period at a time, by the unique key: joined as a whole, all line items there are would look cheaper to read.
    `SELECT wanted.tenant, wanted.subject, wanted.period_start, written.*
     FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
       AS wanted (tenant, subject, period_start, detail_from)
     CROSS JOIN LATERAL (
       SELECT item.price, wanted.period_start AS window_start, ${WRITTEN_SUMS}
       FROM tallyline.line_items item WHERE ${OF_PERIOD} AND item.window_start < wanted.detail_from
       GROUP BY item.price
       UNION ALL
       SELECT item.price, item.window_start, ${WRITTEN_SUMS}
       FROM tallyline.line_items item WHERE ${OF_PERIOD} AND item.window_start >= wanted.detail_from
       GROUP BY item.price, item.window_start
     ) written`,
    [
      periods.map((period) => period.tenant),
      periods.map((period) => period.subject),
      periods.map((period) => new Date(period.periodStart)),
      periods.map((period) => new Date(period.detailFrom)),
    ],
  );
  const prices = new Map<string, WrittenPrice>();
  for (const row of rows) {
    const key = keyText(row.tenant, row.subject, row.period_start.getTime(), row.price);
    const known = prices.get(key);
    const windows = known?.windows ?? [];
    windows.push({
      windowStart: row.window_start.getTime(),
      windowEnd: row.window_end.getTime(),
      quantity: quantityFromStore(row.quantity),
      revision: row.revision,
    });
    prices.set(key, { windows, amount: (known?.amount ?? Decimal.zero).plus(Decimal.parse(row.amount)) });
  }
  return prices;
}

/** A line item to be added. */
export interface NewLineItem extends PeriodKey {
  readonly plan: string;
  readonly price: string;
  /** Null for a flat price. */
  readonly meter: string | null;
  /** The group values the price is for. */
  readonly groups: Readonly<Record<string, string>>;
  readonly periodEnd: number;
  readonly currency: string;
  readonly catalogVersion: number;
  readonly item: RatedItem;
}

const instant = (timeMs: number): string => new Date(timeMs).toISOString();

/** Postgres takes no message above 1 GB, and the columns of a statement are in memory as text. */
const STATEMENT_ITEMS_MAX = 10_000;

/** Adds the items, each with its two ledger entries: the subject owes, the price has earned. One transaction an item. */
export async function insertLineItems(
  client: PoolClient,
  lineItems: readonly NewLineItem[],
  sealVector: SealVector,
): Promise<void> {
  for (let from = 0; from < lineItems.length; from += STATEMENT_ITEMS_MAX) {
    await insertSome(client, lineItems.slice(from, from + STATEMENT_ITEMS_MAX), sealVector);
  }
}

async function insertSome(
  client: PoolClient,
  lineItems: readonly NewLineItem[],
  sealVector: SealVector,
): Promise<void> {
  const keys = lineItems.map((line) => ({
    tenant: line.tenant,
    subject: line.subject,
    periodStart: line.periodStart,
    price: line.price,
    windowStart: line.item.windowStart,
    revision: line.item.revision,
  }));
  const ids = keys.map(lineItemId);
  const amounts = lineItems.map((line) => line.item.amount.toString());
  await client.query(
    `INSERT INTO tallyline.line_items (id, tenant, subject, plan, price, meter, groups, window_start, window_end,
       period_start, period_end, quantity, amount, currency, kind, revision, cause, catalog_version, derivation)
     SELECT item.id, item.tenant, item.subject, item.plan, item.price, item.meter, item.groups, item.window_start,
       item.window_end, item.period_start, item.period_end, item.quantity, item.amount, item.currency, item.kind,
       item.revision, item.cause, item.catalog_version,
       jsonb_build_object('cumulativeQuantity', item.cumulative_quantity, 'cumulativeAmount', item.cumulative_amount,
         'writtenAmount', item.written_amount, 'sealVector', $22::jsonb)
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[], $8::timestamptz[],
       $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::numeric[], $13::numeric[], $14::text[], $15::text[],
       $16::int[], $17::text[], $18::int[], $19::text[], $20::text[], $21::text[])
       WITH ORDINALITY AS item (id, tenant, subject, plan, price, meter, groups, window_start, window_end, period_start,
         period_end, quantity, amount, currency, kind, revision, cause, catalog_version, cumulative_quantity,
         cumulative_amount, written_amount, place)
     ORDER BY item.place`,
    [
      ids,
      lineItems.map((line) => line.tenant),
      lineItems.map((line) => line.subject),
      lineItems.map((line) => line.plan),
      lineItems.map((line) => line.price),
      lineItems.map((line) => line.meter),
      lineItems.map((line) => JSON.stringify(line.groups)),
      lineItems.map((line) => instant(line.item.windowStart)),
      lineItems.map((line) => instant(line.item.windowEnd)),
      lineItems.map((line) => instant(line.periodStart)),
      lineItems.map((line) => instant(line.periodEnd)),
      lineItems.map((line) => formatQuantity(line.item.quantity)),
      amounts,
      lineItems.map((line) => line.currency),
      lineItems.map((line) => line.item.kind),
      lineItems.map((line) => line.item.revision),
      lineItems.map((line) => line.item.cause),
      lineItems.map((line) => line.catalogVersion),
      lineItems.map((line) => formatQuantity(line.item.cumulativeQuantity)),
      lineItems.map((line) => line.item.cumulativeAmount.toString()),
      lineItems.map((line) => line.item.writtenAmount.toString()),
      JSON.stringify(sealVector),
    ],
  );
  await client.query(
    `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item)
     SELECT item.transaction_id, side.entry, item.tenant, CASE side.entry WHEN 0 THEN item.receivable ELSE item.revenue END,
       CASE side.entry WHEN 0 THEN item.amount ELSE -item.amount END, item.currency, item.id
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::numeric[], $6::text[], $7::uuid[])
       AS item (transaction_id, tenant, receivable, revenue, amount, currency, id)
     CROSS JOIN (VALUES (0::smallint), (1::smallint)) AS side (entry)`,
    [
      keys.map(ledgerTransactionId),
      lineItems.map((line) => line.tenant),
      lineItems.map((line) => `receivable:${line.subject}`),
      lineItems.map((line) => `revenue:${line.price}`),
      amounts,
      lineItems.map((line) => line.currency),
      ids,
    ],
  );
}
