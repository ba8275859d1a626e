// Reads what is sealed from Postgres, which alone has the say about it.

import type { Pool, PoolClient } from 'pg';
import { partitionCounts, type SealVector, sealVectorOf } from '../../domain/sealing/seal-vector.ts';
import type { ChunkSeal, EpochStep, Seals } from '../../domain/sealing/seals.ts';
import type { Queries } from '../postgres/table-columns.ts';

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
      'generation', generation, 'partition', partition, 'nextChunk', next_chunk)), '[]')
     FROM tallyline.partition_progress) AS counts,
    (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'generation', generation, 'partition', partition, 'fromChunk', chunk, 'epoch', epoch)
      ORDER BY generation, partition, chunk), '[]')
     FROM steps) AS steps,
    -- A generation starts when the one before it is drained, so the newest that has a watermark speaks for all.
    (SELECT watermark FROM tallyline.published_watermark ORDER BY generation DESC LIMIT 1) AS watermark`;

interface SealsRow {
  readonly counts: { generation: number; partition: number; nextChunk: number }[];
  readonly steps: (Omit<EpochStep, 'epoch'> & { readonly epoch: number })[];
  readonly watermark: Date | null;
}

/** The vector of seals, their epochs and the watermark, all of one snapshot. */
export async function readSeals(queries: Queries): Promise<Seals> {
  const { rows } = await queries.query<SealsRow>(READ_SEALS);
  const { counts, steps, watermark } = rows[0]!;
  return {
    vector: sealVectorOf(counts),
    epochSteps: steps.map((step) => ({ ...step, epoch: BigInt(step.epoch) })),
    watermark: watermark?.getTime() ?? null,
  };
}

interface ChunkSealRow {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: string;
  readonly rollup_count: string;
  readonly rollup_checksum: string;
}

/** The seals of the chunks that `to` covers and `from` does not, in order. */
export async function readChunkSeals(pool: Pool | PoolClient, from: SealVector, to: SealVector): Promise<ChunkSeal[]> {
  const counts = partitionCounts(to);
  const { rows } = await pool.query<ChunkSealRow>(
    `SELECT seal.generation, seal.partition, seal.chunk, seal.epoch, seal.rollup_count, seal.rollup_checksum
     FROM unnest($1::int[], $2::int[], $3::int[], $4::int[]) AS wanted (generation, partition, from_chunk, to_chunk)
     JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
       AND seal.chunk >= wanted.from_chunk AND seal.chunk < wanted.to_chunk
     ORDER BY seal.generation, seal.partition, seal.chunk`,
    [
      counts.map((count) => count.generation),
      counts.map((count) => count.partition),
      counts.map((count) => from[count.generation]?.[count.partition] ?? 0),
      counts.map((count) => count.nextChunk),
    ],
  );
  return rows.map((row) => ({
    generation: row.generation,
    partition: row.partition,
    chunk: row.chunk,
    epoch: BigInt(row.epoch),
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
