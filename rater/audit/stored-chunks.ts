// What ClickHouse holds of sealed chunks, as counts and checksums that it computes itself: no row leaves it.
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { Outcome, SealRow } from './seal-rows.ts';

export interface RowSet {
  readonly count: bigint;
  /** Sum of the rows' hashes modulo 2^64. */
  readonly checksum: bigint;
}

export interface StoredChunk {
  readonly events: RowSet;
  readonly rejects: RowSet;
  readonly rollups: RowSet;
  /** Counts by outcome; null: there is no manifest. */
  readonly manifest: Readonly<Record<Outcome, number>> | null;
}

const noRows: RowSet = { count: 0n, checksum: 0n };

/**
 * Of each seal, the rows of its epoch or a later one: `seals` are of one partition, ascending by chunk, not empty, and few
 * enough for the parameters of a query (seal-rows.ts).
 */
export async function readStoredChunks(clickhouse: ClickHouse, seals: readonly SealRow[]): Promise<StoredChunk[]> {
  const [first, last] = [seals[0]!, seals.at(-1)!];
  // Epochs rise rarely, so the chunks where they do describe them all.
  const steps = seals.filter((seal, i) => seal.epoch !== seals[i - 1]?.epoch);
  const params = {
    generation: first.generation,
    partition: first.partition,
    from_offset: first.startOffset,
    to_offset: last.endOffset,
    from_chunk: first.chunk,
    to_chunk: last.chunk + 1,
    starts: seals.map((seal) => seal.startOffset),
    step_epochs: steps.map((seal) => seal.epoch),
  };
  const byOffset = async (table: string, hash: string): Promise<Map<number, RowSet>> =>
    rowSets(
      await clickhouse.query(
        `SELECT roundDown(offset, {starts:Array(UInt64)}) AS place, toString(count()) AS count,
           toString(sum(${hash})) AS checksum
         FROM ${table} FINAL
         WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
           AND offset >= {from_offset:UInt64} AND offset < {to_offset:UInt64}
           AND epoch >= transform(roundDown(offset, {steps:Array(UInt64)}), {steps:Array(UInt64)},
             {step_epochs:Array(UInt64)}, toUInt64(0))
         GROUP BY place`,
        { ...params, steps: steps.map((seal) => seal.startOffset) },
      ),
    );
  const rollups = async (): Promise<Map<number, RowSet>> =>
    rowSets(
      await clickhouse.query(
        `SELECT chunk AS place, toString(count()) AS count, toString(sum(row_hash)) AS checksum
         FROM usage_rollups FINAL
         WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
           AND chunk >= {from_chunk:UInt32} AND chunk < {to_chunk:UInt32}
           AND epoch >= transform(roundDown(chunk, {steps:Array(UInt32)}), {steps:Array(UInt32)},
             {step_epochs:Array(UInt64)}, toUInt64(0))
         GROUP BY place SETTINGS do_not_merge_across_partitions_select_final = 1`,
        { ...params, steps: steps.map((seal) => seal.chunk) },
      ),
    );
  const manifests = async (): Promise<Map<number, Record<Outcome, number>>> => {
    const rows = await clickhouse.query<Record<Outcome | 'chunk', string | number>>(
      `SELECT chunk, accepted, duplicate, conflict, too_late, poison FROM manifests FINAL
       WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
         AND chunk >= {from_chunk:UInt32} AND chunk < {to_chunk:UInt32}`,
      params,
    );
    return new Map(
      rows.map(({ chunk, ...counts }) => [
        Number(chunk),
        Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, Number(count)])) as Record<
          Outcome,
          number
        >,
      ]),
    );
  };
  // One after the other: an audit must not crowd out what it watches.
  const events = await byOffset(
    'usage_events',
    'bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash)',
  );
  const rejects = await byOffset('event_rejects', 'xxHash64(bytes)');
  const rolledUp = await rollups();
  const manifest = await manifests();
  return seals.map((seal) => ({
    events: events.get(seal.startOffset) ?? noRows,
    rejects: rejects.get(seal.startOffset) ?? noRows,
    rollups: rolledUp.get(seal.chunk) ?? noRows,
    manifest: manifest.get(seal.chunk) ?? null,
  }));
}

function rowSets(rows: readonly unknown[]): Map<number, RowSet> {
  return new Map(
    (rows as { place: string | number; count: string; checksum: string }[]).map(({ place, count, checksum }) => [
      Number(place),
      { count: BigInt(count), checksum: BigInt(checksum) },
    ]),
  );
}
