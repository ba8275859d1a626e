// A sample of the events of the last day, to try a catalog on. What it costs is bounded whatever is stored: the seals
// in Postgres tell which offsets the day has. All of them are looked through where they hold no more than a million
// events; else blocks of chunks are, evenly over the time. ClickHouse reads their rows by its primary key, for so many
// seconds and so many bytes at most. Events of open chunks are no part of it.
import type { Pool } from 'pg';
import type { RecentEvent, RecentEvents } from '../../domain/catalog/catalog-trial.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { CallTerms, ClickHouse } from '../clickhouse/click-house.ts';
import { readChunksSince } from './seals.ts';

const DAY_MS = 86_400_000;
/** Rows that ClickHouse looks through. */
const SCANNED_MAX = 1_000_000;
/** ClickHouse reads so many rows for one of them (index_granularity): a block of chunks has about as many. */
const BLOCK_ROWS = 8_192;
/** Each is a condition that every row is held against. */
const BLOCKS_MAX = 512;
/** Events of the sample over all types; a type has as many from each hour as any other. */
const EVENTS_MAX = 20_000;
const HOURS = 25;

const terms: CallTerms = {
  timeoutMs: 20_000,
  settings: {
    priority: 3,
    // What was found by then is the sample.
    max_execution_time: 10,
    timeout_overflow_mode: 'break',
    max_result_bytes: 64_000_000,
    result_overflow_mode: 'break',
    max_memory_usage: 1_000_000_000,
  },
};

/** A block of chunks that follow each other. */
interface ChunkBlock {
  readonly generation: number;
  readonly partition: number;
  readonly start_offset: string;
  readonly end_offset: string;
  readonly accepted: string;
  /** Over all chunks of the day. */
  readonly total: string;
}

/** Every n-th block in the order of time. */
const READ_BLOCKS = `
  WITH recent AS (
    SELECT seal.*, count(*) OVER () AS chunks, sum(seal.accepted) OVER () AS total
    FROM unnest($1::int[], $2::int[], $3::int[]) AS wanted (generation, partition, from_chunk)
    JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
      AND seal.chunk >= wanted.from_chunk
    WHERE seal.accepted > 0
  ), block AS (
    SELECT generation, partition, min(start_offset) AS start_offset, max(end_offset) AS end_offset,
      sum(accepted) AS accepted, min(total) AS total, count(*) OVER () AS blocks,
      row_number() OVER (ORDER BY min(watermark), generation, partition) - 1 AS place
    FROM recent
    GROUP BY generation, partition, floor(chunk / greatest(1, ceil($5::numeric * chunks / total)))
  )
  SELECT generation, partition, start_offset, end_offset, accepted, total FROM block
  WHERE place % greatest(1, ceil(total / $4::numeric), ceil(blocks / $6::numeric)) = 0`;

async function readBlocks(pool: Pool, since: number): Promise<readonly ChunkBlock[]> {
  const counts = partitionCounts(await readChunksSince(pool, since));
  const { rows } = await pool.query<ChunkBlock>(READ_BLOCKS, [
    counts.map(({ generation }) => generation),
    counts.map(({ partition }) => partition),
    counts.map(({ nextChunk }) => nextChunk),
    SCANNED_MAX,
    BLOCK_ROWS,
    BLOCKS_MAX,
  ]);
  return rows;
}

/** Which events a sample is of. */
export interface WantedEvents {
  readonly types: readonly string[];
  /** Whose. */
  readonly tenants: TenantsOfVersion;
}

interface SampledRow extends RecentEvent {
  readonly place: string;
}

/** Rejects with a `ClickHouseError`. `now` in milliseconds since the epoch. */
export async function readRecentEvents(
  pool: Pool,
  clickhouse: ClickHouse,
  { types, tenants }: WantedEvents,
  now: number,
): Promise<RecentEvents> {
  const since = now - DAY_MS;
  const blocks = await readBlocks(pool, since);
  const accepted = Number(blocks[0]?.total ?? 0);
  const scanned = blocks.reduce((sum, block) => sum + Number(block.accepted), 0);
  if (blocks.length === 0 || types.length === 0) return { accepted, scanned, events: [] };
  const ofBlocks = blocks.map(
    ({ generation, partition, start_offset, end_offset }) =>
      `(generation = ${generation} AND partition = ${partition} AND offset >= ${start_offset} AND offset < ${end_offset})`,
  );
  const rows = await clickhouse.query<SampledRow>(
    `SELECT concat(toString(generation), '/', toString(partition), '/', toString(offset), '/', toString(index)) AS place,
       tenant, source, id, type, data
     FROM usage_events
     WHERE (${ofBlocks.join(' OR ')}) AND type IN {types:Array(String)}
       AND tenant ${'tenant' in tenants ? 'IN' : 'NOT IN'} {tenants:Array(String)}
       AND accepted_at >= fromUnixTimestamp64Milli({since:Int64})
     LIMIT ${Math.max(1, Math.floor(EVENTS_MAX / (types.length * HOURS)))} BY type, toStartOfHour(accepted_at)`,
    { types, since, tenants: 'tenant' in tenants ? [tenants.tenant] : tenants.except },
    terms,
  );
  // A row that was written again is there twice until the parts are merged.
  const events = [...new Map(rows.map((row) => [row.place, row])).values()];
  return { accepted, scanned, events };
}
