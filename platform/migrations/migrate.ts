// Brings the stores to the schema this version needs: every numbered file of schemas/postgres and schemas/clickhouse,
// in order, once. A file that was applied is never changed afterwards; Postgres remembers each one's checksum, and its
// advisory lock lets one process migrate at a time. After them come the rights of the stages' roles (roles.sql), every
// time, where the user may make roles or finds them made.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type pg from 'pg';
import type { Logger } from 'pino';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import { deadlined, PATIENT_MS } from '../postgres/pool.ts';
import { projectFile } from '../process/project-root.ts';
import { splitStatements } from './sql-statements.ts';

/** ClickHouse as a migration sees it; `createDatabase` is called first where there is one. */
export type MigratableClickHouse = ClickHouse & { createDatabase?(): Promise<void> };

interface MigrationFile {
  readonly name: string;
  readonly sql: string;
  readonly checksum: Buffer;
}

type Store = 'postgres' | 'clickhouse';

/** Any number, the same in every version of Tallyline. */
const LOCK_KEY = '7812340951';

/**
 * Applies what is missing and returns the names of what it applied. Two processes may call it at once: the second waits
 * and finds nothing to do.
 */
export async function migrate(
  pool: pg.Pool,
  clickhouse: MigratableClickHouse | null,
  logger: Logger,
): Promise<readonly string[]> {
  const client = await pool.connect();
  let broken = false;
  try {
    // The wait for another process's migration has no limit of its own, nor has a migration of a large table.
    await client.query('SET statement_timeout = 0');
    await client.query(deadlined(PATIENT_MS, 'SELECT pg_advisory_lock($1)', [LOCK_KEY]));
    try {
      await client.query('CREATE SCHEMA IF NOT EXISTS tallyline');
      await client.query(
        `CREATE TABLE IF NOT EXISTS tallyline.schema_migrations (
          store text NOT NULL, name text NOT NULL, checksum bytea NOT NULL,
          applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (store, name))`,
      );
      const applied = await migratePostgres(client, logger);
      await grantRights(client, logger);
      if (clickhouse !== null) applied.push(...(await migrateClickHouse(client, clickhouse, logger)));
      return applied;
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]);
      await client.query('RESET statement_timeout');
    }
  } catch (error) {
    // The connection goes too, and with it the lock, whatever state it is in.
    broken = true;
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Throws, saying what to do, where `migrate` has something left to do in Postgres. */
export async function assertMigrated(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ there: boolean }>(
    "SELECT to_regclass('tallyline.schema_migrations') IS NOT NULL AS there",
  );
  const missing = rows[0]?.there === true ? await missingFiles(pool, 'postgres') : await readMigrations('postgres');
  if (missing.length > 0)
    throw new Error(`the stores lack ${missing.map(({ name }) => name).join(', ')}: run \`tallyline migrate\` first`);
}

async function migratePostgres(client: pg.PoolClient, logger: Logger): Promise<string[]> {
  const applied: string[] = [];
  for (const file of await missingFiles(client, 'postgres')) {
    await client.query('BEGIN');
    try {
      await client.query(deadlined(PATIENT_MS, file.sql));
      await record(client, 'postgres', file);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK');
      throw new Error(`schemas/postgres/${file.name} could not be applied: ${(error as Error).message}`, {
        cause: error,
      });
    }
    logger.info({ store: 'postgres', migration: file.name }, 'schema migration applied');
    applied.push(`postgres/${file.name}`);
  }
  return applied;
}

/** The roles of the stages, which `roles.sql` names. */
const stageRoles = ['ingest', 'aggregator', 'rater', 'query', 'manage'].map((stage) => `tallyline_${stage}`);

async function grantRights(client: pg.PoolClient, logger: Logger): Promise<void> {
  const { rows } = await client.query<{ may: boolean; missing: string[] }>(
    `SELECT bool_or(rolsuper OR rolcreaterole) FILTER (WHERE rolname = current_user) AS may,
       ARRAY(SELECT unnest($1::text[]) EXCEPT SELECT rolname FROM pg_roles) AS missing FROM pg_roles`,
    [stageRoles],
  );
  const { may, missing } = rows[0]!;
  if (missing.length > 0 && !may) {
    logger.info({ missing }, 'this user may make no roles, so the stages have none of their own');
    return;
  }
  await client.query('BEGIN');
  try {
    await client.query(await readFile(projectFile('schemas/postgres/roles.sql'), 'utf8'));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw new Error(`schemas/postgres/roles.sql could not be applied: ${(error as Error).message}`, { cause: error });
  }
}

async function migrateClickHouse(
  client: pg.PoolClient,
  clickhouse: MigratableClickHouse,
  logger: Logger,
): Promise<string[]> {
  const applied: string[] = [];
  await clickhouse.createDatabase?.();
  const tables = await clickhouse.query('SELECT name FROM system.tables WHERE database = currentDatabase() LIMIT 1');
  if (tables.length === 0) {
    // A new database, or one that was lost: whatever Postgres remembers, none of it is there.
    const { rowCount } = await client.query("DELETE FROM tallyline.schema_migrations WHERE store = 'clickhouse'");
    if (rowCount !== 0)
      logger.warn('the ClickHouse database is empty though it was migrated before; its tables are created again');
  }
  // ClickHouse has no transactions: a file that fails half-way is run again from its start, so its statements allow
  // that.
  for (const file of await missingFiles(client, 'clickhouse')) {
    try {
      for (const statement of splitStatements(file.sql)) await clickhouse.command(statement);
    } catch (error) {
      throw new Error(`schemas/clickhouse/${file.name} could not be applied: ${(error as Error).message}`, {
        cause: error,
      });
    }
    await record(client, 'clickhouse', file);
    logger.info({ store: 'clickhouse', migration: file.name }, 'schema migration applied');
    applied.push(`clickhouse/${file.name}`);
  }
  return applied;
}

/** The files not yet applied. Throws where an applied one was changed, or is unknown to this version. */
async function missingFiles(client: pg.Pool | pg.PoolClient, store: Store): Promise<MigrationFile[]> {
  const files = await readMigrations(store);
  const { rows } = await client.query<{ name: string; checksum: Buffer }>(
    'SELECT name, checksum FROM tallyline.schema_migrations WHERE store = $1 ORDER BY name',
    [store],
  );
  const applied = new Map(rows.map(({ name, checksum }) => [name, checksum]));
  for (const { name, checksum } of files) {
    if (applied.get(name)?.equals(checksum) === false) {
      throw new Error(
        `schemas/${store}/${name} was changed after it was applied: put the change into a new file with the next number`,
      );
    }
  }
  const unknown = rows.find(({ name }) => files.every((file) => file.name !== name));
  if (unknown !== undefined) {
    throw new Error(
      `the ${store} schema has ${unknown.name}, which this version of Tallyline does not know: run the newer version`,
    );
  }
  return files.filter(({ name }) => !applied.has(name));
}

async function readMigrations(store: Store): Promise<MigrationFile[]> {
  const directory = projectFile(`schemas/${store}`);
  const names = (await readdir(directory)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(`${directory}/${name}`, 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest() };
    }),
  );
}

async function record(client: pg.PoolClient, store: Store, file: MigrationFile): Promise<void> {
  await client.query('INSERT INTO tallyline.schema_migrations (store, name, checksum) VALUES ($1, $2, $3)', [
    store,
    file.name,
    file.checksum,
  ]);
}
