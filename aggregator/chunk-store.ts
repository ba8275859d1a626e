// The rows of chunks in ClickHouse: written as often as needed (each row is named by its place in the log, so twice is
// once), read back before a seal, and read again for the dedup index. Nothing here says what is sealed; seal-store.ts does.
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import {
  eventChecksum,
  eventChecksumSql,
  eventColumns,
  manifestColumns,
  type RowSet,
  rejectChecksumSql,
  rejectColumns,
  rollUpChecksumSql,
  rollUpColumns,
  wrap64,
} from './chunk-rows.ts';

export interface FlushBodies {
  readonly events: Buffer;
  readonly rollUps: Buffer;
  readonly rejects: Buffer;
  readonly manifest: Buffer;
}

interface WaitingFlush {
  readonly bodies: readonly FlushBodies[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Well below the million rows at which an insert would make two parts. */
const INSERT_BYTES_MAX = 64 * 1024 * 1024;

export interface StoredChunk {
  readonly events: RowSet;
  readonly rollUps: RowSet;
  readonly rejects: RowSet;
}

/** Where a chunk is in its partition, and the epoch of its rows. */
export interface ChunkPlace {
  readonly chunk: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly epoch: bigint;
}

/** The rows a seal vouches for, as they are compared with what is read again. */
export interface SealedChunk extends ChunkPlace {
  readonly events: RowSet;
}

export interface IndexedEvent {
  readonly dedupKey: Buffer;
  readonly payloadHash: bigint;
  /** max(T at acceptance, event time), milliseconds since the epoch. */
  readonly liveUntil: number;
}

/** Stored rows don't equal their seal: a stale replica, or a part that was lost. */
export class ChunkMismatch extends Error {
  readonly chunk: number;
  constructor(partition: number, chunk: number, what: string) {
    super(`partition ${partition} chunk ${chunk}: ${what}`);
    this.name = 'ChunkMismatch';
    this.chunk = chunk;
  }
}

export class ChunkStore {
  private readonly clickhouse: ClickHouse;
  private readonly generation: number;
  private readonly waiting: WaitingFlush[] = [];
  private isWriting = false;

  constructor(clickhouse: ClickHouse, generation: number) {
    this.clickhouse = clickhouse;
    this.generation = generation;
  }

  /**
   * Resolves once the rows are stored; rejects with a ClickHouseError, after which the same call may be made again. Flushes
   * of several partitions that wait while one is written go out together: an insert's cost is mostly its own.
   */
  write(bodies: readonly FlushBodies[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ bodies, resolve, reject });
      if (!this.isWriting) void this.writeWaiting();
    });
  }

  private async writeWaiting(): Promise<void> {
    this.isWriting = true;
    while (this.waiting.length > 0) {
      const flushes = this.takeWaiting();
      try {
        await this.insertAll(flushes.flatMap(({ bodies }) => bodies));
        for (const { resolve } of flushes) resolve();
      } catch (error) {
        for (const { reject } of flushes) reject(error);
      }
    }
    this.isWriting = false;
  }

  /** At least one flush, and as many as fit into one insert. */
  private takeWaiting(): WaitingFlush[] {
    let bytes = 0;
    let count = 0;
    for (const { bodies } of this.waiting) {
      for (const { events, rollUps, rejects } of bodies) bytes += events.length + rollUps.length + rejects.length;
      if (count > 0 && bytes > INSERT_BYTES_MAX) break;
      count++;
    }
    return this.waiting.splice(0, count);
  }

  private async insertAll(all: readonly FlushBodies[]): Promise<void> {
    const insert = (table: string, columns: readonly string[], bodies: readonly Buffer[]): Promise<void> => {
      const rows = bodies.filter((body) => body.length > 0);
      return rows.length === 0 ? Promise.resolve() : this.clickhouse.insert(table, columns, rows);
    };
    await Promise.all([
      insert(
        'usage_events',
        eventColumns,
        all.map(({ events }) => events),
      ),
      insert(
        'usage_rollups',
        rollUpColumns,
        all.map(({ rollUps }) => rollUps),
      ),
      insert(
        'event_rejects',
        rejectColumns,
        all.map(({ rejects }) => rejects),
      ),
    ]);
    // The manifest says how fresh a read is, so it comes last.
    await insert(
      'manifests',
      manifestColumns,
      all.map(({ manifest }) => manifest),
    );
  }

  /** What is stored of a chunk under this very epoch. */
  async readBack(of: ChunkPlace & { readonly partition: number }): Promise<StoredChunk> {
    const { partition, chunk, epoch, startOffset, endOffset } = of;
    const params = { generation: this.generation, partition, chunk, epoch: epoch.toString(), startOffset, endOffset };
    const byOffset = `generation = {generation:UInt16} AND partition = {partition:UInt16}
      AND offset >= {startOffset:UInt64} AND offset < {endOffset:UInt64} AND epoch = {epoch:UInt64}`;
    const [events, rollUps, rejects] = await Promise.all([
      this.rowSet(
        `SELECT count() AS count, ${eventChecksumSql} AS checksum FROM usage_events FINAL WHERE ${byOffset}`,
        params,
      ),
      this.rowSet(
        `SELECT count() AS count, ${rollUpChecksumSql} AS checksum FROM usage_rollups FINAL
          WHERE generation = {generation:UInt16} AND partition = {partition:UInt16} AND chunk = {chunk:UInt32}
          AND epoch = {epoch:UInt64}`,
        params,
      ),
      this.rowSet(
        `SELECT count() AS count, ${rejectChecksumSql} AS checksum FROM event_rejects FINAL WHERE ${byOffset}`,
        params,
      ),
    ]);
    return { events, rollUps, rejects };
  }

  private async rowSet(sql: string, params: Record<string, unknown>): Promise<RowSet> {
    const [row] = await this.clickhouse.query<{ count: string; checksum: string }>(sql, params);
    return { count: Number(row!.count), checksum: BigInt(row!.checksum) };
  }

  /**
   * Every accepted event of the sealed chunks, in log order. Throws a ChunkMismatch unless what was read equals the seals,
   * chunk by chunk: an index with a key missing would count a duplicate.
   */
  async readIndex(
    partition: number,
    seals: readonly SealedChunk[],
    each: (event: IndexedEvent) => void,
  ): Promise<void> {
    if (seals.length === 0) return;
    const batches = this.clickhouse.stream(
      `SELECT hex(dedup_key), toString(payload_hash), toUnixTimestamp64Milli(greatest(accepted_at, event_time)),
          offset, toString(epoch)
        FROM usage_events FINAL
        WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
          AND offset >= {from:UInt64} AND offset < {to:UInt64}
        ORDER BY offset, index`,
      { generation: this.generation, partition, from: seals[0]!.startOffset, to: seals.at(-1)!.endOffset },
    );
    let at = 0;
    let count = 0;
    let checksum = 0n;
    const closeSeal = (): void => {
      const { chunk, events } = seals[at]!;
      if (count !== events.count || wrap64(checksum) !== events.checksum) {
        throw new ChunkMismatch(
          partition,
          chunk,
          `${count} events with checksum ${wrap64(checksum)} are stored, its seal has ${events.count} with ${events.checksum}`,
        );
      }
      at++;
      count = 0;
      checksum = 0n;
    };
    for await (const rows of batches) {
      for (const row of rows) {
        const [key, hash, liveUntil, offset, epoch] = row as [string, string, string, string, string];
        while (Number(offset) >= seals[at]!.endOffset) closeSeal();
        // A row of an epoch below the seal's was not vouched for.
        if (BigInt(epoch) < seals[at]!.epoch) continue;
        const dedupKey = Buffer.from(key, 'hex');
        const payloadHash = BigInt(hash);
        count++;
        checksum += eventChecksum(dedupKey, payloadHash);
        each({ dedupKey, payloadHash, liveUntil: Number(liveUntil) });
      }
    }
    while (at < seals.length) closeSeal();
  }
}
