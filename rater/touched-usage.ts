// Finds the usage a step has to look at: windows that closed since the last step, and closed windows that got more usage.
// It may name too much (rows of open chunks, rows that were replaced), never too little: rating decides, this only points.
import type { Meter } from '../domain/catalog.ts';
import { windowSizeMs } from '../domain/time-window.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { nextChunkOf, partitionCounts, type SealVector } from '../platform/usage-store/seal-vector.ts';
import { PARTITION_KEY_SQL, partitionKey } from '../platform/usage-store/sealed-rows.ts';
import { boundSeconds } from '../platform/usage-store/usage-query.ts';
import type { RaterProgress } from './rater-progress.ts';

/** The window starts before which the windows of a meter are closed; milliseconds, exclusive. */
export function closedBefore(meter: Meter, closedUpTo: number): number {
  return closedUpTo - windowSizeMs[meter.window] + 1;
}

export interface TouchedQuery {
  readonly meters: readonly Meter[];
  readonly from: Pick<RaterProgress, 'sealVector' | 'closedUpTo'>;
  readonly to: { readonly sealVector: SealVector; readonly closedUpTo: number };
}

/** By tenant and subject, the starts of the windows to look at. */
export type TouchedWindows = Map<string, Map<string, Set<number>>>;

export function touch(touched: TouchedWindows, tenant: string, subject: string, time: number): void {
  let subjects = touched.get(tenant);
  if (subjects === undefined) {
    subjects = new Map();
    touched.set(tenant, subjects);
  }
  const times = subjects.get(subject);
  if (times === undefined) subjects.set(subject, new Set([time]));
  else times.add(time);
}

export async function readTouchedWindows(clickhouse: ClickHouse, query: TouchedQuery): Promise<TouchedWindows> {
  const { meters, from, to } = query;
  const touched: TouchedWindows = new Map();
  if (meters.length === 0) return touched;
  const bounds = (closedUpTo: number | null) =>
    meters.map((meter) => (closedUpTo === null ? 0 : boundSeconds(closedBefore(meter, closedUpTo))));
  const closedFrom = bounds(from.closedUpTo);
  const closedTo = bounds(to.closedUpTo);
  const params = { meters: meters.map((meter) => meter.slug), closed_from: closedFrom, closed_to: closedTo };
  const start = 'toUnixTimestamp(r.window_start)';
  const isClosed = `${start} < transform(r.meter, {meters:Array(String)}, {closed_to:Array(UInt32)}, toUInt32(0))`;

  const collect = async (condition: string, more: Readonly<Record<string, unknown>>): Promise<void> => {
    const sql = `SELECT DISTINCT r.tenant, r.subject, ${start} FROM usage_rollups AS r WHERE ${isClosed} AND ${condition}`;
    for await (const rows of clickhouse.stream(sql, { ...params, ...more })) {
      for (const [tenant, subject, seconds] of rows as [string, string, number][]) {
        touch(touched, tenant, subject, Number(seconds) * 1_000);
      }
    }
  };

  if (closedTo.some((bound, i) => bound > closedFrom[i]!)) {
    await collect(
      "r.window_start >= toDateTime({closed_min:UInt32}, 'UTC') AND " +
        `${start} >= transform(r.meter, {meters:Array(String)}, {closed_from:Array(UInt32)}, toUInt32(0))`,
      { closed_min: Math.min(...closedFrom) },
    );
  }
  const grown = partitionCounts(to.sealVector)
    .map((count) => ({ ...count, fromChunk: nextChunkOf(from.sealVector, count.generation, count.partition) }))
    .filter((count) => count.fromChunk < count.nextChunk);
  if (grown.length > 0) {
    const inRange = (bound: 'from_chunks' | 'to_chunks') =>
      `transform(${PARTITION_KEY_SQL}, {partitions:Array(UInt32)}, {${bound}:Array(UInt32)}, toUInt32(0))`;
    await collect(
      `r.chunk >= {chunk_min:UInt32} AND r.chunk >= ${inRange('from_chunks')} AND r.chunk < ${inRange('to_chunks')}`,
      {
        chunk_min: Math.min(...grown.map((count) => count.fromChunk)),
        partitions: grown.map((count) => partitionKey(count.generation, count.partition)),
        from_chunks: grown.map((count) => count.fromChunk),
        to_chunks: grown.map((count) => count.nextChunk),
      },
    );
  }
  return touched;
}
