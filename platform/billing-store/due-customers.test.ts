// Which customers are due, on a real Postgres: what each of the four statements leaves, and that they wait for each
// other in one order.
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { shardOf } from '../../domain/accounts/shard.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { allShards } from '../../test/support/all-shards.ts';
import { startTestPostgres, type TestPostgres } from '../../test/support/processes/postgres.ts';
import { subscribe } from '../../test/support/subscribe.ts';
import { migrate } from '../migrations/migrate.ts';
import { createPool, inTransaction } from '../postgres/pool.ts';
import { markDue, markHoldersDue, readDueCustomers, saveDue } from './due-customers.ts';

let postgres: TestPostgres;
let pool: pg.Pool;
beforeAll(async () => {
  postgres = await startTestPostgres();
  const logger = pino({ level: 'silent' });
  pool = createPool(postgres.url, logger);
  await migrate(pool, null, logger);
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});
beforeEach(() => pool.query('DELETE FROM tallyline.due_customers'));

const a = { tenant: 'acme', customer: 'a' };
const b = { tenant: 'acme', customer: 'b' };
const sameName = { tenant: 'umbrella', customer: 'a' };
const due = (until = Number.MAX_SAFE_INTEGER / 2, most = 10) => readDueCustomers(pool, allShards, until, most);

it('is told of some shards alone', async () => {
  const names = Array.from({ length: 100 }, (_, i) => ({ tenant: 'acme', customer: `c${i}` }));
  await markDue(
    pool,
    names.map((name) => ({ ...name, dueAt: 300 })),
  );
  const some = allShards.filter(({ shard }) => shard % 2 === 0);
  const found = await readDueCustomers(pool, some, 300, 1_000);
  const isEven = ({ tenant, customer }: TenantCustomer): boolean => shardOf(tenant, customer) % 2 === 0;
  const texts = (all: readonly TenantCustomer[]): string[] => all.map(({ customer }) => customer).sort();
  expect(texts(found)).toEqual(texts(names.filter(isEven)));
  expect(found.length).toBeGreaterThan(20);
});

it('is due at the earliest instant that anybody marked', async () => {
  await markDue(pool, []);
  await markDue(pool, [
    { ...a, dueAt: 300 },
    { ...b, dueAt: 200 },
    { ...a, dueAt: 250 },
  ]);
  expect(await due()).toEqual([
    { ...b, dueAt: 200 },
    { ...a, dueAt: 250 },
  ]);
  await markDue(pool, [
    { ...a, dueAt: 100 },
    { ...b, dueAt: 400 },
    { ...sameName, dueAt: 100 },
  ]);
  expect(await due()).toEqual([
    { ...a, dueAt: 100 },
    { ...sameName, dueAt: 100 },
    { ...b, dueAt: 200 },
  ]);
  expect(await due(100)).toHaveLength(2);
  expect(await due(99)).toEqual([]);
  expect(await due(200, 1)).toEqual([{ ...a, dueAt: 100 }]);
});

it('is due at what a rating saved in its place, and not at all where nothing comes next', async () => {
  await markDue(pool, [
    { ...a, dueAt: 100 },
    { ...b, dueAt: 100 },
  ]);
  await inTransaction(pool, async (client) => {
    await saveDue(client, []);
    await saveDue(client, [
      { ...b, dueAt: 500, lookedFrom: 100 },
      { ...a, dueAt: null, lookedFrom: 100 },
      { tenant: 'acme', customer: 'never due', dueAt: null, lookedFrom: 100 },
      { ...sameName, dueAt: 700, lookedFrom: 100 },
    ]);
  });
  const rows = await pool.query('SELECT customer FROM tallyline.due_customers ORDER BY due_at');
  expect(rows.rows.map(({ customer }) => customer)).toEqual(['b', 'a']);
  expect(await due()).toEqual([
    { ...b, dueAt: 500 },
    { ...sameName, dueAt: 700 },
  ]);
});

it('stays due where it has become so for earlier than it was looked at from', async () => {
  await markDue(pool, [
    { ...a, dueAt: 100 },
    { ...b, dueAt: 200 },
  ]);
  await inTransaction(pool, (client) =>
    saveDue(client, [
      { ...a, dueAt: 900, lookedFrom: 101 },
      { ...b, dueAt: null, lookedFrom: 201 },
    ]),
  );
  expect(await due()).toEqual([
    { ...a, dueAt: 100 },
    { ...b, dueAt: 200 },
  ]);
});

it('marks whoever has a plan, or pays by the default plan, page by page and nobody else', async () => {
  const period = `WITH rating AS (
      INSERT INTO tallyline.ratings (catalog_version, seal_vector) VALUES (1, '{}') RETURNING id)
    INSERT INTO tallyline.billing_periods (tenant, customer, subscription, period_start, period_end, rating)
    SELECT $1, $2, $3, $4, $5, id FROM rating`;
  await pool.query(period, ['acme', 'runs', '', new Date(0), new Date(1_001)]);
  await pool.query(period, ['acme', 'is over', '', new Date(0), new Date(1_000)]);
  await pool.query(period, ['acme', 'subscribed', 's', new Date(0), new Date(1_001)]);
  await pool.query(period, ['umbrella', 'runs', '', new Date(0), new Date(1_001)]);
  for (const name of [a, sameName])
    for (const id of ['s1', 's2']) await subscribe(pool, { ...name, id, plan: 'p', startsAt: 7_000 });
  await subscribe(pool, { ...b, id: 's3', plan: 'q', startsAt: 7_000, phases: [{ at: 9_000, patch: { plan: 'p' } }] });
  await subscribe(pool, { tenant: 'acme', customer: 'other', id: 's4', plan: 'q', startsAt: 7_000 });
  await pool.query('DELETE FROM tallyline.due_customers');
  await markDue(pool, [{ ...a, dueAt: 500 }]);
  const mark = async (plan: string | null, tenants: TenantsOfVersion = { except: [] }): Promise<number> => {
    let after = null;
    let pages = 0;
    do {
      after = await markHoldersDue(pool, { plan, tenants }, allShards, 1_000, { after, customersMax: 1 });
      pages++;
    } while (after !== null);
    return pages;
  };
  // A page each, and the one that is empty.
  expect(await mark('p')).toBe(4);
  const ofPlan = [
    { ...a, dueAt: 500 },
    { ...b, dueAt: 1_000 },
    { ...sameName, dueAt: 1_000 },
  ];
  expect(await due()).toEqual(ofPlan);
  expect(await mark(null)).toBe(3);
  const payers = ['acme', 'umbrella'].map((tenant) => ({ tenant, customer: 'runs', dueAt: 1_000 }));
  expect(await due()).toEqual(expect.arrayContaining([...ofPlan, ...payers]));
  expect(await due()).toHaveLength(5);
  expect(await mark('none')).toBe(1);

  // A version of one tenant's catalog, and one of the default where that tenant has its own.
  const markedBy = async (plan: string | null, tenants: TenantsOfVersion) => {
    await pool.query('DELETE FROM tallyline.due_customers');
    await mark(plan, tenants);
    return (await due()).map(({ tenant, customer }) => `${tenant} ${customer}`);
  };
  expect(await markedBy('p', { tenant: 'umbrella' })).toEqual(['umbrella a']);
  expect(await markedBy('p', { except: ['umbrella', 'others'] })).toEqual(['acme a', 'acme b']);
  expect(await markedBy(null, { tenant: 'acme' })).toEqual(['acme runs']);
  expect(await markedBy(null, { except: ['acme'] })).toEqual(['umbrella runs']);
});

it('waits in the order of customers, whatever a rating leaves of each', async () => {
  await markDue(pool, [
    { ...a, dueAt: 100 },
    { ...b, dueAt: 100 },
  ]);
  // Another transaction has a, so the rating that deletes b and saves a must not have b when it waits.
  await inTransaction(pool, async (other) => {
    await other.query("UPDATE tallyline.due_customers SET due_at = due_at WHERE customer = 'a'");
    const saving = inTransaction(pool, (client) =>
      saveDue(client, [
        { ...b, dueAt: null, lookedFrom: 100 },
        { ...a, dueAt: 900, lookedFrom: 100 },
      ]),
    );
    for (;;) {
      const { rows } = await pool.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      if (rows.length > 0) break;
    }
    await other.query("SELECT FROM tallyline.due_customers WHERE customer = 'b' FOR UPDATE NOWAIT");
    return { saving };
  }).then(({ saving }) => saving);
  expect(await due()).toEqual([{ ...a, dueAt: 900 }]);
});
