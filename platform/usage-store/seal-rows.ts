// Reads seals in batches of consecutive chunks of one partition: a year of them does not fit into memory.
import type { Pool, PoolClient } from 'pg';
import { nextChunkOf, partitionCounts, type SealVector, sealVectorOf } from '../../domain/sealing/seal-vector.ts';
import { readChunksSince } from './seals.ts';

export type Outcome = 'accepted' | 'duplicate' | 'conflict' | 'too_late' | 'poison';
export const outcomes: readonly Outcome[] = ['accepted', 'duplicate', 'conflict', 'too_late', 'poison'];

/** One row of chunk_seals. */
export interface SealRow {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: number;
  readonly startOffset: number;
  readonly endOffset: number;
  /** T at the chunk's end, milliseconds since the epoch. */
  readonly watermark: number;
  readonly catalogVersion: number;
  readonly catalogChanges: readonly { readonly offset: number; readonly version: number }[];
  readonly eventCount: bigint;
  readonly eventChecksum: bigint;
  readonly rollupCount: bigint;
  readonly rollupChecksum: bigint;
  readonly rejectCount: bigint;
  readonly rejectChecksum: bigint;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly tenantOutcomes: Readonly<Record<string, Partial<Record<Outcome, number>>>>;
}

export type ChunkPlace = Pick<SealRow, 'generation' | 'partition' | 'chunk'>;
export const placeOf = ({ generation, partition, chunk }: ChunkPlace): string =>
  `generation ${generation} partition ${partition} chunk ${chunk}`;

/** Chunks at or after `from` and before `to`, by generation and partition. */
export interface ChunkSpan {
  readonly from: SealVector;
  readonly to: SealVector;
}

const BATCH_CHUNKS_MAX = 500;
/** An accepted event is at most a day ahead of T; an hour more costs nothing. */
const AHEAD_MS_MAX = 25 * 3_600_000;

/**
 * The chunks below `vector` that can hold usage with event times from `from` on and before `to` (milliseconds; null: unbounded).
 * `horizonMs`: an accepted event is not older than this.
 */
export async function chunksOfTime(
  pool: Pool,
  vector: SealVector,
  { from, to, horizonMs }: { readonly from: number | null; readonly to: number | null; readonly horizonMs: number },
): Promise<ChunkSpan> {
  const first = from === null ? {} : await readChunksSince(pool, from - AHEAD_MS_MAX);
  if (to === null) return { from: first, to: vector };
  const last = await readChunksSince(pool, to + horizonMs);
  const ends = partitionCounts(vector).map((count) => ({
    ...count,
    // The chunk that reaches this T may begin below it.
    nextChunk: Math.min(count.nextChunk, nextChunkOf(last, count.generation, count.partition) + 1),
  }));
  return { from: first, to: sealVectorOf(ends) };
}

/** The seals of the span in order; each batch is of one partition. */
export async function* streamSeals(pool: Pool | PoolClient, span: ChunkSpan): AsyncIterable<readonly SealRow[]> {
  for (const { generation, partition, nextChunk } of partitionCounts(span.to)) {
    for (let from = nextChunkOf(span.from, generation, partition); from < nextChunk; ) {
      const { rows } = await pool.query<Record<string, unknown>>(
        `SELECT * FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 AND chunk >= $3 AND chunk < $4
         ORDER BY chunk LIMIT $5`,
        [generation, partition, from, nextChunk, BATCH_CHUNKS_MAX],
      );
      if (rows.length === 0) break;
      const seals = rows.map(sealOf);
      yield seals;
      from = seals.at(-1)!.chunk + 1;
    }
  }
}

function sealOf(row: Record<string, unknown>): SealRow {
  const big = (name: string): bigint => BigInt(row[name] as string);
  return {
    generation: Number(row.generation),
    partition: Number(row.partition),
    chunk: Number(row.chunk),
    epoch: Number(row.epoch),
    startOffset: Number(row.start_offset),
    endOffset: Number(row.end_offset),
    watermark: (row.watermark as Date).getTime(),
    catalogVersion: Number(row.catalog_version),
    catalogChanges: row.catalog_changes as SealRow['catalogChanges'],
    eventCount: big('event_count'),
    eventChecksum: big('event_checksum'),
    rollupCount: big('rollup_count'),
    rollupChecksum: big('rollup_checksum'),
    rejectCount: big('reject_count'),
    rejectChecksum: big('reject_checksum'),
    outcomes: Object.fromEntries(outcomes.map((name) => [name, Number(row[name])])) as SealRow['outcomes'],
    tenantOutcomes: row.tenant_outcomes as SealRow['tenantOutcomes'],
  };
}
