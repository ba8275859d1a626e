// A sample of the events of the last day, to try a catalog on. What it costs is bounded whatever is stored: the seals
// in Postgres tell which offsets the day has, some of the chunks are taken, evenly over its time, and ClickHouse reads
// their rows by its primary key, for so many seconds and so many bytes at most. Events of open chunks are no part of
// it.
import type { Pool } from 'pg';
import type { RecentEvent, RecentEvents } from '../../domain/catalog/catalog-trial.ts';
import { partitionCounts } from '../../domain/sealing/seal-vector.ts';
import type { CallTerms, ClickHouse } from '../clickhouse/click-house.ts';
import { readChunksSince } from './seals.ts';

const DAY_MS = 86_400_000;
/** Chunks of the sample, each a range of offsets in the query, and the accepted events in them. */
const CHUNKS_MAX = 500;
const SCANNED_MAX = 1_000_000;
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

interface ChunkRange {
  readonly generation: number;
  readonly partition: number;
  readonly start_offset: string;
  readonly end_offset: string;
  readonly accepted: string;
  /** Over all chunks of the day. */
  readonly chunks: string;
  readonly total: string;
}

/** Every n-th chunk of the day in the order of time, n such that neither bound is passed. */
const READ_CHUNKS = `
  WITH recent AS (
    SELECT seal.generation, seal.partition, seal.start_offset, seal.end_offset, seal.accepted,
      row_number() OVER (ORDER BY seal.watermark, seal.generation, seal.partition) - 1 AS place,
      count(*) OVER () AS chunks, sum(seal.accepted) OVER () AS total
    FROM unnest($1::int[], $2::int[], $3::int[]) AS wanted (generation, partition, from_chunk)
    JOIN tallyline.chunk_seals seal ON seal.generation = wanted.generation AND seal.partition = wanted.partition
      AND seal.chunk >= wanted.from_chunk
    WHERE seal.accepted > 0
  )
  SELECT generation, partition, start_offset, end_offset, accepted, chunks, total FROM recent
  WHERE place % greatest(ceil(chunks / $4::numeric), ceil(total / $5::numeric), 1)::bigint = 0`;

async function readChunkRanges(pool: Pool, since: number): Promise<readonly ChunkRange[]> {
  const counts = partitionCounts(await readChunksSince(pool, since));
  const { rows } = await pool.query<ChunkRange>(READ_CHUNKS, [
    counts.map(({ generation }) => generation),
    counts.map(({ partition }) => partition),
    counts.map(({ nextChunk }) => nextChunk),
    CHUNKS_MAX,
    SCANNED_MAX,
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
