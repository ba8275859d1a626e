// A Postgres as an earlier release left it: every migration before one of them, and nothing else.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { projectFile } from '../../platform/process/project-root.ts';

export async function migrateUpTo(pool: pg.Pool, migration: string): Promise<void> {
  const folder = projectFile('schemas/postgres');
  const before = readdirSync(folder).filter((name) => /^\d/.test(name) && name < migration);
  await pool.query(`CREATE SCHEMA tallyline; CREATE TABLE tallyline.schema_migrations (
    store text NOT NULL, name text NOT NULL, checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (store, name))`);
  for (const name of before.sort()) {
    const sql = readFileSync(join(folder, name), 'utf8');
    await pool.query(sql);
    await pool.query("INSERT INTO tallyline.schema_migrations (store, name, checksum) VALUES ('postgres', $1, $2)", [
      name,
      createHash('sha256').update(sql).digest(),
    ]);
  }
}
