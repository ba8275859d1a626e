// The Avro schemas of every writer, in Postgres: a writer registers what it writes before it writes it, and a reader
// that meets a fingerprint it does not know looks it up here.
import type pg from 'pg';
import { currentSchemas } from './avro-registry.ts';

/**
 * Registers the schemas this build writes, those that are not there: a user that may not write does with what a writer
 * has registered.
 */
export async function registerAvroSchemas(pool: pg.Pool): Promise<void> {
  for (const { fingerprint, schema } of Object.values(currentSchemas)) {
    if ((await findAvroSchema(pool, fingerprint)) !== null) continue;
    await pool.query(
      'INSERT INTO tallyline.avro_schemas (fingerprint, schema) VALUES ($1, $2) ON CONFLICT (fingerprint) DO NOTHING',
      [fingerprint, JSON.stringify(schema)],
    );
  }
}

/** The schema with this fingerprint, or null where no writer ever registered it. */
export async function findAvroSchema(pool: pg.Pool, fingerprint: Buffer): Promise<object | null> {
  const { rows } = await pool.query<{ schema: object }>(
    'SELECT schema FROM tallyline.avro_schemas WHERE fingerprint = $1',
    [fingerprint],
  );
  return rows[0]?.schema ?? null;
}
