// How Postgres finds a row by its key in tables of which it knows nothing yet: a connection keeps the plan that it
// makes then, and by another index than the key's it would walk all rows of a tenant for each reference that it checks.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type MigratedStores, startMigratedStores } from '../support/processes/migrated-stores.ts';

let stores: MigratedStores;
beforeAll(async () => {
  stores = await startMigratedStores();
});
afterAll(() => stores?.stop());

describe('a table that is new', () => {
  it.each([
    ['customers', 'id'],
    ['subscriptions', 'id'],
    ['assigned_subjects', 'subject'],
  ])('%s is asked for a row by its key', async (table, key) => {
    const client = await stores.pool.connect();
    try {
      await client.query("SET plan_cache_mode = 'force_generic_plan'");
      // As Postgres checks a reference to it.
      await client.query(
        `PREPARE by_key (text, text) AS SELECT 1 FROM ONLY tallyline.${table} x WHERE tenant = $1 AND ${key} = $2 FOR KEY SHARE OF x`,
      );
      const { rows } = await client.query<{ 'QUERY PLAN': string }>("EXPLAIN EXECUTE by_key ('acme', 'one')");
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain(`Index Scan using ${table}_pkey`);
      expect(plan).toContain(`${key} = $2`);
    } finally {
      client.release(true);
    }
  });
});
