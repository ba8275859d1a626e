// I5: the entries of every ledger transaction, per tenant and currency, and each line item against its own entries. Postgres
// adds up; only what is wrong leaves it.
import type { Pool } from 'pg';
import { Decimal } from '../../../domain/number/decimal.ts';
import type { AuditLog } from '../discrepancy.ts';

const ENTRIES = `
  WITH items AS (
    SELECT id, amount FROM tallyline.line_items WHERE ($1::text IS NULL OR tenant = $1)
  ), entries AS (
    SELECT * FROM tallyline.ledger_entries WHERE ($1::text IS NULL OR tenant = $1)
  )`;

/** `tenant` null: the ledgers of all. */
export async function auditLedger(pool: Pool, tenant: string | null, log: AuditLog): Promise<void> {
  const params = [tenant];
  const { rows: counts } = await pool.query<{ transactions: number; items: number }>(
    `${ENTRIES} SELECT (SELECT count(DISTINCT transaction_id) FROM entries)::int AS transactions, (SELECT count(*) FROM items)::int AS items`,
    params,
  );
  const { rows: unbalanced } = await pool.query<{ transaction_id: string; sum: string }>(
    `${ENTRIES} SELECT transaction_id, sum(amount)::text AS sum FROM entries
      GROUP BY transaction_id, tenant, currency HAVING sum(amount) <> 0 ORDER BY 1`,
    params,
  );
  log.held('I5', counts[0]!.transactions - unbalanced.length);
  for (const { transaction_id, sum } of unbalanced) {
    log.compare('I5', `ledger transaction ${transaction_id}`, '0', Decimal.parse(sum).toString());
  }
  const { rows: unlike } = await pool.query<{ id: string; amount: string | null; receivable: string | null }>(
    `${ENTRIES} SELECT coalesce(item.id, entry.line_item) AS id, item.amount::text AS amount,
        sum(entry.amount) FILTER (WHERE entry.account LIKE 'receivable:%')::text AS receivable
      FROM items item FULL JOIN (SELECT * FROM entries WHERE line_item IS NOT NULL) entry ON entry.line_item = item.id
      GROUP BY coalesce(item.id, entry.line_item), item.id, item.amount
      HAVING item.id IS NULL
        OR item.amount <> coalesce(sum(entry.amount) FILTER (WHERE entry.account LIKE 'receivable:%'), 0)
      ORDER BY 1`,
    params,
  );
  log.held('I5', counts[0]!.items - unlike.length);
  for (const { id, amount, receivable } of unlike) {
    const expected = amount === null ? 'no entries: there is no such line item' : Decimal.parse(amount).toString();
    log.compare('I5', `line item ${id}, receivable`, expected, Decimal.parse(receivable ?? '0').toString());
  }
}
