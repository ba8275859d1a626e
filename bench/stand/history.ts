// A history that was never sent: rows as the aggregator would have left them, made by ClickHouse itself out of numbers,
// and the seals that vouch for them. Slices go in one insert each, like flushes, oldest first.
import type pg from 'pg';
import { TOTAL_GROUPS_MAX } from '../../aggregator/core/totals.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { models, operations, regions, TENANT } from '../workload/usage-stream.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

const sqlList = (values: readonly string[]): string => `[${values.map((value) => `'${value}'`).join(', ')}]`;
const seconds = (millis: number): number => Math.floor(millis / 1_000);

async function inSlices(rows: number, rowsPerInsert: number, insert: (from: number, count: number) => Promise<void>) {
  for (let from = 0; from < rows; from += rowsPerInsert) await insert(from, Math.min(rowsPerInsert, rows - from));
}

export interface RollUpHistory {
  readonly rows: number;
  readonly subjects: number;
  readonly days: number;
  /** The end of the last hour; a full hour, milliseconds since the epoch. */
  readonly until: number;
  readonly partitions: number;
  /** Default 0. A history beside what is counted lies in partitions that the log does not have: chunks must not mix. */
  readonly firstPartition?: number;
  /** How many different operations output_tokens has; default: the few that the benches send. */
  readonly operations?: number;
  readonly rowsPerInsert: number;
}

/** The nth of so many subjects: in order, and of five digits or more. */
export const subjectName = (n: number, subjects: number): string =>
  `cus_${String(n).padStart(subjectDigits(subjects), '0')}`;
const subjectDigits = (subjects: number): number => Math.max(5, String(subjects - 1).length);

/** Chunks in an hour of a partition: one every 30 s. */
const CHUNKS_PER_HOUR = 120;

const ROLL_UP_COLUMNS =
  'tenant, meter, subject, window_start, group_values, generation, partition, chunk, epoch, version, value, event_count, ' +
  'latest_event_time, latest_accepted_at, latest_offset, latest_index, unique_values, row_hash';

const TOTAL_COLUMNS =
  'tenant, meter, window_start, group_values, generation, partition, chunk, epoch, version, value, event_count, row_hash';

/** The totals of the chunks in these hours as they are now, as a flush leaves them: later ones replace them. */
const insertTotals = (clickhouse: ClickHouse, hours: { readonly from: number; readonly to: number }, version: number) =>
  clickhouse.command(
    `INSERT INTO usage_totals (${TOTAL_COLUMNS})
    SELECT tenant, meter, window_start, if(place > ${TOTAL_GROUPS_MAX}, '', group_values) AS text, generation, partition, chunk,
      1, bitShiftLeft(toUInt64(1), 40) + {version:UInt64}, sum(total), sum(events), sipHash64(text, window_start)
    FROM (
      SELECT tenant, meter, window_start, group_values, generation, partition, chunk, sum(value) AS total, sum(event_count) AS events,
        row_number() OVER (PARTITION BY tenant, meter, window_start, generation, partition, chunk ORDER BY group_values) AS place
      FROM usage_rollups WHERE window_start >= toDateTime({from:UInt32}, 'UTC') AND window_start < toDateTime({to:UInt32}, 'UTC')
      GROUP BY tenant, meter, window_start, group_values, generation, partition, chunk)
    GROUP BY tenant, meter, window_start, text, generation, partition, chunk`,
    { ...hours, version },
  );

/**
 * Rows evenly over hours, subjects, both meters, groups, partitions and chunks. Hours follow each other, as they would
 * have come.
 */
export async function insertRollUpHistory(clickhouse: ClickHouse, history: RollUpHistory): Promise<void> {
  const { rows, subjects, days, until, partitions } = history;
  const start = seconds(until - days * DAY_MS);
  const secondOf = (row: number): number => start + Math.floor((row * days * 24) / rows) * 3_600;
  await inSlices(rows, history.rowsPerInsert, async (from, count) => {
    await clickhouse.command(
      `INSERT INTO usage_rollups (${ROLL_UP_COLUMNS})
      WITH
        cityHash64(number) AS h,
        intDiv(number * {hours:UInt64}, {rows:UInt64}) AS hour,
        h % {subjects:UInt64} AS subject_number
      SELECT {tenant:String}, if(number % 2 = 0, 'input_tokens', 'output_tokens'),
        concat('cus_', leftPad(toString(subject_number), {digits:UInt8}, '0')),
        toDateTime({start:UInt32} + hour * 3600, 'UTC'),
        toJSONString([${sqlList(models)}[1 + bitShiftRight(h, 20) % ${models.length}],
         if(number % 2 = 1 AND {operations:UInt32} > 0, concat('op_', toString(bitShiftRight(h, 24) % greatest({operations:UInt32}, 1))),
           ${sqlList(operations)}[1 + bitShiftRight(h, 24) % ${operations.length}]),
         ${sqlList(regions)}[1 + subject_number % ${regions.length}]]),
        1, {firstPartition:UInt16} + bitShiftRight(h, 28) % {partitions:UInt64}, hour * ${CHUNKS_PER_HOUR} + bitShiftRight(h, 36) % ${CHUNKS_PER_HOUR},
        1, bitShiftLeft(toUInt64(1), 40) + 1024, toDecimal256(1 + bitShiftRight(h, 44) % 100000, 12), 1, 0, 0, 0, 0,
        emptyArrayString(), sipHash64(number)
      FROM numbers({from:UInt64}, {count:UInt64})`,
      {
        tenant: TENANT,
        hours: days * 24,
        rows,
        subjects,
        digits: subjectDigits(subjects),
        operations: history.operations ?? 0,
        partitions,
        firstPartition: history.firstPartition ?? 0,
        start,
        from,
        count,
      },
    );
    await insertTotals(clickhouse, { from: secondOf(from), to: secondOf(from + count - 1) + 3_600 }, from + count);
  });
}

export interface WindowHistory {
  /** Of all meters together: rows = windows * subjects * 2. */
  readonly subjects: number;
  readonly hours: number;
  /** Hours before this one are there already; default 0. */
  readonly fromHour?: number;
  readonly until: number;
  readonly partitions: number;
  readonly rowsPerInsert: number;
  /** The subjects are of so many tenants, one after the other; default 1. */
  readonly tenants?: number;
  /** True: each insert has subjects from anywhere, as those who send at the same time are. Else side by side. */
  readonly isScattered?: boolean;
  /** The published one; default: a day after the end, when all windows are closed. Milliseconds since the epoch. */
  readonly watermark?: number;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** A step that leads through all of so many numbers, each far from the one before. */
function strideOf(count: number): number {
  let stride = Math.max(1, Math.floor(count * 0.618));
  while (gcd(stride, count) !== 1) stride++;
  return stride;
}

/** One row for each subject, meter and hour: as many closed windows as rows. Chunk = hour. */
export async function insertWindowHistory(clickhouse: ClickHouse, history: WindowHistory): Promise<void> {
  const { subjects, hours, fromHour = 0, until, partitions, tenants = 1, isScattered = false } = history;
  const first = subjects * fromHour * 2;
  await inSlices(subjects * hours * 2 - first, history.rowsPerInsert, (from, count) =>
    clickhouse.command(
      `INSERT INTO usage_rollups (${ROLL_UP_COLUMNS})
      WITH intDiv(number, {subjects:UInt64}) AS rest, intDiv(rest, 2) AS hour,
        (number % {subjects:UInt64}) * {stride:UInt64} % {subjects:UInt64} AS subject_number
      SELECT concat({tenant:String}, if(subject_number % {tenants:UInt64} = 0, '', toString(subject_number % {tenants:UInt64}))), if(rest % 2 = 0, 'input_tokens', 'output_tokens'),
        concat('cus_', leftPad(toString(subject_number), 7, '0')),
        toDateTime({start:UInt32} + hour * 3600, 'UTC'), toJSONString(['m-large', 'chat', 'eu']), 1, cityHash64(number) % {partitions:UInt64},
        hour, 1, bitShiftLeft(toUInt64(1), 40) + 1024, toDecimal256(1 + cityHash64(number) % 100000, 12), 1, 0, 0, 0, 0,
        emptyArrayString(), sipHash64(number)
      FROM numbers({from:UInt64}, {count:UInt64})`,
      {
        ...{ tenant: TENANT, tenants, subjects, partitions, stride: isScattered ? strideOf(subjects) : 1 },
        ...{ start: seconds(until - hours * HOUR_MS), from: first + from, count },
      },
    ),
  );
}

export interface EventHistory {
  readonly events: number;
  readonly partition: number;
  /** Accepted evenly over the days before this time; milliseconds since the epoch. */
  readonly until: number;
  readonly days: number;
  readonly rowsPerInsert: number;
}

const HISTORY_RECORD_EVENTS = 500;
const HISTORY_CHUNK_OFFSETS = 1_024;

/** Accepted events of one partition, 500 a record. */
export async function insertEventHistory(clickhouse: ClickHouse, history: EventHistory): Promise<void> {
  const { events, partition, until, days } = history;
  await inSlices(events, history.rowsPerInsert, (from, count) =>
    clickhouse.command(
      `INSERT INTO usage_events (generation, partition, offset, index, epoch, tenant, source, id, type, subject, event_time,
         time_given, received_at, accepted_at, dedup_key, payload_hash, data)
      WITH fromUnixTimestamp64Milli({start:Int64} + intDiv(number * {span:Int64}, {events:Int64}), 'UTC') AS at
      SELECT 1, {partition:UInt16}, intDiv(number, ${HISTORY_RECORD_EVENTS}), number % ${HISTORY_RECORD_EVENTS}, 1,
        {tenant:String}, '', concat('h', leftPad(toString(number), 15, '0')), 'llm.call',
        concat('cus_', leftPad(toString(cityHash64(number) % 20000), 5, '0')), at, true, at, at,
        sipHash128(number, {partition:UInt16}), sipHash64(number),
        concat('{"model":"m-large","op":"chat","region":"eu","input":', toString(cityHash64(number) % 8000), ',"output":88}')
      FROM numbers({from:UInt64}, {count:UInt64})`,
      { tenant: TENANT, partition, events, start: until - days * DAY_MS, span: days * DAY_MS, from, count },
    ),
  );
}

interface ChunkRow {
  readonly partition: number;
  readonly chunk: number;
  readonly events: string;
  readonly event_checksum: string;
  readonly rollups: string;
  readonly rollup_checksum: string;
  readonly watermark: string;
}

async function insertSeals(
  pool: pg.Pool,
  chunks: readonly ChunkRow[],
  offsets: (row: ChunkRow) => [start: number, end: number],
): Promise<void> {
  const column = (value: (row: ChunkRow) => unknown): unknown[] => chunks.map(value);
  await pool.query(
    `INSERT INTO tallyline.chunk_seals (generation, partition, chunk, epoch, start_offset, end_offset, watermark,
       catalog_version, event_count, event_checksum, rollup_count, rollup_checksum, reject_count, reject_checksum,
       accepted, duplicate, conflict, too_late, poison, tenant_outcomes)
     SELECT 1, partition, chunk, 1, start_offset, end_offset, to_timestamp(watermark / 1000.0), 1, events, event_checksum,
       rollups, rollup_checksum, 0, 0, events, 0, 0, 0, 0, '{}'
     FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::numeric[], $8::bigint[],
       $9::numeric[]) AS t (partition, chunk, start_offset, end_offset, watermark, events, event_checksum, rollups,
       rollup_checksum)`,
    [
      column((row) => row.partition),
      column((row) => row.chunk),
      column((row) => offsets(row)[0]),
      column((row) => offsets(row)[1]),
      column((row) => row.watermark),
      column((row) => row.events),
      column((row) => row.event_checksum),
      column((row) => row.rollups),
      column((row) => row.rollup_checksum),
    ],
  );
}

/** Moves every partition behind its last seal, and publishes the watermark. */
async function setProgress(pool: pg.Pool, watermark: number): Promise<void> {
  await pool.query(
    `UPDATE tallyline.partition_progress progress SET epoch = 1, watermark = $1, catalog_version = 1,
       next_offset = coalesce((SELECT max(end_offset) FROM tallyline.chunk_seals seal WHERE seal.partition = progress.partition), 0),
       next_chunk = coalesce((SELECT max(chunk) + 1 FROM tallyline.chunk_seals seal WHERE seal.partition = progress.partition), 0)`,
    [new Date(watermark)],
  );
  await pool.query(
    `INSERT INTO tallyline.published_watermark (generation, watermark) VALUES (1, $1)
     ON CONFLICT (generation) DO UPDATE SET watermark = EXCLUDED.watermark`,
    [new Date(watermark)],
  );
}

/** Seals the chunks of a `WindowHistory` as they are stored. */
export async function sealWindowHistory(
  pool: pg.Pool,
  clickhouse: ClickHouse,
  { hours, fromHour = 0, until, partitions, watermark = until + DAY_MS }: WindowHistory,
): Promise<void> {
  const stored = await clickhouse.query<{ partition: number; chunk: number; rollups: string; checksum: string }>(
    `SELECT partition, chunk, toString(count()) AS rollups, toString(sum(row_hash)) AS checksum
     FROM usage_rollups FINAL GROUP BY partition, chunk`,
  );
  const found = new Map(stored.map((row) => [`${row.partition}/${row.chunk}`, row]));
  const chunks: ChunkRow[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    for (let chunk = fromHour; chunk < hours; chunk++) {
      const row = found.get(`${partition}/${chunk}`);
      chunks.push({
        ...{ partition, chunk, events: '0', event_checksum: '0' },
        ...{ rollups: row?.rollups ?? '0', rollup_checksum: row?.checksum ?? '0' },
        watermark: String(until - (hours - chunk - 1) * HOUR_MS),
      });
    }
  }
  await insertSeals(pool, chunks, ({ chunk }) => [chunk * 10, chunk * 10 + 10]);
  await setProgress(pool, watermark);
}

/** Seals the whole chunks of an `EventHistory`, as they are stored; returns the offset behind them. */
export async function sealEventHistory(
  pool: pg.Pool,
  clickhouse: ClickHouse,
  { partition, until }: EventHistory,
): Promise<number> {
  const chunks = await clickhouse.query<ChunkRow & { end_offset: string }>(
    `SELECT partition, toUInt32(intDiv(offset, ${HISTORY_CHUNK_OFFSETS})) AS chunk, toString(count()) AS events,
       toString(sum(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))) AS event_checksum,
       '0' AS rollups, '0' AS rollup_checksum, toString(max(offset) + 1) AS end_offset,
       toString(toUnixTimestamp64Milli(max(accepted_at))) AS watermark
     FROM usage_events FINAL WHERE partition = {partition:UInt16} GROUP BY partition, chunk ORDER BY chunk`,
    { partition },
  );
  const ends = new Map(chunks.map((row) => [row.chunk, Number(row.end_offset)]));
  await insertSeals(pool, chunks, ({ chunk }) => [chunk * HISTORY_CHUNK_OFFSETS, ends.get(chunk)!]);
  await setProgress(pool, until);
  return Math.max(0, ...ends.values());
}
