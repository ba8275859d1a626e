// Customers with a subscription each, as the stage `manage` would have left them, made by Postgres itself out of
// numbers. They are the subjects of a `WindowHistory`, and their own customers.
import type pg from 'pg';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { SUBSCRIBED_PLAN, TENANT } from '../workload/usage-stream.ts';

export interface Subscribers {
  readonly subjects: number;
  readonly tenants?: number;
  /** When the first of them began; milliseconds since the epoch. */
  readonly startsAt: number;
  /** Each begins so much later than the one before, and its periods with it; 0: all at once, by the calendar. */
  readonly apartMs: number;
  /** When a rater has to look at them next; null: they were rated up to now. */
  readonly dueAt: number | null;
}

export async function insertSubscribers(pool: pg.Pool, subscribers: Subscribers): Promise<void> {
  const { subjects, tenants = 1, startsAt, apartMs, dueAt } = subscribers;
  await inTransaction(pool, async (client) => {
    // Fees begin with the version that brings them.
    await client.query('UPDATE tallyline.catalog_versions SET effective_at = least(effective_at, $1)', [
      new Date(startsAt),
    ]);
    await client.query(
      `CREATE TEMP TABLE wanted ON COMMIT DROP AS
       SELECT $1 || CASE WHEN n % $2 = 0 THEN '' ELSE (n % $2)::text END AS tenant,
         'cus_' || lpad(n::text, 7, '0') AS customer, n % 64 AS shard,
         date_trunc('milliseconds', to_timestamp(($3 + n * $4) / 1000.0)) AS starts_at
       FROM generate_series(0, $5::bigint - 1) AS n`,
      [TENANT, tenants, startsAt, apartMs, subjects],
    );
    await client.query(
      `INSERT INTO tallyline.customers (tenant, id, shard, version, entity, paid_by, personal, created_at, updated_at)
       SELECT tenant, customer, shard, 1, 'default', 'self', '', starts_at, starts_at FROM wanted`,
    );
    await client.query(
      `INSERT INTO tallyline.subscriptions (tenant, id, customer, version, starts_at, billed_from, anchor, timezone,
         takes_begun_window, made_from, created_at, updated_at)
       SELECT tenant, 'sub_' || customer, customer, 1, starts_at, starts_at, CASE WHEN $1 > 0 THEN starts_at END, 'UTC',
         true, '{}', starts_at, starts_at FROM wanted`,
      [apartMs],
    );
    await client.query(
      `INSERT INTO tallyline.subscription_records (tenant, subscription, sequence, record, recorded_at)
       SELECT tenant, 'sub_' || customer, 1, jsonb_build_object('patches', jsonb_build_array(jsonb_build_object(
         'at', (extract(epoch FROM starts_at) * 1000)::bigint, 'patch', jsonb_build_object('plan', $1::text)))), starts_at
       FROM wanted`,
      [SUBSCRIBED_PLAN],
    );
    await client.query('INSERT INTO tallyline.plan_holders SELECT $1, tenant, customer FROM wanted', [SUBSCRIBED_PLAN]);
    // A rater was there before, and took the catalog in.
    await client.query(
      'UPDATE tallyline.rater_shards SET catalog_version = (SELECT max(version) FROM tallyline.catalog_versions)',
    );
    if (dueAt !== null)
      await client.query('INSERT INTO tallyline.due_customers SELECT tenant, customer, $1 FROM wanted', [
        new Date(dueAt),
      ]);
  });
  await pool.query('VACUUM ANALYZE');
}
