// What ClickHouse holds of sealed chunks, as counts and checksums that it computes itself: no row leaves it.
import { type Outcome, type OutcomeCounts, outcomes } from '../../domain/metering/event-outcome.ts';
import { noRows, type RowSet } from '../../domain/sealing/row-set.ts';
import { placeOf, type StoredSeal } from '../../domain/sealing/seals.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { eventChecksumSql, rejectChecksumSql } from '../../platform/usage-store/chunk-tables.ts';
import { readSealedChunks } from '../../platform/usage-store/sealed-chunks.ts';
import { type AuditLog, unlessDamaged } from './discrepancy.ts';

/** Each undefined where it can't be read, as a part that may hold it is damaged. */
export interface AuditedChunk {
  readonly events: RowSet | undefined;
  readonly rejects: RowSet | undefined;
  readonly rollUps: RowSet | undefined;
  /** Undefined also where the seal has none. */
  readonly totals: RowSet | undefined;
  /** Counts by outcome; null: there is no manifest. */
  readonly manifest: Readonly<OutcomeCounts> | null | undefined;
}

/** A query's parameters travel in its URL, which servers bound. */
const OFFSETS_MAX = 500;

/**
 * Of each seal, the rows of its epoch or a later one. Seals in order of generation, partition and chunk. Roll-ups are
 * not sorted by chunk, so looking for them is a scan, however many seals there are: give it many at a time. Damage is
 * told to `log`.
 */
export async function readStoredChunks(
  clickhouse: ClickHouse,
  seals: readonly StoredSeal[],
  log: AuditLog,
): Promise<AuditedChunk[]> {
  if (seals.length === 0) return [];
  // One after the other: an audit must not crowd out what it watches.
  const span = `${placeOf(seals[0]!)} to ${placeOf(seals.at(-1)!)}, usage_rollups`;
  const rollups = await unlessDamaged(log, span, () => readSealedChunks(clickhouse, seals));
  const totals = await readTotals(clickhouse, seals, log);
  const stored: AuditedChunk[] = [];
  for (let from = 0; from < seals.length; ) {
    const { generation, partition } = seals[from]!;
    let to = from + 1;
    while (to < seals.length && to - from < OFFSETS_MAX && isOf(seals[to]!, generation, partition)) to += 1;
    for (const each of await readByOffset(clickhouse, seals.slice(from, to), log)) {
      stored.push({
        ...each,
        rollUps: rollups?.[stored.length],
        totals: totals.get(seals[stored.length]!),
      });
    }
    from = to;
  }
  return stored;
}

/** Of those that have any. */
async function readTotals(
  clickhouse: ClickHouse,
  seals: readonly StoredSeal[],
  log: AuditLog,
): Promise<ReadonlyMap<StoredSeal, RowSet>> {
  const withTotals = seals.filter(({ totals }) => totals !== null);
  if (withTotals.length === 0) return new Map();
  const span = `${placeOf(withTotals[0]!)} to ${placeOf(withTotals.at(-1)!)}, usage_totals`;
  const found = await unlessDamaged(log, span, () => readSealedChunks(clickhouse, withTotals, 'usage_totals'));
  return new Map(found === null ? [] : withTotals.map((seal, i) => [seal, found[i]!]));
}

const isOf = (seal: StoredSeal, generation: number, partition: number): boolean =>
  seal.generation === generation && seal.partition === partition;

/** Seals of one partition. */
async function readByOffset(
  clickhouse: ClickHouse,
  seals: readonly StoredSeal[],
  log: AuditLog,
): Promise<Omit<AuditedChunk, 'rollUps' | 'totals'>[]> {
  const [first, last] = [seals[0]!, seals.at(-1)!];
  const ofTable = (table: string): string => `${placeOf(first)} to chunk ${last.chunk}, ${table}`;
  // Epochs rise rarely, so the chunks where they do describe them all.
  const steps = seals.filter((seal, i) => seal.epoch !== seals[i - 1]?.epoch);
  const params = {
    generation: first.generation,
    partition: first.partition,
    from_offset: first.startOffset,
    to_offset: last.endOffset,
    starts: seals.map((seal) => seal.startOffset),
    steps: steps.map((seal) => seal.startOffset),
    step_epochs: steps.map((seal) => seal.epoch),
  };
  const rowSets = async (table: string, checksumSql: string): Promise<Map<number, RowSet> | null> => {
    const read = () =>
      clickhouse.query<{ place: string | number; count: string; checksum: string }>(
        `SELECT roundDown(offset, {starts:Array(UInt64)}) AS place, toString(count()) AS count, toString(${checksumSql}) AS checksum
       FROM ${table} FINAL
       WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
         AND offset >= {from_offset:UInt64} AND offset < {to_offset:UInt64}
         AND epoch >= transform(roundDown(offset, {steps:Array(UInt64)}), {steps:Array(UInt64)}, {step_epochs:Array(UInt64)}, toUInt64(0))
       GROUP BY place SETTINGS do_not_merge_across_partitions_select_final = 1`,
        params,
      );
    const rows = await unlessDamaged(log, ofTable(table), read);
    if (rows === null) return null;
    return new Map(
      rows.map((row) => [Number(row.place), { count: Number(row.count), checksum: BigInt(row.checksum) }]),
    );
  };
  const events = await rowSets('usage_events', eventChecksumSql);
  const rejects = await rowSets('event_rejects', rejectChecksumSql);
  const manifests = await unlessDamaged(log, ofTable('manifests'), () => readManifests(clickhouse, first, last));
  return seals.map((seal) => ({
    events: events === null ? undefined : (events.get(seal.startOffset) ?? noRows),
    rejects: rejects === null ? undefined : (rejects.get(seal.startOffset) ?? noRows),
    manifest: manifests === null ? undefined : (manifests.get(seal.chunk) ?? null),
  }));
}

async function readManifests(
  clickhouse: ClickHouse,
  first: StoredSeal,
  last: StoredSeal,
): Promise<Map<number, OutcomeCounts>> {
  const rows = await clickhouse.query<Record<Outcome | 'chunk', string | number>>(
    `SELECT chunk, ${outcomes.join(', ')} FROM manifests FINAL
     WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
       AND chunk >= {from_chunk:UInt32} AND chunk < {to_chunk:UInt32}`,
    {
      ...{ generation: first.generation, partition: first.partition },
      ...{ from_chunk: first.chunk, to_chunk: last.chunk + 1 },
    },
  );
  const countsOf = (row: Record<Outcome, string | number>): OutcomeCounts =>
    Object.fromEntries(outcomes.map((outcome) => [outcome, Number(row[outcome])])) as OutcomeCounts;
  return new Map(rows.map((row) => [Number(row.chunk), countsOf(row)]));
}
