// What Postgres says of recounts, as a port: requests and how far they are, corrections, chunks that are due, seals of
// revisions. When something may be written is decided in partition-recounts.ts; the statements are in
// postgres-recount-tables.ts.
import type { MeterCorrection } from '../../domain/metering/corrections.ts';
import type { ChunkCatalog } from '../../domain/sealing/chunk-catalog.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import type { PartitionProgress } from '../seal-store.ts';

/** A recount whose chunks of a partition have not all got their correction. */
export interface OpenRecount extends MeterCorrection {
  readonly number: number;
  /** Null: its chunks of the partition are not known yet. */
  readonly chunks: { readonly next: number; readonly to: number } | null;
}

/** A sealed chunk whose newest revision is due. */
export interface DueChunk extends ChunkCatalog {
  readonly chunk: number;
  /** Of its own seal. */
  readonly sealEpoch: bigint;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly events: RowSet;
  /** All of its list, in order. */
  readonly corrections: readonly MeterCorrection[];
  /** That was sealed last; 0: none was. */
  readonly sealedRevision: number;
}

/** The seal of a revision. */
export interface RevisionSeal {
  readonly number: number;
  readonly chunk: number;
  readonly revision: number;
  readonly epoch: bigint;
  readonly rollUps: RowSet;
  readonly totals: RowSet;
  /** Slugs of the meters whose rows are not those of the revision that was sealed before. */
  readonly meters: readonly string[];
}

/** One transaction. Reads see what was committed when they are made (read committed). */
export interface RecountTransaction {
  /** Locks the partition's progress until the transaction ends, then reads it. */
  lockProgress(partition: number): Promise<(PartitionProgress & { readonly recounts: number }) | null>;
  /** Oldest first. */
  readOpen(partition: number): Promise<OpenRecount[]>;
  /**
   * The sealed chunks that can hold usage of the range, and whose first record was not read by `version` or a later
   * one, up to the one in which that took effect; from `next` up to `to`.
   */
  findChunks(partition: number, recount: OpenRecount): Promise<{ readonly next: number; readonly to: number }>;
  saveChunks(partition: number, recount: number, chunks: { readonly next: number; readonly to: number }): Promise<void>;
  /** Adds the recount to the list of each of these chunks, and makes them due. */
  appendCorrections(partition: number, recount: number, fromChunk: number, toChunk: number): Promise<void>;
  /** Of these chunks, the epochs of their own seals and how long their lists are; those that are sealed. */
  readLists(
    partition: number,
    chunks: readonly number[],
  ): Promise<readonly { readonly chunk: number; readonly sealEpoch: bigint; readonly corrections: number }[]>;
  /** Numbered one after the other, in order of their chunks. Moves the partition's recount number to the last one. */
  insertSeals(partition: number, seals: readonly RevisionSeal[]): Promise<void>;
  /** They are due no more. */
  settle(partition: number, chunks: readonly number[]): Promise<void>;
}

export interface RecountTables {
  inTransaction<Result>(work: (transaction: RecountTransaction) => Promise<Result>): Promise<Result>;
  /** Of a partition's sealed chunks, in order. */
  readDue(partition: number, chunksMax: number): Promise<DueChunk[]>;
}
