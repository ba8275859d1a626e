// Asks the aggregators to replay a damaged chunk: a row that the partition's owner reads and decides about. A chunk of
// which only the rows of its revision are damaged is recounted instead: for that its stored events are enough.
import type { Pool } from 'pg';
import type { StoredSeal } from '../../../domain/sealing/seals.ts';

/** True: this was not asked for before, or was done since. */
export async function requestRecountOf(pool: Pool, { generation, partition, chunk }: StoredSeal): Promise<boolean> {
  const { rowCount } = await pool.query(
    'INSERT INTO tallyline.due_chunks (generation, partition, chunk) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
    [generation, partition, chunk],
  );
  return rowCount === 1;
}

/** True: this was not asked for before. Once for each seal: what was refused stays refused. */
export async function requestRepair(pool: Pool, seal: StoredSeal, reason: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `INSERT INTO tallyline.chunk_repairs (generation, partition, chunk, epoch, reason)
     SELECT generation, partition, chunk, epoch, $5 FROM tallyline.chunk_seals
     WHERE generation = $1 AND partition = $2 AND chunk = $3 AND epoch = $4
     ON CONFLICT DO NOTHING`,
    [seal.generation, seal.partition, seal.chunk, seal.epoch, reason],
  );
  return rowCount === 1;
}
