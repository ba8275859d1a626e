// The rows of chunks in ClickHouse: written, read back before a seal, and read again for the dedup index. A row may be
// written more than once: it is named by its place in the log, so it counts once. What is sealed is not known here but
// in seal-store.ts.
import { type RowSet, wrap64 } from '../domain/sealing/row-set.ts';
import { JoinedCalls } from '../platform/calls/joined-calls.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { bodyBytes, type InsertBody, type TableColumn } from '../platform/clickhouse/native-block.ts';
import { pagePool } from '../platform/page-pool.ts';
import {
  eventChecksumSql,
  eventColumns,
  manifestColumns,
  rejectChecksumSql,
  rejectColumns,
  rollUpColumns,
  totalColumns,
} from '../platform/usage-store/chunk-tables.ts';
import { readRowsOfChunks } from './stored-rows.ts';

export interface FlushBodies {
  readonly events: InsertBody;
  readonly rollUps: InsertBody;
  readonly totals: InsertBody;
  readonly rejects: InsertBody;
  readonly manifest: InsertBody;
}

/** With so many bytes, an insert stays well below the million rows from which on it would make two parts. */
const INSERT_BYTES_MAX = 64 * 1024 * 1024;
/** How many chunks' roll-ups are read back in one query. More would make its URL longer than some 10 kB. */
const CHUNKS_READ_MAX = 500;

export interface StoredChunk {
  readonly events: RowSet;
  readonly rollUps: RowSet;
  readonly totals: RowSet;
  readonly rejects: RowSet;
}

/** Where a chunk is in its partition, and the epoch of its rows. */
interface ChunkPlace {
  readonly chunk: number;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly epoch: bigint;
}

export interface PartitionChunk extends ChunkPlace {
  readonly partition: number;
}

interface StoredRows {
  readonly count: string;
  readonly checksum: string;
}

const rowSetOf = ({ count, checksum }: StoredRows): RowSet => ({ count: Number(count), checksum: BigInt(checksum) });

/** A seal's rows, as they are compared with what is read from ClickHouse. */
export interface SealedChunk extends ChunkPlace {
  readonly events: RowSet;
}

/** A stored event as the dedup index remembers it. */
interface IndexedEvent {
  /** Words of the dedup key and of the payload hash, as DedupIndex takes them. */
  key0: number;
  key1: number;
  key2: number;
  key3: number;
  hashLow: number;
  hashHigh: number;
  /** max(T at acceptance, event time), milliseconds since the epoch. */
  liveUntil: number;
}

/** Takes the events that a dedup index is rebuilt from. */
export interface IndexedEvents {
  /** Is called with the second word of each key some time before `add`. */
  announce(key1: number): void;
  /** The event is the same object in every call, filled anew. */
  add(event: IndexedEvent): void;
  /** Is called after some hundred thousand events; they go on when it has resolved. */
  pageAdded(): Promise<void>;
}

/** About how many events are read for the index in one query: 12 MB. */
const INDEX_PAGE_EVENTS = 250_000;
/**
 * How many pages are asked for while another is added to the index. Nothing is received during that work, so with one
 * page alone the index would have to wait for the next.
 */
const INDEX_PAGES_AHEAD = 2;
/** A row of the index: key 4 words | payload hash 2 | liveUntil 2 | offset 2 | epoch 2, each low word first. */
const INDEX_ROW_BYTES = 48;
/** How far ahead of their addition rows are announced. */
const AHEAD_BYTES = 256 * INDEX_ROW_BYTES;
const WORD = 2 ** 32;
const FOLD_EVENTS = 1 << 20;

/** The seals in their order, cut into pages of `eventsMin` events or a little more. */
function pagesOf(seals: readonly SealedChunk[], eventsMin: number): SealedChunk[][] {
  const pages: SealedChunk[][] = [];
  let events = eventsMin;
  for (const seal of seals) {
    if (events >= eventsMin) {
      pages.push([]);
      events = 0;
    }
    pages.at(-1)!.push(seal);
    events += seal.events.count;
  }
  return pages;
}

/** How many flushes, at least one, fit into one insert. */
function fittingInserts(flushes: readonly (readonly FlushBodies[])[]): number {
  let bytes = 0;
  const end = flushes.findIndex((bodies, i) => {
    for (const { events, rollUps, totals, rejects } of bodies) {
      bytes += bodyBytes([...events, ...rollUps, ...totals, ...rejects]);
    }
    return i > 0 && bytes > INSERT_BYTES_MAX;
  });
  return end === -1 ? flushes.length : end;
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
  private readonly indexPageEvents: number;
  private readonly givenUp = new WeakSet<FlushBodies>();
  private readonly flushes = new JoinedCalls<readonly FlushBodies[], void>(async (flushes) => {
    await this.insertAll(flushes.flat());
    return [];
  }, fittingInserts);
  private readonly rollUpSets = new JoinedCalls<PartitionChunk, RowSet>(
    (chunks) => this.readRows('usage_rollups', chunks),
    () => CHUNKS_READ_MAX,
  );
  private readonly totalSets = new JoinedCalls<PartitionChunk, RowSet>(
    (chunks) => this.readRows('usage_totals', chunks),
    () => CHUNKS_READ_MAX,
  );

  constructor(clickhouse: ClickHouse, generation: number, indexPageEvents = INDEX_PAGE_EVENTS) {
    this.clickhouse = clickhouse;
    this.generation = generation;
    this.indexPageEvents = indexPageEvents;
  }

  /**
   * Resolves once the rows are stored. Rejects with a ClickHouseError, after which the same call may be made again.
   * Flushes that wait while another is written go into one insert, since an insert costs little more for many rows than
   * for few. Once stored, the bodies must not be read again: their memory is used for other rows.
   */
  write(bodies: readonly FlushBodies[]): Promise<void> {
    return this.flushes.add(bodies);
  }

  /**
   * Gives the memory of stored bodies back. After a failed insert it does not: the client may still be sending from
   * that memory.
   */
  private async insertAll(all: readonly FlushBodies[]): Promise<void> {
    try {
      await this.insertTables(all);
    } catch (error) {
      for (const bodies of all) this.givenUp.add(bodies);
      throw error;
    }
    for (const bodies of all) {
      if (this.givenUp.has(bodies)) continue;
      for (const body of Object.values(bodies)) pagePool.giveBack(body);
    }
  }

  private async insertTables(all: readonly FlushBodies[]): Promise<void> {
    const insert = (table: string, columns: readonly TableColumn[], bodies: readonly InsertBody[]): Promise<void> => {
      const rows = bodies.filter((body) => body.length > 0);
      return rows.length === 0 ? Promise.resolve() : this.clickhouse.insert(table, columns, rows.flat());
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
        'usage_totals',
        totalColumns,
        all.map(({ totals }) => totals),
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

  /**
   * What is stored of a chunk under exactly this epoch. The roll-ups of all partitions are mixed in the table, and so
   * are the totals, so the chunks that wait to be read back are read in one query of each.
   */
  async readBack(of: PartitionChunk): Promise<StoredChunk> {
    const { partition, epoch, startOffset, endOffset } = of;
    const params = { generation: this.generation, partition, epoch: epoch.toString(), startOffset, endOffset };
    const byOffset = `generation = {generation:UInt16} AND partition = {partition:UInt16}
      AND offset >= {startOffset:UInt64} AND offset < {endOffset:UInt64} AND epoch = {epoch:UInt64}`;
    const [events, rollUps, totals, rejects] = await Promise.all([
      this.rowSet(
        `SELECT count() AS count, ${eventChecksumSql} AS checksum FROM usage_events FINAL WHERE ${byOffset}`,
        params,
      ),
      this.rollUpSets.add(of),
      this.totalSets.add(of),
      this.rowSet(
        `SELECT count() AS count, ${rejectChecksumSql} AS checksum FROM event_rejects FINAL WHERE ${byOffset}`,
        params,
      ),
    ]);
    return { events, rollUps, totals, rejects };
  }

  private readRows(
    table: 'usage_rollups' | 'usage_totals',
    chunks: readonly PartitionChunk[],
  ): Promise<readonly RowSet[]> {
    return readRowsOfChunks(
      this.clickhouse,
      this.generation,
      table,
      chunks.map((of) => ({ ...of, revision: 0 })),
    );
  }

  private async rowSet(sql: string, params: Record<string, unknown>): Promise<RowSet> {
    const [row] = await this.clickhouse.query<StoredRows>(sql, params);
    return rowSetOf(row!);
  }

  /**
   * Reads every accepted event of the sealed chunks, in log order. Throws a ChunkMismatch where a chunk's events differ
   * from its seal: an index without one of the keys would count a duplicate.
   */
  async readIndex(partition: number, seals: readonly SealedChunk[], events: IndexedEvents): Promise<void> {
    const pages = pagesOf(seals, this.indexPageEvents);
    const read = (page: readonly SealedChunk[]): Promise<Buffer> => {
      const rows = this.readIndexPage(partition, page);
      // After an error nobody asks for the pages that are still on their way, so their errors are not reported either.
      rows.catch(() => {});
      return rows;
    };
    const coming = pages.slice(0, INDEX_PAGES_AHEAD).map(read);
    for (const [i, page] of pages.entries()) {
      const next = pages[i + INDEX_PAGES_AHEAD];
      if (next !== undefined) coming.push(read(next));
      addIndexed(partition, page, await coming.shift()!, events);
      await events.pageAdded();
    }
  }

  private readIndexPage(partition: number, seals: readonly SealedChunk[]): Promise<Buffer> {
    return this.clickhouse.queryBinary(
      `SELECT dedup_key, payload_hash, toUnixTimestamp64Milli(greatest(accepted_at, event_time)), offset, epoch
        FROM usage_events FINAL
        WHERE generation = {generation:UInt16} AND partition = {partition:UInt16}
          AND offset >= {from:UInt64} AND offset < {to:UInt64}
        ORDER BY offset, index`,
      { generation: this.generation, partition, from: seals[0]!.startOffset, to: seals.at(-1)!.endOffset },
    );
  }
}

function addIndexed(partition: number, seals: readonly SealedChunk[], rows: Buffer, events: IndexedEvents): void {
  const event: IndexedEvent = { key0: 0, key1: 0, key2: 0, key3: 0, hashLow: 0, hashHigh: 0, liveUntil: 0 };
  let at = 0;
  let count = 0;
  let checksum = 0n;
  // Sums of 32-bit words: a double holds them exactly up to two million events.
  let low = 0;
  let high = 0;
  const fold = (): void => {
    checksum = wrap64(checksum + (BigInt(high) << 32n) + BigInt(low));
    low = 0;
    high = 0;
  };
  const closeSeal = (): void => {
    const { chunk, events } = seals[at]!;
    fold();
    if (count !== events.count || checksum !== events.checksum) {
      throw new ChunkMismatch(
        partition,
        chunk,
        `${count} events with checksum ${checksum} are stored, its seal has ${events.count} with ${events.checksum}`,
      );
    }
    at++;
    count = 0;
    checksum = 0n;
  };
  const view = new DataView(rows.buffer, rows.byteOffset, rows.length);
  let endOffset = seals[0]!.endOffset;
  let epoch = Number(seals[0]!.epoch);
  for (let row = 0; row < rows.length; row += INDEX_ROW_BYTES) {
    if (row % AHEAD_BYTES === 0) {
      const end = Math.min(rows.length, row + AHEAD_BYTES);
      for (let later = row; later < end; later += INDEX_ROW_BYTES) events.announce(view.getInt32(later + 4, true));
    }
    const offset = view.getUint32(row + 32, true) + view.getUint32(row + 36, true) * WORD;
    while (offset >= endOffset) {
      closeSeal();
      endOffset = seals[at]!.endOffset;
      epoch = Number(seals[at]!.epoch);
    }
    // The seal says nothing of a row that was written under an earlier epoch.
    if (view.getUint32(row + 40, true) + view.getUint32(row + 44, true) * WORD < epoch) continue;
    event.key0 = view.getInt32(row, true);
    event.key1 = view.getInt32(row + 4, true);
    event.key2 = view.getInt32(row + 8, true);
    event.key3 = view.getInt32(row + 12, true);
    event.hashLow = view.getInt32(row + 16, true);
    event.hashHigh = view.getInt32(row + 20, true);
    event.liveUntil = view.getUint32(row + 24, true) + view.getInt32(row + 28, true) * WORD;
    count++;
    low += (event.key0 ^ event.hashLow) >>> 0;
    high += (event.key1 ^ event.hashHigh) >>> 0;
    if (count % FOLD_EVENTS === 0) fold();
    events.add(event);
  }
  while (at < seals.length) closeSeal();
}
