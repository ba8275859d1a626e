// Opens the stores that a command or stage works on.
import type pg from 'pg';
import type { Logger } from 'pino';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { type ClickHouseOptions, createClickHouse } from '../platform/clickhouse/client.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { connectEventLog } from '../platform/event-log/open.ts';
import { registerAvroSchemas } from '../platform/event-log/schema-store.ts';
import { newGeneration, openGeneration, type TopicGeneration } from '../platform/event-log/topic-generation.ts';
import { assertMigrated } from '../platform/migrations/migrate.ts';
import { createPool } from '../platform/postgres/pool.ts';
import { reasonOf } from '../platform/process/system-fault.ts';
import type { Settings } from '../platform/settings/settings.ts';

export interface PostgresStore {
  readonly pool: pg.Pool;
  close(): Promise<void>;
}

export interface LogStores extends PostgresStore {
  readonly eventLog: EventLog;
  readonly generation: TopicGeneration;
}

/** What is stored of usage and money, without the log that it came by. */
export interface TableStores extends PostgresStore {
  readonly clickhouse: ClickHouse;
  /** Opened when it is first asked for; where that fails, the next one asks again. */
  log(): Promise<EventLog>;
}

export interface Stores extends LogStores, TableStores {}

const missing = (name: string): Error =>
  new Error(`${name} is not set: name a server, or run \`tallyline up\`, which starts an embedded one`);

/** What a process needs of a store beyond the address. */
export interface StoreNeeds extends Pick<ClickHouseOptions, 'onDamaged'> {
  /** Connections to each store; absent: as many as one that makes no reads of the API needs. */
  readonly connectionsMax?: number;
}

export function openPool(
  settings: Settings,
  logger: Logger,
  applicationName: string,
  { connectionsMax }: StoreNeeds = {},
): pg.Pool {
  if (settings.postgresUrl === null) throw missing('DATABASE_URL');
  return createPool(settings.postgresUrl, logger, {
    applicationName,
    ...(connectionsMax !== undefined && { connectionsMax }),
  });
}

export function openClickHouse(
  settings: Settings,
  logger: Logger,
  needs: StoreNeeds = {},
): ReturnType<typeof createClickHouse> {
  if (settings.clickhouse === null) throw missing('CLICKHOUSE_URL');
  return createClickHouse({ ...settings.clickhouse, ...needs }, logger);
}

/**
 * The event log of these settings: Kafka where it is named, else Postgres. Creates the topic and its generation when
 * they are new; rejects where the topic is not the one that was counted from before, so that no gateway writes into a
 * log that nobody reads.
 */
export async function openEventLog(settings: Settings, pool: pg.Pool, logger: Logger): Promise<EventLog> {
  return (await openGenerationLog(settings, pool, logger)).eventLog;
}

async function openGenerationLog(
  settings: Settings,
  pool: pg.Pool,
  logger: Logger,
): Promise<Pick<LogStores, 'eventLog' | 'generation'>> {
  // A reader that meets a record finds its schema there, so the schemas go in before any record does.
  await registerAvroSchemas(pool);
  const eventLog = await connectEventLog(settings, pool, logger);
  try {
    return { eventLog, generation: await openGeneration(pool, newGeneration(settings, eventLog)) };
  } catch (error) {
    await eventLog.close();
    throw error;
  }
}

/** What names the server and the variable, and leaves out the password. */
export async function assertReachable(pool: pg.Pool, settings: Settings): Promise<void> {
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    const { host, pathname } = new URL(settings.postgresUrl!);
    const reason = reasonOf(error);
    throw new Error(`Postgres at ${host}${pathname} (DATABASE_URL) can't be used: ${reason}`, { cause: error });
  }
}

/** A pool that was connected once. Rejects, with nothing left open, where the server is not named or can't be used. */
export async function openReachablePool(
  settings: Settings,
  logger: Logger,
  applicationName: string,
  needs: StoreNeeds = {},
): Promise<pg.Pool> {
  const pool = openPool(settings, logger, applicationName, needs);
  try {
    await assertReachable(pool, settings);
    return pool;
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** Postgres alone. Rejects, with nothing left open, where it is not named, not there or not migrated. */
export async function openPostgresStore(
  settings: Settings,
  logger: Logger,
  applicationName: string,
  needs: StoreNeeds = {},
): Promise<PostgresStore> {
  const pool = await openReachablePool(settings, logger, applicationName, needs);
  try {
    await assertMigrated(pool);
    return { pool, close: () => pool.end() };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** Postgres, and the log when it is asked for: whoever seldom needs it does without while it is away. */
async function openPostgresAndLog(
  settings: Settings,
  logger: Logger,
  applicationName: string,
  needs: StoreNeeds = {},
): Promise<PostgresStore & Pick<TableStores, 'log'>> {
  const { pool } = await openPostgresStore(settings, logger, applicationName, needs);
  let opening: Promise<EventLog> | null = null;
  return {
    pool,
    log() {
      opening ??= openEventLog(settings, pool, logger).catch((error: unknown) => {
        opening = null;
        throw error;
      });
      return opening;
    },
    async close() {
      await (await opening?.catch(() => null))?.close();
      await pool.end();
    },
  };
}

/** What a gateway needs. Rejects, with nothing left open, where one of them is not named, not there or not migrated. */
export async function openLogStores(
  settings: Settings,
  logger: Logger,
  applicationName: string,
  needs: StoreNeeds = {},
): Promise<LogStores> {
  const pool = await openReachablePool(settings, logger, applicationName, needs);
  try {
    await assertMigrated(pool);
    const { eventLog, generation } = await openGenerationLog(settings, pool, logger);
    return {
      pool,
      eventLog,
      generation,
      async close() {
        await eventLog.close();
        await pool.end();
      },
    };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

type OpenStores<Opened> = (
  settings: Settings,
  logger: Logger,
  applicationName: string,
  needs?: StoreNeeds,
) => Promise<Opened>;

/** ClickHouse is connected to when it is first used. */
const withClickHouse =
  <Opened extends PostgresStore & Pick<TableStores, 'log'>>(
    open: OpenStores<Opened>,
  ): OpenStores<Opened & TableStores> =>
  async (settings, logger, applicationName, needs = {}) => {
    const clickhouse = openClickHouse(settings, logger, needs);
    try {
      const stores = await open(settings, logger, applicationName, needs);
      return {
        ...stores,
        clickhouse,
        async close() {
          await stores.close();
          await clickhouse.close();
        },
      };
    } catch (error) {
      await clickhouse.close();
      throw error;
    }
  };

/** Postgres and ClickHouse, likewise. */
export const openTableStores: OpenStores<TableStores> = withClickHouse(openPostgresAndLog);
/** All three, likewise. */
export const openStores: OpenStores<Stores> = withClickHouse(async (...terms) => {
  const stores = await openLogStores(...terms);
  return { ...stores, log: async () => stores.eventLog };
});
