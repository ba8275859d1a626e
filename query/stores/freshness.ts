// How complete an answer is. Read before the usage it is to describe, so that it never promises more than that shows.

import { type RecountedSpan, recountedSpans } from '../../domain/sealing/recount-runs.ts';
import type { SharedReading } from '../../platform/calls/shared-reading.ts';
import { damagedPartOf } from '../../platform/clickhouse/click-house.ts';
import { readUnseenParts, type UnseenPart } from '../../platform/clickhouse/lost-parts.ts';
import { readRecountRuns } from '../../platform/usage-store/seals.ts';
import { readTotalsFrom } from '../../platform/usage-store/usage-totals.ts';
import type { BillingReads, UsageReads } from './store-reads.ts';

interface PartitionFreshness {
  readonly partition: number;
  /** One past the last offset a read of usage can see. */
  readonly nextOffset: number;
  /**
   * The log's time at `nextOffset`, in milliseconds since the epoch; null before anything of the partition was counted.
   */
  readonly watermark: number | null;
}

export interface Freshness {
  /**
   * Published: up to here everything is sealed. Milliseconds since the epoch; null before the first seal of every
   * partition.
   */
  readonly watermark: number | null;
  /** In order, one for each partition of the log. */
  readonly partitions: readonly PartitionFreshness[];
  /** Their rows may be missing from what is read. */
  readonly lost: readonly UnseenPart[];
  /** As `readTotalsFrom` says. */
  readonly totalsFrom: number | null;
  /** Of which chunks the rows of a revision count. */
  readonly recounted: readonly RecountedSpan[];
}

interface ProgressRow {
  readonly published: Date | null;
  readonly generation: number | null;
  readonly partition: number | null;
  readonly next_offset: string | null;
  readonly next_chunk: number | null;
  readonly watermark: Date | null;
}

// The newest generation that has a watermark speaks for all: a generation starts when the one before it is drained.
const READ_PROGRESS = `
  SELECT published.watermark AS published, generation.generation,
    progress.partition, progress.next_offset, progress.next_chunk, progress.watermark
  FROM (SELECT 1) AS one
  LEFT JOIN (SELECT watermark FROM tallyline.published_watermark ORDER BY generation DESC LIMIT 1) AS published ON true
  LEFT JOIN (
    SELECT generation FROM tallyline.topic_generations WHERE topic_id = $1 ORDER BY generation DESC LIMIT 1
  ) AS generation ON true
  LEFT JOIN tallyline.partition_progress progress ON progress.generation = generation.generation`;

// FINAL: of an open chunk only the newest owner's manifest counts. The condition is on key columns alone.
const READ_MANIFESTS = `
  SELECT partition, toString(argMax(next_offset, chunk)) AS next_offset,
    toString(toUnixTimestamp64Milli(argMax(watermark, chunk))) AS watermark
  FROM manifests FINAL
  WHERE generation = {generation:UInt16} AND chunk >= {chunk_min:UInt32}
  GROUP BY partition`;

interface ManifestRow {
  readonly partition: number;
  readonly next_offset: string;
  readonly watermark: string;
}

const latest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);

/** None where they can't be read: what is sealed then speaks alone, and promises less. */
async function readManifests(
  clickhouse: UsageReads,
  params: Readonly<Record<string, unknown>>,
): Promise<ManifestRow[]> {
  try {
    return await clickhouse.query<ManifestRow>(READ_MANIFESTS, params);
  } catch (error) {
    if (damagedPartOf(error) === null) throw error;
    return [];
  }
}

/** What is sealed, by Postgres, and what is counted beyond it in the open chunks, by the manifests. */
export async function readFreshness(
  pool: BillingReads,
  clickhouse: UsageReads,
  log: { readonly topicId: string; readonly partitions: number },
): Promise<Freshness> {
  const [{ rows }, lost, totalsFrom, runs] = await Promise.all([
    pool.query<ProgressRow>(READ_PROGRESS, [log.topicId]),
    readUnseenParts(clickhouse),
    readTotalsFrom(pool),
    readRecountRuns(pool),
  ]);
  const generation = rows[0]?.generation ?? null;
  const sealed = new Map(rows.map((row) => [row.partition, row]));
  const manifests = new Map<number, ManifestRow>();
  if (generation !== null) {
    // A partition's open chunk is never below its next one to seal.
    const chunk_min = Math.min(...Array.from({ length: log.partitions }, (_, p) => sealed.get(p)?.next_chunk ?? 0));
    for (const manifest of await readManifests(clickhouse, { generation, chunk_min }))
      manifests.set(Number(manifest.partition), manifest);
  }
  return {
    lost,
    totalsFrom,
    recounted: recountedSpans(runs, null),
    watermark: rows[0]?.published?.getTime() ?? null,
    partitions: Array.from({ length: log.partitions }, (_, partition) => {
      const [progress, manifest] = [sealed.get(partition), manifests.get(partition)];
      return {
        partition,
        nextOffset: Math.max(Number(progress?.next_offset ?? 0), Number(manifest?.next_offset ?? 0)),
        watermark: latest(
          progress?.watermark?.getTime() ?? null,
          manifest === undefined ? null : Number(manifest.watermark),
        ),
      };
    }),
  };
}

/** An older reading promises less, never more. */
export type RecentFreshness = SharedReading<Freshness>;

/** Age of the oldest partition's last counted record, in seconds; null while a partition has none. */
export function lagSeconds(freshness: Freshness, now: number): number | null {
  const watermarks = freshness.partitions.map((partition) => partition.watermark);
  if (watermarks.length === 0 || watermarks.includes(null)) return null;
  return Math.max(0, now - Math.min(...(watermarks as number[]))) / 1_000;
}
