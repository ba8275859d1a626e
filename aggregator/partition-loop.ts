// The life of one partition at its owner. With core/partition-state.ts this is the whole exactly-once argument:
//
//   acquired   The epoch was raised in Postgres, which fences every former owner, and the seals were read in the same
//              transaction. The dedup index is rebuilt from the events of sealed chunks, each checked against its seal,
//              and the log is read from the sealed offset on.
//   counting   Records are decided by the log alone, so replaying the open chunk under a new epoch decides the same
//              again. About every second the rows of the open chunk are written (flush): this is freshness and no
//              promise, since each row is named by its place in the log and the row of the highest epoch and version is
//              the one that counts.
//   sealing    The record that ends a chunk is there. What is stored under this epoch is read back; when it equals what
//              was decided, one Postgres transaction writes the seal and moves the partition on, if the epoch is still
//              ours. When it does not, the chunk is forgotten and replayed from the log under a new epoch, which writes
//              it all again. Chunks that end within the same fetch of records are written together and sealed one after
//              the other, so that an owner that has fallen behind waits once for many chunks and not once for each.
//   lost       Another owner raised the epoch, or the partition was revoked. Memory is dropped; nothing is undone,
//              because nothing unsealed was ever promised.
//
//   acquired -> counting <-> sealing -> lost
//
// Rejected: insert deduplication tokens of ClickHouse. The token is stored before the part is published, so a kill
// between the two makes the retry do nothing, and no error says so: 4 flushes lost in 1,000 kills, none with rows named
// by their place.
import type { Logger } from 'pino';
import { EVENT_TIME_AHEAD_MAX_MS } from '../domain/metering/event-outcome.ts';
import { UnknownRuleSet } from '../domain/metering/rule-set.ts';
import { noRows, plusRows, type RowSet } from '../domain/sealing/row-set.ts';
import { DELAY_MAX_MS, delay, retry } from '../platform/calls/retry.ts';
import type { Timers } from '../platform/calls/timers.ts';
import { ClickHouseError, damagedPartOf } from '../platform/clickhouse/click-house.ts';
import { EventLogError, type LogRecord } from '../platform/event-log/event-log.ts';
import { isTransientPostgresError } from '../platform/postgres/transient.ts';
import type { AggregatorMetrics, MeterFigures } from './aggregator-metrics.ts';
import type { CatalogReader } from './catalog-reader.ts';
import { ChunkMismatch, type ChunkStore, type FlushBodies } from './chunk-store.ts';
import { DedupIndex, type KeySpace } from './core/dedup-index.ts';
import { type GenerationRules, totalOutcomes } from './core/partition-state.ts';
import { type ChunkCoordinates, manifestRow } from './counting/chunk-rows.ts';
import type { CountedPartition, Counter, NewCounter } from './counting/counter.ts';
import { KeyFileError } from './key-files.ts';
import { PoisonLog } from './poison-log.ts';
import type { RecordReader } from './record-reader.ts';
import {
  type Acquisition,
  ChunkUnrepairable,
  type Owner,
  PartitionLost,
  type Seal,
  type SealStore,
} from './seal-store.ts';

export interface PartitionLoopParts {
  readonly generation: number;
  readonly rules: GenerationRules;
  readonly chunks: ChunkStore;
  readonly seals: SealStore;
  readonly catalogs: CatalogReader;
  readonly records: RecordReader;
  readonly newCounter: NewCounter;
  /** What the dedup index of a partition may take; null: as much memory as it needs. */
  readonly keySpace: KeySpace | null;
  readonly metrics: AggregatorMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
  readonly timers: Timers;
  /** Names this process in partition_progress, and says what it knows. */
  readonly owner: Owner;
  readonly flushIntervalMs: number;
  readonly flushEventsMax: number;
  readonly clockLeapMaxMs: number;
  /** The first offset the log still holds and one past the last, for one partition. */
  readonly bounds: (partition: number) => Promise<{ startOffset: number; endOffset: number }>;
}

/**
 * Stored rows that differ from a seal are read so many times, since a replica may lag, before the chunk is called
 * damaged.
 */
const INDEX_READS_MAX = 5;
const LOST_DELAY_MS = 2_000;
/** The wait before a part that can't be read is tried again: somebody has to repair it, and each try may read a lot. */
const DAMAGED_DELAY_MS = 10_000;
const MISMATCH_DELAY_MAX_MS = 30_000;
/** So many chunks that have ended are sealed at once, however few events they have. */
const ENDED_CHUNKS_MAX = 16;

const equal = (a: RowSet, b: RowSet): boolean => a.count === b.count && a.checksum === b.checksum;
const print = ({ count, checksum }: RowSet): string => `${count} rows with checksum ${checksum}`;

/** What is stored of a chunk that has ended is not what was decided: a part was lost, or a replica lags. */
export class ReadBackMismatch extends Error {
  constructor(partition: number, chunk: number, what: string) {
    super(`partition ${partition} chunk ${chunk}: ${what}`);
    this.name = 'ReadBackMismatch';
  }
}

const isDecision = (error: unknown): boolean =>
  error instanceof PartitionLost ||
  error instanceof ReadBackMismatch ||
  error instanceof ChunkMismatch ||
  error instanceof ChunkUnrepairable;

/** Rows that were taken from the state and are to be written. */
interface UnwrittenRows {
  readonly bodies: FlushBodies;
  /** By the offset of its record: when a gateway received one of its events, milliseconds since the epoch. */
  readonly receivedAt: ReadonlyMap<number, number>;
}

/** A chunk that has ended and is not sealed. */
interface EndedChunk {
  readonly seal: Seal;
  readonly lateForItem: number;
  readonly meters: MeterFigures;
}

/** What one ownership holds in memory; dropped as a whole. */
interface Ownership {
  readonly epoch: bigint;
  readonly counter: Counter;
  readonly index: DedupIndex;
  /** The open chunk's rows so far. */
  events: RowSet;
  rejects: RowSet;
  flushDueAt: number;
  /** Offsets below this are in the rows taken so far. */
  flushedOffset: number;
  /** In the order of the log. */
  ended: EndedChunk[];
  /** The last rows of those chunks; earlier ones were written while the chunk was open. */
  unwritten: UnwrittenRows[];
  unwrittenEvents: number;
}

export class PartitionLoop {
  readonly partition: number;
  private readonly parts: PartitionLoopParts;
  private readonly logger: Logger;
  private readonly poison: PoisonLog;
  private readonly stopping = new AbortController();
  private ownership: Ownership | null = null;
  /** Chunks in a row that did not read back as written. */
  private mismatches = 0;

  constructor(partition: number, parts: PartitionLoopParts) {
    this.partition = partition;
    this.parts = parts;
    this.logger = parts.logger.child({ partition });
    this.poison = new PoisonLog(this.logger);
  }

  get state(): CountedPartition | null {
    return this.ownership?.counter.state ?? null;
  }

  /** By which the partition is owned; null: it is not, or is being taken over. */
  get epoch(): bigint | null {
    return this.ownership?.epoch ?? null;
  }

  private retrying<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
    return retry(work, {
      isRetriable: (error) =>
        error instanceof ClickHouseError
          ? error.retriable || error.damaged !== null
          : error instanceof EventLogError
            ? error.retriable
            : error instanceof KeyFileError || (!isDecision(error) && isTransientPostgresError(error)),
      signal: this.stopping.signal,
      timers: this.parts.timers,
      delayMaxMs: (error) => (damagedPartOf(error) === null ? DELAY_MAX_MS : DAMAGED_DELAY_MS),
      onRetry: (error, attempt, delayMs) => {
        // Once `tallyline repair` has dropped the part, the call succeeds and finds rows missing; a replay writes them
        // again.
        if (damagedPartOf(error) !== null) this.parts.metrics.chunkChecked(this.partition, false);
        this.logger.warn({ err: error, attempt, delayMs }, `${what} failed; trying again`);
      },
    });
  }

  /** Takes the partition over and returns the offset to read from. */
  async acquire(): Promise<number> {
    const { parts } = this;
    const { seals, rules } = parts;
    this.forget();
    const keysLiveMs = rules.horizonMs + EVENT_TIME_AHEAD_MAX_MS + 1000;
    for (let attempt = 1; ; attempt++) {
      const acquired = await this.retrying('acquiring the partition', () =>
        seals.acquire(this.partition, parts.owner, keysLiveMs),
      );
      if (acquired.ruleSet > parts.owner.newestRuleSet) {
        throw new UnknownRuleSet(acquired.ruleSet, parts.owner.newestRuleSet);
      }
      await this.checkLogHolds(acquired.nextOffset);
      try {
        const meters = await this.retrying('reading the catalog', () => parts.catalogs.meters(acquired.catalogVersion));
        const index = await this.retrying('reading the dedup index', () => this.readIndex(acquired));
        this.ownership = {
          epoch: acquired.epoch,
          counter: parts.newCounter(rules, acquired, meters, index),
          index,
          events: noRows,
          rejects: noRows,
          flushDueAt: this.nextFlushAt(),
          flushedOffset: acquired.nextOffset,
          ended: [],
          unwritten: [],
          unwrittenEvents: 0,
        };
        if (this.stopping.signal.aborted) this.forget();
        parts.metrics.sealed(this.partition, acquired.partitionTime);
        parts.metrics.chunkChecked(this.partition, true);
        this.logger.info(
          {
            epoch: acquired.epoch.toString(),
            nextOffset: acquired.nextOffset,
            chunk: acquired.nextChunk,
            keys: index.size,
          },
          'partition acquired',
        );
        return acquired.nextOffset;
      } catch (error) {
        if (!(error instanceof ChunkMismatch)) throw error;
        parts.metrics.chunkChecked(this.partition, false);
        if (attempt < INDEX_READS_MAX) {
          this.logger.warn({ err: error, attempt }, 'stored events differ from their seal; reading them again');
          continue;
        }
        // This is no replica that lags: the rows are gone. Where the log no longer has the events either, `reopen`
        // refuses.
        this.logger.error(
          { err: error, chunk: error.chunk },
          'sealed rows are damaged: reopening the chunk to replay it',
        );
        const { startOffset } = await this.readBounds();
        await this.retrying('reopening a damaged chunk', () =>
          seals.reopen(this.partition, error.chunk, { reason: error.message, logStartOffset: startOffset }),
        );
        attempt = 0;
      }
    }
  }

  private readBounds(): Promise<{ startOffset: number; endOffset: number }> {
    return this.retrying('reading the bounds of the log', () => this.parts.bounds(this.partition));
  }

  private async checkLogHolds(nextOffset: number): Promise<void> {
    const { startOffset, endOffset } = await this.readBounds();
    if (nextOffset < startOffset || nextOffset > endOffset) {
      throw new EventLogError(
        'offset_out_of_range',
        `partition ${this.partition} is to be read from offset ${nextOffset}, but the log holds ${startOffset} to ${endOffset}: ` +
          'records were lost or deleted before they were counted. Restore the log; do not move the offset',
      );
    }
  }

  private async readIndex({ sealed, partitionTime }: Acquisition): Promise<DedupIndex> {
    const { chunks, keySpace } = this.parts;
    if (partitionTime === null) return new DedupIndex(0, keySpace);
    const events = sealed.reduce((sum, seal) => sum + seal.events.count, 0);
    const index = new DedupIndex(events, keySpace);
    const deadBeforeSeconds = this.deadBeforeSeconds(partitionTime);
    try {
      await chunks.readIndex(this.partition, sealed, {
        announce: (key1) => index.touch(key1),
        add: ({ key0, key1, key2, key3, hashLow, hashHigh, liveUntil }) =>
          index.table.addWords(key0, key1, key2, key3, hashLow, hashHigh, liveUntil, deadBeforeSeconds),
        pageAdded: () => this.relieve(index, deadBeforeSeconds),
      });
      return index;
    } catch (error) {
      index.close();
      throw error;
    }
  }

  /** At that T, a key is dead if its liveUntil is less than this. */
  private deadBeforeSeconds(partitionTime: number): number {
    return Math.floor((partitionTime - this.parts.rules.horizonMs) / 1000);
  }

  private relieve(index: DedupIndex, deadBeforeSeconds: number): Promise<void> {
    return this.retrying('writing keys to a file', () => index.relieve(deadBeforeSeconds));
  }

  /**
   * Counts records in order. Returns undefined to go on behind them, or, after a chunk could not be sealed as it was,
   * the offset to read from again.
   */
  async count(records: readonly LogRecord[]): Promise<number | undefined> {
    try {
      await this.countOwned(records);
      return undefined;
    } catch (error) {
      this.forget();
      const { signal } = this.stopping;
      if (signal.aborted) return undefined;
      if (!(error instanceof PartitionLost || error instanceof ReadBackMismatch)) throw error;
      this.logger.warn({ err: error }, 'the open chunk is forgotten and will be replayed from the log');
      // If another member owns the partition by now, this member will be told so soon; taking it back at once would
      // only take it from the right owner. The wait also keeps a store that goes on losing rows from being asked
      // without a pause.
      const lost = error instanceof PartitionLost;
      await delay(
        lost ? LOST_DELAY_MS : Math.min(MISMATCH_DELAY_MAX_MS, 100 * 2 ** this.mismatches++),
        signal,
        this.parts.timers,
      );
      return signal.aborted ? undefined : this.acquire();
    }
  }

  private async countOwned(records: readonly LogRecord[]): Promise<void> {
    for (const record of records) {
      const { ownership } = this;
      if (ownership === null) return;
      this.checkClock(record);
      const { counter } = ownership;
      const { state } = counter;
      if (state.isCutBy(record)) {
        this.endChunk(ownership, record.offset);
        if (ownership.ended.length >= ENDED_CHUNKS_MAX) await this.sealEnded(ownership);
      }
      if (!counter.countBytes(record)) {
        const input = await this.retrying('decoding a record', () =>
          this.parts.records.read(record, state.catalogVersion),
        );
        state.apply(input);
      }
      if (counter.pending + ownership.unwrittenEvents >= this.parts.flushEventsMax) await this.flush(ownership);
    }
    const { ownership } = this;
    if (ownership === null) return;
    await this.sealEnded(ownership);
    if (this.parts.clock() >= ownership.flushDueAt) await this.flush(ownership);
    const { partitionTime } = ownership.counter.state;
    if (partitionTime !== null) await this.relieve(ownership.index, this.deadBeforeSeconds(partitionTime));
  }

  /** Throws where the log's clock is far ahead of ours. It closes windows, and a window can't be opened again. */
  private checkClock({ appendTime, offset }: LogRecord): void {
    const aheadMs = appendTime - this.parts.clock();
    if (aheadMs > this.parts.clockLeapMaxMs) {
      throw new Error(
        `record ${offset} of partition ${this.partition} was appended at ${new Date(appendTime).toISOString()}, ` +
          `${Math.round(aheadMs / 1000)} s ahead of this machine's clock: check the clocks of the brokers and of this machine`,
      );
    }
  }

  /**
   * When the next flush is due: the same moment for all partitions of the process, so that their flushes join into one
   * insert.
   */
  private nextFlushAt(): number {
    const { clock, flushIntervalMs } = this.parts;
    const now = clock();
    return flushIntervalMs === 0 ? now : now - (now % flushIntervalMs) + flushIntervalMs;
  }

  private coordinates({ epoch, counter }: Ownership): ChunkCoordinates {
    const { chunk } = counter.state;
    return {
      generation: this.parts.generation,
      partition: this.partition,
      chunk: chunk.chunk,
      epoch,
      version: epoch * 2n ** 40n + BigInt(chunk.nextOffset - chunk.startOffset),
    };
  }

  /**
   * Writes what changed since the last flush. Chunks that have ended are sealed first, so that manifests are written in
   * order.
   */
  private async flush(ownership: Ownership): Promise<void> {
    await this.sealEnded(ownership);
    const rows = this.takeRows(ownership);
    if (rows !== null) await this.write([rows]);
  }

  /** What changed in the open chunk since the last call; null: nothing. */
  private takeRows(ownership: Ownership): UnwrittenRows | null {
    const { counter } = ownership;
    const { chunk, partitionTime } = counter.state;
    ownership.flushDueAt = this.nextFlushAt();
    if (chunk.startedAt === null || partitionTime === null || chunk.nextOffset === ownership.flushedOffset) return null;
    const at = this.coordinates(ownership);
    const { events, rollUps, totals, rejects, rejected, receivedAt } = counter.takeFlush(at);
    this.poison.report(chunk.chunk, rejected);
    const bodies: FlushBodies = {
      events: events.body,
      rollUps,
      totals,
      rejects: rejects.body,
      manifest: manifestRow(at, {
        startOffset: chunk.startOffset,
        nextOffset: chunk.nextOffset,
        startedAt: chunk.startedAt,
        partitionTime,
        outcomes: totalOutcomes(chunk),
      }),
    };
    ownership.events = plusRows(ownership.events, events.rows);
    ownership.rejects = plusRows(ownership.rejects, rejects.rows);
    ownership.flushedOffset = chunk.nextOffset;
    return { bodies, receivedAt };
  }

  private async write(all: readonly UnwrittenRows[]): Promise<void> {
    if (all.length === 0) return;
    const flushed = this.parts.metrics.startFlush();
    const bodies = all.map((rows) => rows.bodies);
    await this.retrying('writing the open chunk', () => this.parts.chunks.write(bodies));
    flushed(all.flatMap(({ receivedAt }) => [...receivedAt.values()]));
  }

  /** Ends the chunk before the record at `endOffset`. It is written and sealed by `sealEnded`. */
  private endChunk(ownership: Ownership, endOffset: number): void {
    const { counter, epoch } = ownership;
    const { state } = counter;
    const { chunk } = state;
    ownership.unwrittenEvents += counter.pending;
    const rows = this.takeRows(ownership);
    if (rows !== null) ownership.unwritten.push(rows);
    ownership.ended.push({
      seal: {
        partition: this.partition,
        chunk: chunk.chunk,
        epoch,
        startOffset: chunk.startOffset,
        endOffset,
        partitionTime: state.partitionTime!,
        catalogVersion: state.catalogVersion,
        events: ownership.events,
        rollUps: counter.rollUpRowSet(),
        totals: counter.totalRowSet(),
        rejects: ownership.rejects,
        outcomes: totalOutcomes(chunk),
        outcomesByTenant: chunk.outcomesByTenant,
        catalogChanges: chunk.catalogChanges,
        ruleSet: chunk.ruleSet,
        nextRuleSet: chunk.nextRuleSet,
      },
      lateForItem: state.lateForItem,
      meters: { unread: chunk.unread, rounded: chunk.rounded },
    });
    state.lateForItem = 0;
    state.startChunk(endOffset);
    this.poison.end();
    ownership.events = noRows;
    ownership.rejects = noRows;
    ownership.flushedOffset = endOffset;
  }

  /**
   * Writes, reads back and seals the chunks that have ended. One that is not stored as decided keeps all later ones
   * unsealed.
   */
  private async sealEnded(ownership: Ownership): Promise<void> {
    const ended = ownership.ended.splice(0);
    if (ended.length === 0) return;
    ownership.unwrittenEvents = 0;
    await this.write(ownership.unwritten.splice(0));
    const checks = await Promise.allSettled(ended.map(({ seal }) => this.checkStored(seal)));
    for (const [i, { seal, lateForItem, meters }] of ended.entries()) {
      const check = checks[i]!;
      if (check.status === 'rejected') throw check.reason;
      await this.retrying('sealing the chunk', () => this.parts.seals.seal(seal));
      this.parts.metrics.sealed(this.partition, seal.partitionTime);
      this.parts.metrics.chunkChecked(this.partition, true);
      this.parts.metrics.chunkSealed(seal.outcomes, lateForItem, meters);
      this.mismatches = 0;
    }
    await this.retrying('publishing the watermark', () => this.parts.seals.publishWatermark());
  }

  /** Reads a chunk back. Throws unless what is stored under its epoch equals what was decided. */
  private async checkStored(decided: Seal): Promise<void> {
    const { chunk, epoch } = decided;
    const stored = await this.retrying('reading the chunk back', () => this.parts.chunks.readBack(decided));
    for (const table of ['events', 'rollUps', 'totals', 'rejects'] as const) {
      if (equal(decided[table], stored[table])) continue;
      // Where there is a new owner, its rows hide ours. That is no damage.
      const isOurs = await this.retrying('reading the epoch', () => this.parts.seals.isOwner(this.partition, epoch));
      if (!isOurs) throw new PartitionLost(this.partition, epoch);
      this.parts.metrics.chunkChecked(this.partition, false);
      throw new ReadBackMismatch(
        this.partition,
        chunk,
        `${print(stored[table])} of ${table} are stored under epoch ${epoch}, ${print(decided[table])} were written`,
      );
    }
  }

  /** Forgets the partition. What was not sealed is replayed by the next owner. */
  release(): void {
    this.stopping.abort();
    this.forget();
    this.parts.metrics.released(this.partition);
  }

  private forget(): void {
    this.ownership?.index.close();
    this.ownership = null;
  }
}
