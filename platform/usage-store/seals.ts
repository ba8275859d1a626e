// Reads what is sealed from Postgres, which alone has the say about it.

import type { Pool, PoolClient } from 'pg';
import type { RecountRun } from '../../domain/sealing/recount-runs.ts';
import {
  nextChunkOf,
  partitionCounts,
  recountsOf,
  type SealVector,
  sealVectorOf,
} from '../../domain/sealing/seal-vector.ts';
import type { ChunkSeal, EpochStep, Seals } from '../../domain/sealing/seals.ts';
import type { Queries } from '../postgres/table-columns.ts';

const RECOUNT_RUNS = `(SELECT coalesce(jsonb_agg(jsonb_build_object(
      'generation', generation, 'partition', partition, 'firstNumber', first_number, 'fromChunk', from_chunk,
      'chunks', chunks, 'revision', revision, 'epoch', epoch, 'meters', meters)
      ORDER BY generation, partition, first_number), '[]')
     FROM tallyline.recount_runs)`;

// One statement, hence one snapshot. The steps are found by hopping from epoch to epoch along the index
// chunk_seals_by_epoch: a few look-ups per owner a partition ever had, however many seals there are.
const READ_SEALS = `
  WITH RECURSIVE steps AS (
    SELECT progress.generation, progress.partition, step.chunk, step.epoch
    FROM tallyline.partition_progress progress
    CROSS JOIN LATERAL (
      SELECT chunk, epoch FROM tallyline.chunk_seals seal
      WHERE seal.generation = progress.generation AND seal.partition = progress.partition
      ORDER BY epoch, chunk LIMIT 1
    ) step
    UNION ALL
    SELECT steps.generation, steps.partition, step.chunk, step.epoch
    FROM steps
    CROSS JOIN LATERAL (
      SELECT chunk, epoch FROM tallyline.chunk_seals seal
      WHERE seal.generation = steps.generation AND seal.partition = steps.partition AND seal.epoch > steps.epoch
      ORDER BY epoch, chunk LIMIT 1
    ) step
  )
  SELECT
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'generation', generation, 'partition', partition, 'nextChunk', next_chunk, 'recounts', recounts)), '[]')
     FROM tallyline.partition_progress) AS counts,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'generation', generation, 'partition', partition, 'fromChunk', chunk, 'epoch', epoch)
      ORDER BY generation, partition, chunk), '[]')
     FROM steps) AS steps,
    ${RECOUNT_RUNS} AS runs,
    -- A generation starts when the one before it is drained, so the newest that has a watermark speaks for all.
    (SELECT watermark FROM tallyline.published_watermark ORDER BY generation DESC LIMIT 1) AS watermark`;

interface SealsRow {
  readonly counts: { generation: number; partition: number; nextChunk: number; recounts: number }[];
  readonly steps: (Omit<EpochStep, 'epoch'> & { readonly epoch: number })[];
  readonly runs: StoredRun[];
  readonly watermark: Date | null;
}

type StoredRun = Omit<RecountRun, 'epoch'> & { readonly epoch: number };
const runOf = (run: StoredRun): RecountRun => ({ ...run, epoch: BigInt(run.epoch) });

/** Of all partitions, as of now. */
export async function readRecountRuns(queries: Queries): Promise<RecountRun[]> {
  const { rows } = await queries.query<{ runs: StoredRun[] }>(`SELECT ${RECOUNT_RUNS} AS runs`);
  return rows[0]!.runs.map(runOf);
}

/** The vector of seals, their epochs and the watermark, all of one snapshot. */
export async function readSeals(queries: Queries): Promise<Seals> {
  const { rows } = await queries.query<SealsRow>(READ_SEALS);
  const { counts, steps, runs, watermark } = rows[0]!;
  return {
    vector: sealVectorOf(counts),
    epochSteps: steps.map((step) => ({ ...step, epoch: BigInt(step.epoch) })),
    recountRuns: runs.map(runOf),
    watermark: watermark?.getTime() ?? null,
  };
}

interface ChunkSealRow {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: string;
  readonly number: string | null;
  readonly revision: number;
  readonly revised_epoch: string;
  readonly rollup_count: string;
  readonly rollup_checksum: string;
}

/** Beside `seal`: the seal of the revision that counts as of a recount number, where it was recounted by then. */
export const revisedJoin = (number: string): string =>
  `LEFT JOIN LATERAL (
       SELECT * FROM tallyline.recount_seals revised WHERE revised.generation = seal.generation
         AND revised.partition = seal.partition AND revised.chunk = seal.chunk AND revised.number <= ${number}
       ORDER BY revised.number DESC LIMIT 1
     ) revised ON true`;

/**
 * The seals of the chunks that `to` covers and `from` does not, also of those that were only recounted since, in order
 * of generation, partition and chunk.
 */
export async function readChunkSeals(pool: Pool | PoolClient, from: SealVector, to: SealVector): Promise<ChunkSeal[]> {
  const counts = partitionCounts(to);
  const { rows } = await pool.query<ChunkSealRow>(
    `WITH wanted AS (
       SELECT * FROM unnest($1::int[], $2::int[], $3::int[], $4::int[], $5::bigint[], $6::bigint[])
         AS wanted (generation, partition, from_chunk, to_chunk, from_number, to_number)
     ), chunks AS (
       SELECT seal.*, wanted.to_number FROM wanted
       JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
         AND seal.chunk >= wanted.from_chunk AND seal.chunk < wanted.to_chunk
       UNION ALL
       SELECT seal.*, wanted.to_number FROM wanted
       JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
         AND seal.chunk < least(wanted.from_chunk, wanted.to_chunk) AND seal.chunk IN (
           SELECT recounted.chunk FROM tallyline.recount_seals recounted
           WHERE recounted.generation = wanted.generation AND recounted.partition = wanted.partition
             AND recounted.number > wanted.from_number AND recounted.number <= wanted.to_number)
       WHERE wanted.from_number < wanted.to_number
     )
     SELECT seal.generation, seal.partition, seal.chunk, seal.epoch,
       revised.number, revised.revision, revised.epoch AS revised_epoch,
       coalesce(revised.rollup_count, seal.rollup_count) AS rollup_count,
       coalesce(revised.rollup_checksum, seal.rollup_checksum) AS rollup_checksum
     FROM chunks seal ${revisedJoin('seal.to_number')}
     ORDER BY seal.generation, seal.partition, seal.chunk`,
    [
      counts.map((count) => count.generation),
      counts.map((count) => count.partition),
      counts.map((count) => nextChunkOf(from, count.generation, count.partition)),
      counts.map((count) => count.nextChunk),
      counts.map((count) => recountsOf(from, count.generation, count.partition)),
      counts.map((count) => count.recounts),
    ],
  );
  return rows.map((row) => ({
    generation: row.generation,
    partition: row.partition,
    chunk: row.chunk,
    epoch: BigInt(row.epoch),
    revised:
      row.number === null
        ? null
        : { number: Number(row.number), revision: row.revision, epoch: BigInt(row.revised_epoch) },
    rollUps: { count: Number(row.rollup_count), checksum: BigInt(row.rollup_checksum) },
  }));
}

/**
 * Per partition the first chunk whose watermark at its end reaches `watermark` (milliseconds), or its end where none
 * does.
 */
export async function readChunksSince(pool: Pool | PoolClient, watermark: number): Promise<SealVector> {
  const { rows } = await pool.query<{ generation: number; partition: number; nextChunk: number }>(
    // Watermarks never fall from chunk to chunk, so the first that qualifies is one before the last that does not.
    `SELECT progress.generation, progress.partition, coalesce((
       SELECT seal.chunk + 1 FROM tallyline.chunk_seals seal
       WHERE seal.generation = progress.generation AND seal.partition = progress.partition AND seal.watermark < $1
       ORDER BY seal.chunk DESC LIMIT 1), 0) AS "nextChunk"
     FROM tallyline.partition_progress progress`,
    [new Date(watermark)],
  );
  return sealVectorOf(rows);
}
