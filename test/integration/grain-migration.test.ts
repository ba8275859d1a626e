// The steps from money by subject to money by customer and by term, on a Postgres as an earlier release left it: rows,
// ids and amounts stay, and what refers to an item carries its period.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { ledgerTransactionId, lineItemId } from '../../domain/billing/line-item-key.ts';
import { catalogVersions } from '../../platform/catalog-store.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { migrateUpTo } from '../support/earlier-schema.ts';
import { startTestPostgres, type TestPostgres } from '../support/processes/postgres.ts';

const MIGRATION = '0011_grain.sql';
const logger = pino({ level: 'silent' });
const [periodStart, periodEnd, windowStart] = [
  Date.UTC(2026, 10, 1),
  Date.UTC(2026, 11, 1),
  Date.UTC(2026, 10, 20, 10),
];
const key = {
  ...{ tenant: 'acme', customer: 'cus_42', subscription: '', periodStart, periodEnd, price: 'input', subject: '' },
  ...{ termStart: periodStart, windowStart, revision: 0 },
};
const [id, transactionId] = [lineItemId(key), ledgerTransactionId(key)];

let postgres: TestPostgres;
let pool: pg.Pool;

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = createPool(postgres.url, logger);
  await migrateUpTo(pool, MIGRATION);
  const times = [new Date(periodStart), new Date(periodEnd)];
  await pool.query(
    `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest, published_at)
     VALUES (1, now(), '{}', '', '', now()), (2, now(), '{}', '', '', now())`,
  );
  await pool.query(
    `INSERT INTO tallyline.billing_periods (tenant, subject, period_start, period_end, plan, catalog_version, timeline_version)
     VALUES ('acme', 'cus_42', $1, $2, 'basic', 1, 1)`,
    times,
  );
  await pool.query(
    `INSERT INTO tallyline.line_items (id, tenant, subject, plan, price, meter, groups, window_start, window_end,
       period_start, period_end, quantity, amount, currency, kind, revision, cause, catalog_version, derivation)
     VALUES ($3, 'acme', 'cus_42', 'basic', 'input', 'tokens', '{}', $4, $5, $1, $2, 7, 0.7, 'USD', 'usage', 0,
       'window_closed', 1, '{"cumulativeQuantity": 7, "cumulativeAmount": "0.7", "writtenAmount": "0", "sealVector": {}}')`,
    [...times, id, new Date(windowStart), new Date(windowStart + 3_600_000)],
  );
  await pool.query(
    `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item)
     VALUES ($1, 0, 'acme', 'receivable:cus_42', 0.7, 'USD', $2), ($1, 1, 'acme', 'revenue:input', -0.7, 'USD', $2)`,
    [transactionId, id],
  );
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});

it('carries over what there is', async () => {
  expect(await migrate(pool, null, logger)).toContain(`postgres/${MIGRATION}`);
  const { rows: periods } = await pool.query('SELECT tenant, customer, subscription FROM tallyline.billing_periods');
  expect(periods).toEqual([{ tenant: 'acme', customer: 'cus_42', subscription: '' }]);
  const { rows: items } = await pool.query(
    'SELECT id, customer, subscription, subject, term_start, quantity, amount FROM tallyline.line_items',
  );
  expect(items).toEqual([
    {
      ...{ id, customer: 'cus_42', subscription: '', subject: '', quantity: '7', amount: '0.7' },
      term_start: new Date(periodStart),
    },
  ]);
  const { rows: entries } = await pool.query(
    'SELECT account, line_item, period_start FROM tallyline.ledger_entries ORDER BY entry',
  );
  expect(entries).toEqual(
    ['receivable:cus_42', 'revenue:input'].map((account) => ({
      ...{ account, line_item: id, period_start: new Date(periodStart) },
    })),
  );
  // What may not be changed may not be changed again.
  await expect(pool.query('UPDATE tallyline.ledger_entries SET amount = 0')).rejects.toThrow(
    'a correction is a new row',
  );
}, 60_000);

it.each([
  ['an item without its period', "UPDATE tallyline.billing_periods SET customer = 'other'"],
  ['an entry without the period of its item', 'UPDATE tallyline.ledger_entries SET period_start = NULL'],
  [
    'two items of one key',
    `INSERT INTO tallyline.line_items OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(item,
       '{"sequence": 99}')).* FROM tallyline.line_items item`,
  ],
])('refuses %s', async (_, statement) => {
  await pool.query('ALTER TABLE tallyline.ledger_entries DISABLE TRIGGER ledger_entries_append_only');
  await expect(pool.query(statement)).rejects.toThrow(
    /violates (check|unique) constraint|is refused: a correction is a new row/,
  );
});

it('knows of the first catalog version alone that nothing was closed before it', async () => {
  const versions = await catalogVersions(pool);
  expect(versions.map(({ version, closedUpTo, appliesTo }) => [version, closedUpTo, appliesTo])).toEqual([
    [1, 0, undefined],
    [2, undefined, undefined],
  ]);
});
