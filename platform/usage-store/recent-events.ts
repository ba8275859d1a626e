// A sample of the events of the last day, to try a catalog on. What it costs is bounded whatever is stored: the seals
// in Postgres tell which offsets the day has. All of them are looked through where they hold no more than a million
// events; else some chunks are, evenly over the time. ClickHouse reads their rows by its primary key, for so many
// seconds and so many bytes at most. Events of open chunks are no part of it.
import type { Pool } from 'pg';
import type { RecentEvent, RecentEvents } from '../../domain/catalog/catalog-trial.ts';
import { partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { CallTerms, ClickHouse } from '../clickhouse/click-house.ts';
import { readChunksSince } from './seals.ts';

const DAY_MS = 86_400_000;
/** Rows that ClickHouse looks through. */
const SCANNED_MAX = 1_000_000;
/** Of a day with more events: chunks of the sample, each a condition that every row is held against. */
const CHUNKS_MAX = 128;
/** ClickHouse reads so many rows for the first one of a chunk (index_granularity). */
const GRANULE_ROWS = 8_192;
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

/** Chunks that follow each other. */
interface ChunkRange {
  readonly generation: number;
  readonly partition: number;
  readonly start_offset: string;
  readonly end_offset: string;
  readonly accepted: string;
  /** Over all chunks of the day. */
  readonly total: string;
}

const READ_RANGES = `
  WITH recent AS (
    SELECT seal.generation, seal.partition, seal.chunk, seal.start_offset, seal.end_offset, seal.accepted,
      row_number() OVER (ORDER BY seal.watermark, seal.generation, seal.partition) - 1 AS place,
      count(*) OVER () AS chunks, sum(seal.accepted) OVER () AS total
    FROM unnest($1::int[], $2::int[], $3::int[]) AS wanted (generation, partition, from_chunk)
    JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
      AND seal.chunk >= wanted.from_chunk
    WHERE seal.accepted > 0
  ), stepped AS (
    SELECT *, CASE WHEN total <= $4 THEN 1
      ELSE greatest(ceil(chunks / $5::numeric), ceil(greatest(total, chunks * $6::numeric) / $4)) END AS step
    FROM recent
  )
  SELECT generation, partition, min(start_offset) AS start_offset, max(end_offset) AS end_offset,
    sum(accepted) AS accepted, min(total) AS total
  FROM stepped WHERE place % step = 0
  GROUP BY generation, partition, CASE WHEN step = 1 THEN 0 ELSE chunk END`;

async function readChunkRanges(pool: Pool, since: number): Promise<readonly ChunkRange[]> {
  const counts = partitionCounts(await readChunksSince(pool, since));
  const { rows } = await pool.query<ChunkRange>(READ_RANGES, [
    counts.map(({ generation }) => generation),
    counts.map(({ partition }) => partition),
    counts.map(({ nextChunk }) => nextChunk),
    SCANNED_MAX,
    CHUNKS_MAX,
    GRANULE_ROWS,
  ]);
  return rows;
}

interface SampledRow extends RecentEvent {
  readonly place: string;
}

/** Rejects with a `ClickHouseError`. `now` in milliseconds since the epoch. */
export async function readRecentEvents(
  pool: Pool,
  clickhouse: ClickHouse,
  types: readonly string[],
  now: number,
): Promise<RecentEvents> {
  const since = now - DAY_MS;
  const ranges = await readChunkRanges(pool, since);
  const accepted = Number(ranges[0]?.total ?? 0);
  const scanned = ranges.reduce((sum, range) => sum + Number(range.accepted), 0);
  if (ranges.length === 0 || types.length === 0) return { accepted, scanned, events: [] };
  const ofChunks = ranges.map(
    ({ generation, partition, start_offset, end_offset }) =>
      `(generation = ${generation} AND partition = ${partition} AND offset >= ${start_offset} AND offset < ${end_offset})`,
  );
  const rows = await clickhouse.query<SampledRow>(
    `SELECT concat(toString(generation), '/', toString(partition), '/', toString(offset), '/', toString(index)) AS place,
       tenant, source, id, type, data
     FROM usage_events
     WHERE (${ofChunks.join(' OR ')}) AND type IN {types:Array(String)}
       AND accepted_at >= fromUnixTimestamp64Milli({since:Int64})
     LIMIT ${Math.max(1, Math.floor(EVENTS_MAX / (types.length * HOURS)))} BY type, toStartOfHour(accepted_at)`,
    { types, since },
    terms,
  );
  // A row that was written again is there twice until the parts are merged.
  const events = [...new Map(rows.map((row) => [row.place, row])).values()];
  return { accepted, scanned, events };
}
