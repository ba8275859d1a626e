// What Postgres says of a partition: who owns it (the epoch), how far it is sealed, and the seals themselves. Every
// change is one transaction. It first locks the partition's progress and compares the epoch, so an owner that was
// replaced can change nothing, however late its call arrives. The statements are in postgres-seal-tables.ts.

import type { OutcomeCounts } from '../domain/metering/event-outcome.ts';
import type { RowSet } from '../domain/sealing/row-set.ts';
import type { SealedChunk } from './chunk-store.ts';
import type { SealedPosition } from './core/partition-state.ts';
/** Another owner has raised the partition's epoch: everything in memory is to be forgotten. */
export class PartitionLost extends Error {
  readonly partition: number;
  constructor(partition: number, epoch: bigint) {
    super(`partition ${partition} is no longer owned under epoch ${epoch}`);
    this.name = 'PartitionLost';
    this.partition = partition;
  }
}

/**
 * A damaged chunk can't be replayed, as the log no longer holds its records. Its seal, and those after it, are left
 * alone.
 */
export class ChunkUnrepairable extends Error {
  readonly partition: number;
  readonly chunk: number;
  constructor(partition: number, chunk: number, startOffset: number, logStartOffset: number) {
    super(
      `partition ${partition} chunk ${chunk} can't be replayed: it starts at offset ${startOffset}, but the log holds only what ` +
        `is at or after ${logStartOffset}. Bring the chunk's rows back from a backup or a replica of ClickHouse`,
    );
    this.name = 'ChunkUnrepairable';
    this.partition = partition;
    this.chunk = chunk;
  }
}

export interface Reopening {
  /** Kept with the seals that are taken back. */
  readonly reason: string;
  /** The first offset that the log holds of the partition. */
  readonly logStartOffset: number;
  /** The epoch of the seal that was found damaged. Where the chunk's seal has another one, nothing is done. */
  readonly sealEpoch?: bigint;
}

/** How far a partition is sealed, and the epoch of its owner. */
export interface PartitionProgress extends Omit<SealedPosition, 'ruleSet'> {
  readonly epoch: bigint;
}

/** A process that takes partitions over. */
export interface Owner {
  readonly name: string;
  /** The newest rule set that it knows. */
  readonly newestRuleSet: number;
}

/**
 * A partition as its new owner finds it, all read at one moment. A seal that is taken back later is still in `sealed`.
 */
export interface Acquisition extends PartitionProgress, SealedPosition {
  /** The seals whose events may still have a live key; ascending. */
  readonly sealed: readonly SealedChunk[];
}

export interface Seal {
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: bigint;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly partitionTime: number;
  readonly catalogVersion: number;
  readonly events: RowSet;
  readonly rollUps: RowSet;
  readonly totals: RowSet;
  readonly rejects: RowSet;
  readonly outcomes: OutcomeCounts;
  readonly outcomesByTenant: ReadonlyMap<string, OutcomeCounts>;
  readonly catalogChanges: readonly { readonly offset: number; readonly version: number }[];
  /** By which its events were read. */
  readonly ruleSet: number;
  /** By which those of the next chunk are. */
  readonly nextRuleSet: number;
}

/** What the chunk after a seal takes over from it. */
export type SealEnd = Pick<
  Seal,
  'epoch' | 'startOffset' | 'endOffset' | 'partitionTime' | 'catalogVersion' | 'nextRuleSet'
>;

/** One transaction on the tables of seals. Reads see what was committed when they are made (read committed). */
export interface SealTransaction {
  /** Locks the partition's progress until the transaction ends, then reads it. Null: there is no such partition. */
  lockProgress(partition: number): Promise<PartitionProgress | null>;
  /** `owner`: the process that has raised the epoch; absent where the owner stays. */
  saveProgress(partition: number, progress: PartitionProgress, owner?: Owner): Promise<void>;
  readSeal(partition: number, chunk: number): Promise<SealEnd | null>;
  /** The seals with T at or after `since`; ascending. */
  readSealsSince(partition: number, since: number): Promise<SealedChunk[]>;
  insertSeal(seal: Seal): Promise<void>;
  /** Moves the seals of this and all later chunks to chunk_seals_reopened. */
  takeBackSeals(partition: number, fromChunk: number, reason: string): Promise<void>;
}

/** The tables of seals of one topic generation. Every call rejects when Postgres does not answer. */
export interface SealTables {
  /**
   * Committed when `work` resolves, rolled back when it rejects. A commit that rejects may have been made all the same.
   */
  inTransaction<Result>(work: (transaction: SealTransaction) => Promise<Result>): Promise<Result>;
  readEpoch(partition: number): Promise<bigint | null>;
  /**
   * The newest rule set that the present owner of every partition knows. An owner that has not said so under its epoch,
   * as releases of before rule sets do, knows the first.
   */
  ruleSetKnownToAll(): Promise<number>;
  /**
   * Publishes min over partitions of T in the last seal, if each has one. One statement that never lowers what was
   * published, and returns it; null: nothing is published.
   */
  publishWatermark(): Promise<number | null>;
}

export class SealStore {
  private readonly tables: SealTables;
  private readonly firstRuleSet: number;

  /** `firstRuleSet`: of the first chunk of each partition. */
  constructor(tables: SealTables, firstRuleSet: number) {
    this.tables = tables;
    this.firstRuleSet = firstRuleSet;
  }

  /**
   * Raises the epoch, which fences every former owner, and returns where the partition stands. `keysLiveMs`: a chunk
   * that ended longer than this before T holds no key that is still alive.
   */
  acquire(partition: number, owner: Owner, keysLiveMs: number): Promise<Acquisition> {
    return this.tables.inTransaction(async (transaction) => {
      const before = await transaction.lockProgress(partition);
      if (before === null) throw new Error(`the topic generation has no partition ${partition}`);
      const { partitionTime } = before;
      const sealed =
        partitionTime === null ? [] : await transaction.readSealsSince(partition, partitionTime - keysLiveMs);
      const last = before.nextChunk === 0 ? null : await transaction.readSeal(partition, before.nextChunk - 1);
      const progress: PartitionProgress = { ...before, epoch: before.epoch + 1n };
      await transaction.saveProgress(partition, progress, owner);
      return { ...progress, sealed, ruleSet: last === null ? this.firstRuleSet : last.nextRuleSet };
    });
  }

  /**
   * Writes the seal and moves the partition on, in one transaction. Throws PartitionLost where the partition is not
   * ours at this offset. A failure of unknown outcome may be retried: a seal that is already there under this epoch is
   * ours.
   */
  async seal(seal: Seal): Promise<void> {
    const { partition, chunk, epoch } = seal;
    await this.tables.inTransaction(async (transaction) => {
      const before = await transaction.lockProgress(partition);
      if (before === null || before.epoch !== epoch) throw new PartitionLost(partition, epoch);
      if (before.nextOffset === seal.endOffset) {
        const there = await transaction.readSeal(partition, chunk);
        if (there !== null && there.epoch === epoch) return;
      }
      if (before.nextOffset !== seal.startOffset) throw new PartitionLost(partition, epoch);
      await transaction.saveProgress(partition, {
        epoch,
        nextOffset: seal.endOffset,
        nextChunk: chunk + 1,
        partitionTime: seal.partitionTime,
        catalogVersion: seal.catalogVersion,
      });
      await transaction.insertSeal(seal);
    });
  }

  async isOwner(partition: number, epoch: bigint): Promise<boolean> {
    return (await this.tables.readEpoch(partition)) === epoch;
  }

  /** The newest rule set that the present owner of every partition knows. */
  ruleSetKnownToAll(): Promise<number> {
    return this.tables.ruleSetKnownToAll();
  }

  /** Publishes min over partitions of T in the last seal; what was published never goes back. Returns it. */
  publishWatermark(): Promise<number | null> {
    return this.tables.publishWatermark();
  }

  /**
   * Takes back the seal of a damaged chunk and of every later one, so that the next owner replays them from the log.
   * The seals are kept in chunk_seals_reopened. The published watermark stays. False: there is no such seal (any more).
   * Throws ChunkUnrepairable, with nothing changed, where the log can't give the chunk's records again.
   */
  async reopen(partition: number, chunk: number, { reason, logStartOffset, sealEpoch }: Reopening): Promise<boolean> {
    return this.tables.inTransaction(async (transaction) => {
      const progress = await transaction.lockProgress(partition);
      const damaged = await transaction.readSeal(partition, chunk);
      if (progress === null || damaged === null) return false;
      if (sealEpoch !== undefined && damaged.epoch !== sealEpoch) return false;
      if (damaged.startOffset < logStartOffset) {
        throw new ChunkUnrepairable(partition, chunk, damaged.startOffset, logStartOffset);
      }
      const before = chunk === 0 ? null : await transaction.readSeal(partition, chunk - 1);
      await transaction.takeBackSeals(partition, chunk, reason);
      await transaction.saveProgress(partition, {
        epoch: progress.epoch + 1n,
        nextOffset: damaged.startOffset,
        nextChunk: chunk,
        partitionTime: before?.partitionTime ?? null,
        catalogVersion: before?.catalogVersion ?? 0,
      });
      return true;
    });
  }
}
