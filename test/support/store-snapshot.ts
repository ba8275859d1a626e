// Copies of the tables of both stores, put back after a test has damaged them by hand.
import type pg from 'pg';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';

const CLICKHOUSE_TABLES = ['usage_events', 'usage_rollups', 'usage_totals', 'event_rejects', 'manifests'];
const POSTGRES_TABLES = [
  ...['chunk_seals', 'partition_progress', 'published_watermark', 'billing_periods', 'line_items', 'ledger_entries'],
  ...['log_records', 'log_partitions', 'subject_assignments'],
];

/** Runs SQL as a superuser whom neither triggers nor foreign keys stop. */
export const withoutTriggers = (pool: pg.Pool, sql: readonly string[]): Promise<void> =>
  inTransaction(pool, async (client) => {
    await client.query('SET LOCAL session_replication_role = replica');
    for (const statement of sql) await client.query(statement);
  });

export class StoreSnapshot {
  private readonly pool: pg.Pool;
  private readonly clickhouse: ClickHouse;

  private constructor(pool: pg.Pool, clickhouse: ClickHouse) {
    this.pool = pool;
    this.clickhouse = clickhouse;
  }

  static async take(pool: pg.Pool, clickhouse: ClickHouse): Promise<StoreSnapshot> {
    await pool.query('CREATE SCHEMA kept');
    for (const table of POSTGRES_TABLES) await pool.query(`CREATE TABLE kept.${table} AS TABLE tallyline.${table}`);
    for (const table of CLICKHOUSE_TABLES) {
      await clickhouse.command(`CREATE TABLE kept_${table} AS ${table}`);
      await clickhouse.command(`INSERT INTO kept_${table} SELECT * FROM ${table}`);
    }
    return new StoreSnapshot(pool, clickhouse);
  }

  async restore(): Promise<void> {
    await withoutTriggers(
      this.pool,
      POSTGRES_TABLES.flatMap((table) => [
        `DELETE FROM tallyline.${table}`,
        `INSERT INTO tallyline.${table} OVERRIDING SYSTEM VALUE SELECT * FROM kept.${table}`,
      ]),
    );
    for (const table of CLICKHOUSE_TABLES) {
      await this.clickhouse.command(`TRUNCATE TABLE ${table}`);
      await this.clickhouse.command(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
    }
  }
}
