// A Postgres and a ClickHouse of its own for a test file, with the tables of an installation, all empty.
import type pg from 'pg';
import pino from 'pino';
import { type ClickHouseDatabase, createClickHouse } from '../../../platform/clickhouse/client.ts';
import { migrate } from '../../../platform/migrations/migrate.ts';
import { createPool } from '../../../platform/postgres/pool.ts';
import { startTestClickHouse } from './clickhouse.ts';
import { startTestPostgres } from './postgres.ts';

export interface MigratedStores {
  readonly pool: pg.Pool;
  readonly clickhouse: ClickHouseDatabase;
  stop(): Promise<void>;
}

/** `withDocker` as `startTestClickHouse` takes it. */
export async function startMigratedStores({ withDocker = true } = {}): Promise<MigratedStores> {
  const logger = pino({ level: 'silent' });
  const [postgres, server] = await Promise.all([startTestPostgres(), startTestClickHouse({ withDocker })]);
  const pool = createPool(postgres.url, logger);
  const clickhouse = createClickHouse(server, logger);
  await migrate(pool, clickhouse, logger);
  return {
    pool,
    clickhouse,
    stop: async () => {
      await clickhouse.close();
      await pool.end();
      await Promise.all([postgres.stop(), server.stop()]);
    },
  };
}
