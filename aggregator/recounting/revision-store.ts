// What a recount reads and writes in ClickHouse: the stored events of sealed chunks, and the rows of their revisions.
// Rows of a revision have it in their name, so that nothing that was written before is replaced.
import type { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import { type RowSet, wrap64 } from '../../domain/sealing/row-set.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { revisedRollUpColumns, revisedTotalColumns } from '../../platform/usage-store/chunk-tables.ts';
import { type RevisedChunk, RevisionCount, type StoredEvent } from '../core/revision.ts';
import { type ChunkCoordinates, rollUpRowSet, rollUpRows, totalRows } from '../counting/chunk-rows.ts';
import { readRowsOfChunks } from '../stored-rows.ts';

/** A sealed chunk that is to be counted again. */
export interface ChunkToRevise extends RevisedChunk {
  readonly partition: number;
  readonly chunk: number;
  /** How many of its corrections there are. */
  readonly revision: number;
  /** Of its seal. */
  readonly sealEpoch: bigint;
  readonly startOffset: number;
  readonly endOffset: number;
  /** As it was sealed. */
  readonly events: RowSet;
}

export interface RevisedRows {
  readonly rollUps: RowSet;
  readonly totals: RowSet;
}

/** What is counted of a chunk, to be written; and what must be stored of it then. */
export interface CountedRevision {
  readonly of: ChunkToRevise;
  readonly count: RevisionCount;
  /** The events that it was counted from. */
  readonly events: RowSet;
}

type EventColumns = [
  ...[offset: string, index: number, epoch: string, tenant: string, subject: string, type: string],
  ...[eventTime: string, acceptedAt: string, data: string, checksum: string],
];

export class RevisionStore {
  private readonly clickhouse: ClickHouse;
  private readonly generation: number;

  constructor(clickhouse: ClickHouse, generation: number) {
    this.clickhouse = clickhouse;
    this.generation = generation;
  }

  /**
   * Counts the revision of each of these chunks, which follow each other, from its stored events of the epoch of its
   * seal or a later one. One read for all of them: it costs some milliseconds, however little it reads.
   */
  async count(
    chunks: readonly ChunkToRevise[],
    meters: ReadonlyMap<number, TenantMeters>,
  ): Promise<readonly CountedRevision[]> {
    const counted = chunks.map((of) => ({ of, count: new RevisionCount(of, meters), events: 0, checksum: 0n }));
    const rows = this.clickhouse.stream(
      `SELECT toString(offset), index, toString(epoch), tenant, subject, type,
          toString(toUnixTimestamp64Milli(event_time)), toString(toUnixTimestamp64Milli(accepted_at)), data,
          toString(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))
        FROM usage_events FINAL
        WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
          AND offset >= {start:UInt64} AND offset < {end:UInt64}
        ORDER BY offset, index`,
      {
        ...{ generation: this.generation, partition: chunks[0]!.partition },
        ...{ start: chunks[0]!.startOffset, end: chunks.at(-1)!.endOffset },
      },
    );
    let at = 0;
    for await (const batch of rows) {
      for (const row of batch as EventColumns[]) {
        const [offsetText, index, epoch, tenant, subject, type, eventTime, acceptedAt, data, checksum] = row;
        const offset = Number(offsetText);
        while (offset >= counted[at]!.of.endOffset) at++;
        const chunk = counted[at]!;
        // The seal says nothing of a row that was written under an earlier epoch.
        if (BigInt(epoch) < chunk.of.sealEpoch) continue;
        const event: StoredEvent = {
          ...{ offset, index: Number(index), tenant, subject, type, data },
          ...{ eventTime: Number(eventTime), acceptedAt: Number(acceptedAt) },
        };
        chunk.count.add(event);
        chunk.events += 1;
        chunk.checksum += BigInt(checksum);
      }
    }
    return counted.map(({ of, count, events, checksum }) => ({
      ...{ of, count },
      events: { count: events, checksum: wrap64(checksum) },
    }));
  }

  /** Writes all of it by this epoch. Resolves to what must be stored then, in the same order. */
  async write(counted: readonly CountedRevision[], epoch: bigint): Promise<readonly RevisedRows[]> {
    const rollUps: Buffer[] = [];
    const totals: Buffer[] = [];
    const written = counted.map(({ of, count: { rollUps: table } }): RevisedRows => {
      const { partition, chunk, revision } = of;
      const version = epoch * 2n ** 40n + BigInt(of.endOffset - of.startOffset);
      const at: ChunkCoordinates = { generation: this.generation, partition, chunk, epoch, version, revision };
      const [ofRollUps, ofTotals] = [table.takeDirty(), table.totals.takeDirty()];
      if (ofRollUps.length > 0) rollUps.push(...rollUpRows(at, ofRollUps));
      if (ofTotals.length > 0) totals.push(...totalRows(at, ofTotals));
      return { rollUps: rollUpRowSet(table.all()), totals: rollUpRowSet(table.totals.all()) };
    });
    if (rollUps.length > 0) await this.clickhouse.insert('usage_rollups', revisedRollUpColumns, rollUps);
    if (totals.length > 0) await this.clickhouse.insert('usage_totals', revisedTotalColumns, totals);
    return written;
  }

  /** What is stored of each chunk's revision under exactly this epoch. */
  async readBack(counted: readonly CountedRevision[], epoch: bigint): Promise<readonly RevisedRows[]> {
    const chunks = counted.map(({ of: { partition, chunk, revision } }) => ({ partition, chunk, revision, epoch }));
    const [rollUps, totals] = await Promise.all([
      readRowsOfChunks(this.clickhouse, this.generation, 'usage_rollups', chunks),
      readRowsOfChunks(this.clickhouse, this.generation, 'usage_totals', chunks),
    ]);
    return counted.map((_, i) => ({ rollUps: rollUps[i]!, totals: totals[i]! }));
  }
}
