// Finds the parts of ClickHouse that are damaged, and the first chunk of each partition of the log that has rows in
// one.
import type { Pool } from 'pg';
import { acceptedFrom } from '../../../domain/metering/event-outcome.ts';
import {
  nextChunkOf,
  type PartitionCount,
  partitionCounts,
  type SealVector,
} from '../../../domain/sealing/seal-vector.ts';
import { type ClickHouse, damagedPartOf } from '../../../platform/clickhouse/click-house.ts';
import { partitionSpan } from '../../../platform/clickhouse/damage.ts';
import { quoted } from '../../../platform/clickhouse/quoted.ts';
import { readChunksSince } from '../../../platform/usage-store/seals.ts';

export const repairedTables = ['usage_events', 'usage_rollups', 'usage_totals', 'event_rejects', 'manifests'] as const;
type RepairedTable = (typeof repairedTables)[number];

export interface StoredPart {
  readonly table: RepairedTable;
  readonly part: string;
  /** As system.parts names it: 202611 is a month, 20261123 the week that begins on that day. */
  readonly partitionId: string;
}

export interface BrokenPart extends StoredPart {
  /** In ClickHouse's words. */
  readonly reason: string;
}

/** Every part of the tables that are named by their place in the log. */
export async function listParts(clickhouse: ClickHouse): Promise<StoredPart[]> {
  const rows = await clickhouse.query<{ table: RepairedTable; name: string; partition_id: string }>(
    `SELECT table, name, partition_id FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)} ORDER BY table, name`,
    { tables: repairedTables },
  );
  return rows.map(({ table, name, partition_id }) => ({ table, part: name, partitionId: partition_id }));
}

/** Reads a part as a whole; null: it is as it was written, or is no more, since it was merged. */
export async function checkPart(clickhouse: ClickHouse, part: StoredPart): Promise<BrokenPart | null> {
  const rows = await clickhouse.query<{ part_path: string; is_passed: number | boolean; message: string }>(
    `CHECK TABLE ${part.table} PART ${quoted(part.part)} SETTINGS check_query_single_value_result = 0`,
  );
  const broken = rows.find(({ is_passed }) => Number(is_passed) === 0);
  return broken === undefined ? null : { ...part, reason: broken.message };
}

/** Of these, a partition is a week of windows. */
const BY_WINDOW: ReadonlySet<RepairedTable> = new Set(['usage_rollups', 'usage_totals']);
const BY_OFFSET: ReadonlySet<RepairedTable> = new Set(['usage_events', 'event_rejects']);

/**
 * Rows of a part in this partition of its table are of chunks that end at this T or later. Milliseconds since the
 * epoch.
 */
function earliestPartitionTime({ table, partitionId }: StoredPart): number {
  const { start } = partitionSpan(partitionId)!;
  return BY_WINDOW.has(table) ? acceptedFrom(start) : start;
}

/**
 * For each partition of the log that may have rows in the part: the first chunk of them. Where the part says so itself,
 * exactly that; where it can't be read so far, by the time that its partition of the table is for. `sealed`: chunks at
 * or past it are not named.
 */
export async function firstChunksIn(
  { pool, clickhouse }: { readonly pool: Pool; readonly clickhouse: ClickHouse },
  part: StoredPart,
  sealed: SealVector,
): Promise<PartitionCount[]> {
  const named =
    (await readFirstChunks(pool, clickhouse, part)) ??
    partitionCounts(await readChunksSince(pool, earliestPartitionTime(part)));
  return named.filter(({ generation, partition, nextChunk }) => nextChunk < nextChunkOf(sealed, generation, partition));
}

/** Null: the columns that tell are damaged. `nextChunk` is the chunk itself. */
async function readFirstChunks(pool: Pool, clickhouse: ClickHouse, part: StoredPart): Promise<PartitionCount[] | null> {
  const place = BY_OFFSET.has(part.table) ? 'offset' : 'chunk';
  try {
    const rows = await clickhouse.query<{ generation: number; partition: number; first: string }>(
      `SELECT generation, partition, toString(min(${place})) AS first FROM ${part.table}
       WHERE _part = {part:String} GROUP BY generation, partition ORDER BY generation, partition`,
      { part: part.part },
    );
    return await Promise.all(
      rows.map(async ({ generation, partition, first }) => ({
        generation: Number(generation),
        partition: Number(partition),
        nextChunk: place === 'chunk' ? Number(first) : await chunkHolding(pool, generation, partition, first),
      })),
    );
  } catch (error) {
    if (damagedPartOf(error) === null) throw error;
    return null;
  }
}

/** The sealed chunk with an offset; where it is not sealed, one past the last. */
async function chunkHolding(pool: Pool, generation: number, partition: number, offset: string): Promise<number> {
  const { rows } = await pool.query<{ chunk: number }>(
    `SELECT coalesce(
       (SELECT chunk FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 AND end_offset > $3
        ORDER BY end_offset LIMIT 1),
       (SELECT next_chunk FROM tallyline.partition_progress WHERE generation = $1 AND partition = $2), 0) AS chunk`,
    [generation, partition, offset],
  );
  return rows[0]!.chunk;
}
