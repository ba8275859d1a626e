// Seals in Postgres, read in batches of consecutive chunks of one partition: a year of them does not fit into memory.
import type { Pool, PoolClient } from 'pg';
import { acceptedFrom, type Outcome, outcomes } from '../../domain/metering/event-outcome.ts';
import { nextChunkOf, partitionCounts, type SealVector, sealVectorOf } from '../../domain/sealing/seal-vector.ts';
import type { StoredSeal } from '../../domain/sealing/seals.ts';
import {
  type Column,
  instant,
  int,
  json,
  large,
  namesOf,
  nullable,
  placeholders,
  type RecordOf,
  recordOf,
  selected,
  unsigned64,
  valuesOf,
  whole,
} from '../postgres/table-columns.ts';
import { readChunksSince, revisedJoin } from './seals.ts';

const outcomeColumns = Object.fromEntries(outcomes.map((outcome) => [outcome, whole(outcome)])) as Record<
  Outcome,
  Column<number>
>;
/** Every column of tallyline.chunk_seals but the time at which it was written. */
export const sealColumns = {
  generation: int('generation'),
  partition: int('partition'),
  chunk: int('chunk'),
  epoch: large('epoch'),
  startOffset: whole('start_offset'),
  endOffset: whole('end_offset'),
  partitionTime: instant('watermark'),
  catalogVersion: int('catalog_version'),
  eventCount: whole('event_count'),
  eventChecksum: unsigned64('event_checksum'),
  rollUpCount: whole('rollup_count'),
  rollUpChecksum: unsigned64('rollup_checksum'),
  rejectCount: whole('reject_count'),
  rejectChecksum: unsigned64('reject_checksum'),
  ...outcomeColumns,
  outcomesByTenant: json<StoredSeal['outcomesByTenant']>('tenant_outcomes'),
  catalogChanges: json<StoredSeal['catalogChanges']>('catalog_changes'),
  ruleSet: int('rule_set'),
  nextRuleSet: int('next_rule_set'),
  totalsCount: nullable(whole('totals_count')),
  totalsChecksum: nullable(unsigned64('totals_checksum')),
};

/** A chunk's own seal, as the log was counted. */
export type OwnSeal = Omit<StoredSeal, 'revised'>;

function rowOf(sealed: OwnSeal): RecordOf<typeof sealColumns> {
  const { events, rollUps, totals, rejects, outcomes: counts, ...seal } = sealed;
  return {
    ...seal,
    ...counts,
    ...{ eventCount: events.count, eventChecksum: events.checksum },
    ...{ rollUpCount: rollUps.count, rollUpChecksum: rollUps.checksum },
    ...{ totalsCount: totals?.count ?? null, totalsChecksum: totals?.checksum ?? null },
    ...{ rejectCount: rejects.count, rejectChecksum: rejects.checksum },
  };
}

function ownSealOf(stored: Readonly<Record<string, unknown>>): OwnSeal {
  const { eventCount, eventChecksum, rollUpCount, rollUpChecksum, ...row } = recordOf(sealColumns, stored);
  const { rejectCount, rejectChecksum, totalsCount, totalsChecksum, ...more } = row;
  const { accepted, duplicate, conflict, too_late, poison, ...seal } = more;
  return {
    ...seal,
    events: { count: eventCount, checksum: eventChecksum },
    rollUps: { count: rollUpCount, checksum: rollUpChecksum },
    totals: totalsCount === null || totalsChecksum === null ? null : { count: totalsCount, checksum: totalsChecksum },
    rejects: { count: rejectCount, checksum: rejectChecksum },
    outcomes: { accepted, duplicate, conflict, too_late, poison },
  };
}

/** Every column of tallyline.recount_seals but its place and the time at which it was written. */
const revisedColumns = {
  number: nullable(whole('number')),
  revision: nullable(int('revision')),
  revisedEpoch: nullable(large('epoch')),
  revisedCount: nullable(whole('rollup_count')),
  revisedChecksum: nullable(unsigned64('rollup_checksum')),
  revisedTotalsCount: nullable(whole('totals_count')),
  revisedTotalsChecksum: nullable(unsigned64('totals_checksum')),
};

/** With the rows that count of a recounted chunk. */
function sealOf(stored: Readonly<Record<string, unknown>>): StoredSeal {
  const own = ownSealOf(stored);
  const { number, revision, revisedEpoch: epoch, ...rows } = recordOf(revisedColumns, stored);
  if (number === null) return { ...own, revised: null };
  return {
    ...own,
    revised: { number, revision: revision!, epoch: epoch! },
    rollUps: { count: rows.revisedCount!, checksum: rows.revisedChecksum! },
    totals: { count: rows.revisedTotalsCount!, checksum: rows.revisedTotalsChecksum! },
  };
}

export async function insertSeal(client: PoolClient, seal: OwnSeal): Promise<void> {
  await client.query(
    `INSERT INTO tallyline.chunk_seals (${namesOf(sealColumns)}) VALUES (${placeholders(sealColumns)})`,
    valuesOf(sealColumns, rowOf(seal)),
  );
}

/** Chunks at or after `from` and before `to`, by generation and partition. */
export interface ChunkSpan {
  readonly from: SealVector;
  readonly to: SealVector;
}

const BATCH_CHUNKS_MAX = 500;

/**
 * The chunks below `vector` that can hold usage with event times from `from` on and before `to` (milliseconds; null:
 * unbounded). `horizonMs`: an accepted event is not older than this.
 */
export async function chunksOfTime(
  pool: Pool,
  vector: SealVector,
  { from, to, horizonMs }: { readonly from: number | null; readonly to: number | null; readonly horizonMs: number },
): Promise<ChunkSpan> {
  const first = from === null ? {} : await readChunksSince(pool, acceptedFrom(from));
  if (to === null) return { from: first, to: vector };
  const last = await readChunksSince(pool, to + horizonMs);
  const ends = partitionCounts(vector).map((count) => ({
    ...count,
    // The chunk that reaches this T may begin below it.
    nextChunk: Math.min(count.nextChunk, nextChunkOf(last, count.generation, count.partition) + 1),
  }));
  return { from: first, to: sealVectorOf(ends) };
}

const NEWEST = String(2n ** 63n - 1n);

/** The seals of the span in order, each with the revision that counts now; each batch is of one partition. */
export async function* streamSeals(pool: Pool | PoolClient, span: ChunkSpan): AsyncIterable<readonly StoredSeal[]> {
  for (const { generation, partition, nextChunk } of partitionCounts(span.to)) {
    for (let from = nextChunkOf(span.from, generation, partition); from < nextChunk; ) {
      const { rows } = await pool.query(
        `SELECT ${selected(sealColumns, 'seal')}, ${selected(revisedColumns, 'revised')}
         FROM tallyline.chunk_seals seal ${revisedJoin(NEWEST)}
         WHERE seal.generation = $1 AND seal.partition = $2 AND seal.chunk >= $3 AND seal.chunk < $4
         ORDER BY seal.chunk LIMIT $5`,
        [generation, partition, from, nextChunk, BATCH_CHUNKS_MAX],
      );
      if (rows.length === 0) break;
      const seals = rows.map(sealOf);
      yield seals;
      from = seals.at(-1)!.chunk + 1;
    }
  }
}
