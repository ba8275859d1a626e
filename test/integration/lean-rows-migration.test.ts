// The step to lean rows, on a Postgres as the release before it left it: what is told of items, periods and the ledger
// is the same to the digit, numbers go on where they were, and what was refused is refused.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { ledgerTransactionId, lineItemId } from '../../domain/billing/line-item-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { readBilledPeriodsIn } from '../../platform/billing-store/billed-periods.ts';
import { readBillingPeriods, saveRatedPeriods } from '../../platform/billing-store/billing-periods.ts';
import { readLedgerFaults } from '../../platform/billing-store/ledger-entries.ts';
import { insertLineItems, readCumulativeQuantities } from '../../platform/billing-store/line-items.ts';
import { saveRating } from '../../platform/billing-store/ratings.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool, inTransaction } from '../../platform/postgres/pool.ts';
import { migrateUpTo } from '../support/earlier-schema.ts';
import { startTestPostgres, type TestPostgres } from '../support/processes/postgres.ts';

const MIGRATION = '0016_lean_rows.sql';
const logger = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;
const [periodStart, periodEnd] = [Date.UTC(2026, 10, 1), Date.UTC(2026, 11, 1)];
const rated = [
  { sealVector: { 1: { 0: 17, 1: 16 } }, ratedWatermark: periodStart + HOUR_MS, closedUpTo: periodStart + HOUR_MS },
  { sealVector: { 1: { 0: 18, 1: 16 } }, ratedWatermark: periodStart + 2 * HOUR_MS, closedUpTo: periodStart + HOUR_MS },
] as const;
const keyOf = (customer: string, hour: number) => ({
  ...{ tenant: 'acme', customer, subscription: '', periodStart, periodEnd, price: 'input', subject: '' },
  ...{ termStart: periodStart, windowStart: periodStart + hour * HOUR_MS, revision: 0 },
});

/** What there was before, as text: digits and all. */
const ITEMS = `SELECT id::text, tenant, customer, subscription, subject, plan, price, meter, groups::text, period_start::text,
  period_end::text, term_start::text, window_start::text, window_end::text, quantity::text, amount::text, currency, kind,
  revision, cause, catalog_version, created_at::text, sequence::text FROM tallyline.line_items ORDER BY sequence`;
const ENTRIES = 'SELECT entry::text FROM tallyline.ledger_entries entry ORDER BY transaction_id, entry';

let postgres: TestPostgres;
let pool: pg.Pool;
let before: { items: unknown[]; entries: unknown[] };

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = createPool(postgres.url, logger);
  await migrateUpTo(pool, MIGRATION);
  await pool.query(
    `INSERT INTO tallyline.catalog_versions (version, effective_at, catalog, source, digest, published_at)
     VALUES (1, now(), '{}', '', '', now())`,
  );
  // Ten customers; the last two were rated later than the others, and the first item's number was never used.
  await pool.query("SELECT nextval(pg_get_serial_sequence('tallyline.line_items', 'sequence'))");
  for (let i = 0; i < 10; i++) {
    const customer = `cus_${i}`;
    const { sealVector, ratedWatermark, closedUpTo } = rated[i < 8 ? 0 : 1]!;
    await pool.query(
      `INSERT INTO tallyline.billing_periods (tenant, customer, subscription, period_start, period_end, catalog_version,
         records, seal_vector, rated_watermark, closed_up_to, rated_at)
       VALUES ('acme', $1, '', $2, $3, 1, $4, $5, $6, $7, clock_timestamp())`,
      [
        ...[customer, new Date(periodStart), new Date(periodEnd), i, JSON.stringify(sealVector)],
        ...[new Date(ratedWatermark), new Date(closedUpTo)],
      ],
    );
    for (const hour of [0, 1]) {
      const key = keyOf(customer, hour);
      const id = lineItemId(key);
      const derivation = {
        ...{ cumulativeQuantity: `${hour + 1}.50`, cumulativeAmount: `${hour + 1}.1250`, writtenAmount: `${hour}` },
        sealVector,
      };
      await pool.query(
        `INSERT INTO tallyline.line_items (id, tenant, customer, subscription, subject, term_start, plan, price, meter, groups,
           window_start, window_end, period_start, period_end, quantity, amount, currency, kind, revision, cause,
           catalog_version, derivation)
         VALUES ($1, 'acme', $2, '', '', $3, 'basic', 'input', 'tokens', '{"model": "m"}', $4, $5, $3, $6, 1.50, 1.1250, 'USD',
           'usage', 0, 'window_closed', 1, $7)`,
        [
          ...[id, customer, new Date(periodStart), new Date(key.windowStart), new Date(key.windowStart + HOUR_MS)],
          ...[new Date(periodEnd), JSON.stringify(derivation)],
        ],
      );
      await pool.query(
        `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item, period_start)
         VALUES ($1, 0, 'acme', $2, 1.1250, 'USD', $3, $4), ($1, 1, 'acme', 'revenue:input', -1.1250, 'USD', $3, $4)`,
        [ledgerTransactionId(key), `receivable:${customer}`, id, new Date(periodStart)],
      );
    }
  }
  await pool.query(
    `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
     SELECT 'acme', id, 0, 1, 'default', 'self', '', now(), now() FROM unnest(ARRAY['cus_1', 'cus_2']) AS id`,
  );
  await pool.query(
    `INSERT INTO tallyline.subscriptions (tenant, id, customer, version, starts_at, billed_from, timezone,
       takes_begun_window, made_from, created_at, updated_at)
     SELECT 'acme', id, customer, 3, now(), now(), 'UTC', false, '{}', now(), now()
     FROM (VALUES ('s1', 'cus_1'), ('s2', 'cus_1'), ('s3', 'cus_2')) AS made (id, customer)`,
  );
  const recorded = new Date(periodStart);
  for (const [subscription, sequence, record] of [
    [
      's1',
      1,
      {
        patches: [
          { at: 0, patch: { plan: 'pro' } },
          { at: 5, patch: { plan: 'team' } },
        ],
      },
    ],
    ['s1', 2, { undoes: 1, at: 5 }],
    ['s2', 1, { patches: [{ at: 0, patch: { plan: 'pro' } }] }],
    ['s3', 1, { patches: [{ at: 0, patch: { plan: 'team', quantities: { seats: '2' } } }] }],
    ['s3', 2, { patches: [{ at: 9, patch: { endsAt: 10 } }] }],
  ] as const) {
    await pool.query('INSERT INTO tallyline.subscription_records VALUES ($1, $2, $3, $4, $5)', [
      ...['acme', subscription, sequence, JSON.stringify(record), recorded],
    ]);
  }
  before = { items: (await pool.query(ITEMS)).rows, entries: (await pool.query(ENTRIES)).rows };
  expect(await migrate(pool, null, logger)).toContain(`postgres/${MIGRATION}`);
}, 300_000);

afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});

it('leaves items and entries as they are, to the digit', async () => {
  expect((await pool.query(ITEMS)).rows).toEqual(before.items);
  expect((await pool.query(ENTRIES)).rows).toEqual(before.entries);
  expect(before.items).toHaveLength(20);
  expect(await readLedgerFaults(pool, null)).toEqual({ transactions: 20, items: 20, unbalanced: [], misposted: [] });
  const id = lineItemId(keyOf('cus_3', 1));
  expect((await readCumulativeQuantities(pool, [id])).get(id)!.equals(Decimal.parse('2.5'))).toBe(true);
});

it('tells of each period what its last rating was, and of each item its seals', async () => {
  const periods = await readBillingPeriods(
    pool,
    ['cus_7', 'cus_8'].map((customer) => ({ tenant: 'acme', customer })),
  );
  expect(periods.sort((a, b) => a.records - b.records)).toEqual(
    [7, 8].map((i) => ({
      ...{ tenant: 'acme', customer: `cus_${i}`, subscription: '', periodStart, periodEnd, catalogVersion: 1 },
      ...{ records: i, ...rated[i < 8 ? 0 : 1]! },
    })),
  );
  expect(await readBilledPeriodsIn(pool, { tenant: 'acme', from: null, to: null })).toHaveLength(10);
  const { rows } = await pool.query(
    `SELECT rating.seal_vector, item.cumulative_amount::text, count(*)::int FROM tallyline.line_items item
     JOIN tallyline.ratings rating ON rating.id = item.rating GROUP BY 1, 2 ORDER BY 3, 2`,
  );
  expect(rows).toEqual(
    ([1, 0] as const).flatMap((i) =>
      ['1.1250', '2.1250'].map((amount) => ({
        ...{ seal_vector: rated[i].sealVector, cumulative_amount: amount, count: i === 1 ? 2 : 8 },
      })),
    ),
  );
});

it('goes on with the numbers, and a rating of now stands beside those of before', async () => {
  await inTransaction(pool, async (client) => {
    const rating = await saveRating(client, { catalogVersion: 1, ...rated[1]! });
    await saveRatedPeriods(client, [{ ...keyOf('cus_9', 2), records: 11 }], rating);
    const item = {
      ...{ windowStart: periodStart + 2 * HOUR_MS, windowEnd: periodStart + 3 * HOUR_MS, quantity: 10n ** 12n },
      ...{ amount: Decimal.parse('1'), kind: 'usage' as const, revision: 0, cause: 'window_closed' as const },
      ...{
        cumulativeQuantity: 4n * 10n ** 12n,
        cumulativeAmount: Decimal.parse('3'),
        writtenAmount: Decimal.parse('2'),
      },
    };
    const of = { plan: 'basic', meter: 'tokens', groups: { model: 'm' }, currency: 'USD', catalogVersion: 1 };
    await insertLineItems(client, [{ ...keyOf('cus_9', 2), ...of, item }], rating);
  });
  const { rows } = await pool.query<{ sequence: string }>(
    'SELECT sequence FROM tallyline.line_items ORDER BY sequence DESC LIMIT 2',
  );
  expect(rows.map(({ sequence }) => sequence)).toEqual(['22', '21']);
  expect(await readLedgerFaults(pool, null)).toMatchObject({ items: 21, unbalanced: [], misposted: [] });
});

it('knows who was ever to have which plan', async () => {
  const { rows } = await pool.query(
    'SELECT plan, tenant, customer FROM tallyline.plan_holders ORDER BY plan, customer',
  );
  expect(rows).toEqual(
    [
      ['pro', 'cus_1'],
      ['team', 'cus_1'],
      ['team', 'cus_2'],
    ].map(([plan, customer]) => ({ plan, tenant: 'acme', customer })),
  );
});

const copyOfItem = (changed: string): string =>
  `INSERT INTO tallyline.line_items OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(item, '{"sequence": 99, ${changed}}')).*
   FROM tallyline.line_items item LIMIT 1`;
const OTHER = '"id": "00000000-0000-8000-8000-000000000001"';

it.each([
  ['a second item of one key', copyOfItem('"revision": 0'), /unique constraint "line_items_pkey"/],
  ['an item without its period', copyOfItem(`${OTHER}, "customer": "other"`), /has no billing period from/],
  ['an item of another end', copyOfItem(`${OTHER}, "period_end": "2027-01-01Z"`), /has no billing period from/],
  ['an item without its rating', copyOfItem(`${OTHER}, "rating": 99`), /there is no rating 99/],
  ['a period without its rating', 'UPDATE tallyline.billing_periods SET rating = 99', /there is no rating 99/],
  ['a period of another name', "UPDATE tallyline.billing_periods SET customer = 'other'", /is refused/],
  ['to delete a period', 'DELETE FROM tallyline.billing_periods', /is refused/],
  ['to change an item', 'UPDATE tallyline.line_items SET amount = 0', /is refused/],
  ['to change a rating', "UPDATE tallyline.ratings SET seal_vector = '{}'", /is refused/],
  ['to delete a rating', 'DELETE FROM tallyline.ratings', /is refused/],
  [
    'an entry without its item',
    `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item, period_start)
     SELECT gen_random_uuid(), 0, 'acme', 'receivable:a', 0, 'USD', gen_random_uuid(), now()`,
    /there is no line item/,
  ],
  [
    'an entry of another period than its item',
    `INSERT INTO tallyline.ledger_entries (transaction_id, entry, tenant, account, amount, currency, line_item, period_start)
     SELECT gen_random_uuid(), 0, 'acme', 'receivable:a', 0, 'USD', id, now() FROM tallyline.line_items LIMIT 1`,
    /there is no line item/,
  ],
])('refuses %s', async (_, statement, says) => {
  await expect(pool.query(statement)).rejects.toThrow(says);
});
