// Billing periods with all their line items and the ledger entries of these, as of one moment.
import type { Pool, PoolClient } from 'pg';
import { Decimal } from '../../../domain/number/decimal.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';
import { laterOf, type SealVector } from '../../../platform/usage-store/seal-vector.ts';
import { ledgerTransactionId } from '../../../domain/billing/line-item-key.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import type { PeriodKey } from '../../../platform/billing-store/line-items.ts';

export interface PeriodSums extends PeriodKey {
  readonly periodEnd: number;
  readonly plan: string;
  readonly catalogVersion: number;
  readonly subscriptionStart: number | null;
  /** Of its last rating, or of the rater's progress where that is later: what the progress has passed over is billed. */
  readonly sealVector: SealVector;
  readonly ratedWatermark: number;
  /** Windows that end by then were closed then; milliseconds since the epoch. */
  readonly closedUpTo: number;
  /** By price. */
  readonly written: ReadonlyMap<string, { readonly quantity: Decimal; readonly amount: Decimal }>;
  /** How many line items there are. */
  readonly items: number;
  /** Those of them that the ledger does not have as it should. */
  readonly misposted: readonly LedgerItem[];
}

/** A line item and what the ledger says of it. */
export interface LedgerItem {
  readonly id: string;
  readonly transactionId: string;
  readonly amount: Decimal;
  /** Its entries on the subject's account. */
  readonly receivable: Decimal;
  /** All entries of its transaction. */
  readonly balance: Decimal;
}

interface PeriodRow {
  readonly tenant: string;
  readonly subject: string;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly plan: string;
  readonly catalog_version: number;
  readonly subscription_start: Date | null;
  readonly seal_vector: SealVector;
  readonly progress_vector: SealVector;
  readonly rated_watermark: Date;
  readonly closed_up_to: Date;
}

interface ItemRow {
  readonly id: string;
  readonly tenant: string;
  readonly subject: string;
  readonly period_start: Date;
  readonly price: string;
  readonly window_start: Date;
  readonly revision: number;
  readonly quantity: string;
  readonly amount: string;
}

const columnsOf = (periods: readonly PeriodKey[]) => [
  periods.map((period) => period.tenant),
  periods.map((period) => period.subject),
  periods.map((period) => new Date(period.periodStart)),
];
const WANTED = 'unnest($1::text[], $2::text[], $3::timestamptz[]) AS wanted (tenant, subject, period_start)';

export function readPeriodSums(pool: Pool, keys: readonly PeriodKey[]): Promise<PeriodSums[]> {
  return inTransaction(
    pool,
    async (client) => {
      const { rows: periods } = await client.query<PeriodRow>(
        `SELECT period.tenant, period.subject, period.period_start, period.period_end, period.plan, period.catalog_version,
           period.subscription_start, period.seal_vector, progress.seal_vector AS progress_vector,
           greatest(period.rated_watermark, progress.watermark) AS rated_watermark,
           greatest(period.closed_up_to, progress.closed_up_to) AS closed_up_to
         FROM ${WANTED} JOIN tallyline.billing_periods period USING (tenant, subject, period_start)
         CROSS JOIN tallyline.rater_progress progress
         WHERE period.closed_up_to IS NOT NULL AND period.rated_watermark IS NOT NULL`,
        columnsOf(keys),
      );
      return inSlices(periods, async (slice) => {
        const items = await readItems(client, slice.map(keyOf));
        return slice.map((row) => sumsOf(row, items.get(textOf(keyOf(row))) ?? []));
      });
    },
    { isolation: 'repeatable read' },
  );
}

/** With many prices, the line items of one month of one subject are tens of thousands. */
const ITEMS_AT_ONCE = 50_000;

/** As many periods at a time as have, by what those before them had, so many line items. */
async function inSlices(
  periods: readonly PeriodRow[],
  read: (slice: readonly PeriodRow[]) => Promise<PeriodSums[]>,
): Promise<PeriodSums[]> {
  const all: PeriodSums[] = [];
  let itemsRead = 0;
  while (all.length < periods.length) {
    const size = Math.max(1, Math.floor((ITEMS_AT_ONCE * all.length) / Math.max(1, itemsRead)));
    const sums = await read(periods.slice(all.length, all.length + size));
    for (const { items } of sums) itemsRead += items;
    all.push(...sums);
  }
  return all;
}

type Item = ItemRow & { readonly ledger: LedgerItem };

const textOf = ({ tenant, subject, periodStart }: PeriodKey): string => keyText(tenant, subject, periodStart);

/** By period. */
async function readItems(client: PoolClient, keys: readonly PeriodKey[]): Promise<Map<string, Item[]>> {
  const { rows } = await client.query<ItemRow>(
    `SELECT item.id, item.tenant, item.subject, item.period_start, item.price, item.window_start, item.revision,
       item.quantity::text AS quantity, item.amount::text AS amount
     FROM ${WANTED} JOIN tallyline.line_items item USING (tenant, subject, period_start)`,
    columnsOf(keys),
  );
  const transactionIds = rows.map((row) =>
    ledgerTransactionId({
      ...keyOf(row),
      ...{ price: row.price, windowStart: row.window_start.getTime(), revision: row.revision },
    }),
  );
  const { rows: entries } = await client.query<{ transaction_id: string; balance: string; receivable: string | null }>(
    `SELECT transaction_id, sum(amount)::text AS balance,
       sum(amount) FILTER (WHERE account LIKE 'receivable:%')::text AS receivable
     FROM tallyline.ledger_entries WHERE transaction_id = ANY($1::uuid[]) GROUP BY transaction_id`,
    [transactionIds],
  );
  const sums = new Map(entries.map((row) => [row.transaction_id, row]));
  const items = rows.map((row, i): Item => {
    const transactionId = transactionIds[i]!;
    const entry = sums.get(transactionId);
    const ledger: LedgerItem = {
      id: row.id,
      transactionId,
      amount: Decimal.parse(row.amount),
      receivable: Decimal.parse(entry?.receivable ?? '0'),
      balance: Decimal.parse(entry?.balance ?? '0'),
    };
    return { ...row, ledger };
  });
  return groupBy(items, (item) => textOf(keyOf(item)));
}

const isPosted = ({ amount, receivable, balance }: LedgerItem): boolean =>
  receivable.equals(amount) && balance.equals(Decimal.zero);

function sumsOf(row: PeriodRow, items: readonly Item[]): PeriodSums {
  const written = new Map<string, { quantity: Decimal; amount: Decimal }>();
  for (const item of items) {
    const sum = written.get(item.price) ?? { quantity: Decimal.zero, amount: Decimal.zero };
    written.set(item.price, {
      quantity: sum.quantity.plus(Decimal.parse(item.quantity)),
      amount: sum.amount.plus(item.ledger.amount),
    });
  }
  return {
    ...keyOf(row),
    periodEnd: row.period_end.getTime(),
    plan: row.plan,
    catalogVersion: row.catalog_version,
    subscriptionStart: row.subscription_start?.getTime() ?? null,
    sealVector: laterOf(row.seal_vector, row.progress_vector),
    ratedWatermark: row.rated_watermark.getTime(),
    closedUpTo: row.closed_up_to.getTime(),
    written,
    items: items.length,
    misposted: items.map(({ ledger }) => ledger).filter((ledger) => !isPosted(ledger)),
  };
}

/** The periods of the newest line items: `itemsMax` or more of these. */
export async function readNewestPeriods(pool: Pool, itemsMax: number): Promise<PeriodKey[]> {
  const { rows: last } = await pool.query<{ last: string }>(
    `SELECT last_value AS last FROM pg_sequences
     WHERE schemaname || '.' || sequencename = pg_get_serial_sequence('tallyline.line_items', 'sequence')`,
  );
  const { rows } = await pool.query<PeriodRow>(
    'SELECT DISTINCT tenant, subject, period_start FROM tallyline.line_items WHERE sequence > $1 LIMIT $2',
    [Number(last[0]?.last ?? 0) - itemsMax, itemsMax],
  );
  return rows.map(keyOf);
}

/** The periods that follow `after` in the order of their keys; null: from the first. */
export async function readNextPeriods(pool: Pool, after: PeriodKey | null, periodsMax: number): Promise<PeriodKey[]> {
  const { rows } = await pool.query<PeriodRow>(
    `SELECT tenant, subject, period_start FROM tallyline.billing_periods
     WHERE $1::text IS NULL OR (tenant, subject, period_start) > ($1, $2, $3)
     ORDER BY tenant, subject, period_start LIMIT $4`,
    [after?.tenant ?? null, after?.subject ?? null, after === null ? null : new Date(after.periodStart), periodsMax],
  );
  return rows.map(keyOf);
}

const keyOf = (row: Pick<PeriodRow, 'tenant' | 'subject' | 'period_start'>): PeriodKey => ({
  tenant: row.tenant,
  subject: row.subject,
  periodStart: row.period_start.getTime(),
});
