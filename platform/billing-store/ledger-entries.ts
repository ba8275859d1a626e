// Ledger entries: each line item is a transaction of two, the customer owes and the price has earned. Entries are only
// ever added, and Postgres refuses a transaction that does not add up to zero (schemas/postgres/0004_billing.sql).
import type { PoolClient } from 'pg';
import { type LineItemKey, ledgerTransactionId } from '../../domain/billing/line-item-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import {
  decimal,
  instant,
  nullable,
  type Queries,
  recordOf,
  selected,
  tableOf,
  text,
  uuid,
} from '../postgres/table-columns.ts';

/** An item as its two entries are made of it. */
const postedColumns = {
  transactionId: uuid('transaction_id'),
  tenant: text('tenant'),
  customer: text('customer'),
  price: text('price'),
  amount: decimal('amount'),
  currency: text('currency'),
  id: uuid('id'),
  periodStart: instant('period_start'),
};

/** What is posted of a line item. */
interface PostedItem extends LineItemKey {
  readonly id: string;
  readonly amount: Decimal;
  readonly currency: string;
}

/** Adds the two entries of each item. */
export async function insertLedgerEntries(client: PoolClient, lineItems: readonly PostedItem[]): Promise<void> {
  const posted = lineItems.map((item) => ({
    transactionId: ledgerTransactionId(item),
    tenant: item.tenant,
    customer: item.customer,
    price: item.price,
    amount: item.amount,
    currency: item.currency,
    id: item.id,
    periodStart: item.periodStart,
  }));
  const items = tableOf(postedColumns, posted, 'item');
  await client.query(
    `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item, period_start)
     SELECT item.transaction_id, side.entry, item.tenant,
       CASE side.entry WHEN 0 THEN 'receivable:' || item.customer ELSE 'revenue:' || item.price END,
       CASE side.entry WHEN 0 THEN item.amount ELSE -item.amount END, item.currency, item.id,
       item.period_start
     FROM ${items.sql} CROSS JOIN (VALUES (0::smallint), (1::smallint)) AS side (entry)`,
    items.params,
  );
}

const RECEIVABLE = "sum(entry.amount) FILTER (WHERE entry.account LIKE 'receivable:%')";

const sumColumns = {
  transactionId: uuid('transaction_id'),
  /** Of all entries. */
  balance: decimal('balance'),
  /** Of those on the customer's account; null: there is none. */
  receivable: nullable(decimal('receivable')),
};

/** What the entries of these transactions come to, by transaction; one without entries is absent. */
export async function readLedgerSums(queries: Queries, transactionIds: readonly string[]) {
  const { rows } = await queries.query(
    `SELECT ${selected(sumColumns, 'sums')} FROM (
       SELECT transaction_id, sum(entry.amount) AS balance, ${RECEIVABLE} AS receivable
       FROM tallyline.ledger_entries entry WHERE transaction_id = ANY($1::uuid[]) GROUP BY transaction_id
     ) sums`,
    [transactionIds],
  );
  const sums = rows.map((row) => recordOf(sumColumns, row));
  return new Map(sums.map((sum) => [sum.transactionId, sum]));
}

const ENTRIES = `
  WITH items AS (
    SELECT id, amount FROM tallyline.line_items WHERE ($1::text IS NULL OR tenant = $1)
  ), entries AS (
    SELECT * FROM tallyline.ledger_entries WHERE ($1::text IS NULL OR tenant = $1)
  )`;

/** How a ledger is not as it should be. */
export interface LedgerFaults {
  readonly transactions: number;
  readonly items: number;
  /** Transactions that don't add up to zero. */
  readonly unbalanced: readonly { readonly transactionId: string; readonly sum: Decimal }[];
  /** Items that are not what their entries say; `amount` null: there are entries, and no such item. */
  readonly misposted: readonly { readonly id: string; readonly amount: Decimal | null; readonly receivable: Decimal }[];
}

/** Postgres adds up; only what is wrong leaves it. `tenant` null: the ledgers of all. */
export async function readLedgerFaults(queries: Queries, tenant: string | null): Promise<LedgerFaults> {
  const params = [tenant];
  const { rows: counts } = await queries.query<{ transactions: number; items: number }>(
    `${ENTRIES} SELECT (SELECT count(DISTINCT transaction_id) FROM entries)::int AS transactions,
       (SELECT count(*) FROM items)::int AS items`,
    params,
  );
  const { rows: unbalanced } = await queries.query<{ transaction_id: string; sum: string }>(
    `${ENTRIES} SELECT transaction_id, sum(amount) AS sum FROM entries
      GROUP BY transaction_id, tenant, currency HAVING sum(amount) <> 0 ORDER BY 1`,
    params,
  );
  const { rows: misposted } = await queries.query<{ id: string; amount: string | null; receivable: string | null }>(
    `${ENTRIES} SELECT coalesce(item.id, entry.line_item) AS id, item.amount, ${RECEIVABLE} AS receivable
      FROM items item FULL JOIN (SELECT * FROM entries WHERE line_item IS NOT NULL) entry ON entry.line_item = item.id
      GROUP BY coalesce(item.id, entry.line_item), item.id, item.amount
      HAVING item.id IS NULL OR item.amount <> coalesce(${RECEIVABLE}, 0)
      ORDER BY 1`,
    params,
  );
  return {
    ...counts[0]!,
    unbalanced: unbalanced.map(({ transaction_id, sum }) => ({
      transactionId: transaction_id,
      sum: Decimal.parse(sum),
    })),
    misposted: misposted.map(({ id, amount, receivable }) => ({
      id,
      amount: amount === null ? null : Decimal.parse(amount),
      receivable: receivable === null ? Decimal.zero : Decimal.parse(receivable),
    })),
  };
}
