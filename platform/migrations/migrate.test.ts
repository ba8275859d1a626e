import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { startTestPostgres, type TestPostgres } from '../../test/support/processes/postgres.ts';
import { createPool } from '../postgres/pool.ts';
import type { MigratableClickHouse } from './migrate.ts';
import { migrate } from './migrate.ts';

const logger = pino({ level: 'silent' });
let server: TestPostgres;
let pool: pg.Pool;

/** A ClickHouse that only remembers what it was told. */
class FakeClickHouse implements MigratableClickHouse {
  readonly statements: string[] = [];
  failAt: RegExp | null = null;

  async createDatabase(): Promise<void> {}
  async command(sql: string): Promise<void> {
    if (this.failAt?.test(sql)) throw new Error('no space left');
    this.statements.push(sql);
  }
  async query<Row>(): Promise<Row[]> {
    return (this.statements.length === 0 ? [] : [{ name: 'usage_events' }]) as Row[];
  }
  async insert(): Promise<void> {
    throw new Error('not expected');
  }
  async queryBinary(): Promise<Buffer> {
    throw new Error('not expected');
  }
  // biome-ignore lint/correctness/useYield: never read
  async *stream(): AsyncIterable<readonly unknown[][]> {
    throw new Error('not expected');
  }
  async close(): Promise<void> {}
}

beforeAll(async () => {
  server = await startTestPostgres();
  pool = createPool(server.url, logger);
});
afterAll(async () => {
  await pool?.end();
  await server?.stop();
});
beforeEach(async () => {
  await pool.query('DROP SCHEMA IF EXISTS tallyline CASCADE');
});

describe('migrate', () => {
  it('waits for another process for as long as that takes, whatever statements of the pool are given', async () => {
    const hasty = createPool(server.url, logger, { statementTimeoutMs: 50 });
    const holder = await pool.connect();
    // LOCK_KEY of migrate.ts.
    await holder.query('SELECT pg_advisory_lock(7812340951)');
    const migrated = migrate(hasty, null, logger);
    try {
      // Longer than the pool gives a statement, by the server's own word and by the client's.
      const pause = holder.query('SET statement_timeout = 0; SELECT pg_sleep(6)').then(() => 'waiting');
      expect(await Promise.race([pause, migrated.then(String, String)])).toBe('waiting');
    } finally {
      holder.release(true);
    }
    expect((await migrated).length).toBeGreaterThan(0);
    await hasty.end();
  });

  it('creates both stores once, however often it runs', async () => {
    const clickhouse = new FakeClickHouse();
    await migrate(pool, clickhouse, logger);
    const created = clickhouse.statements.length;
    expect(clickhouse.statements[0]).toMatch(/^CREATE TABLE IF NOT EXISTS usage_events/);
    await migrate(pool, clickhouse, logger);
    expect(clickhouse.statements).toHaveLength(created);
    const { rows } = await pool.query('SELECT count(*)::integer AS n FROM tallyline.chunk_seals');
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('lets two processes migrate at once', async () => {
    const other = createPool(server.url, logger);
    try {
      await Promise.all([migrate(pool, null, logger), migrate(other, null, logger), migrate(pool, null, logger)]);
      const { rows } = await pool.query(
        'SELECT name, count(*)::integer AS n FROM tallyline.schema_migrations GROUP BY name ORDER BY name',
      );
      expect(rows.length).toBeGreaterThan(3);
      expect(rows.every(({ n }) => n === 1)).toBe(true);
    } finally {
      await other.end();
    }
  });

  it('refuses a schema file that was changed after it was applied', async () => {
    await migrate(pool, null, logger);
    await pool.query("UPDATE tallyline.schema_migrations SET checksum = 'x' WHERE name LIKE '0001%'");
    await expect(migrate(pool, null, logger)).rejects.toThrow(
      /schemas\/postgres\/0001_\w+\.sql was changed after it was applied/,
    );
  });

  it('refuses a schema from a newer version', async () => {
    await migrate(pool, null, logger);
    await pool.query(
      "INSERT INTO tallyline.schema_migrations (store, name, checksum) VALUES ('postgres', '9999_next.sql', 'x')",
    );
    await expect(migrate(pool, null, logger)).rejects.toThrow(/9999_next\.sql, which this version .* does not know/);
  });

  it('runs a ClickHouse file again that failed half-way, and creates a lost database anew', async () => {
    const clickhouse = new FakeClickHouse();
    clickhouse.failAt = /usage_rollups/;
    await expect(migrate(pool, clickhouse, logger)).rejects.toThrow(
      /schemas\/clickhouse\/0001_usage\.sql could not be applied: no space left/,
    );
    clickhouse.failAt = null;
    await migrate(pool, clickhouse, logger);
    expect(clickhouse.statements.some((sql) => sql.includes('usage_rollups'))).toBe(true);

    const emptied = new FakeClickHouse();
    await migrate(pool, emptied, logger);
    expect(emptied.statements.some((sql) => sql.includes('usage_rollups'))).toBe(true);
  });
});
