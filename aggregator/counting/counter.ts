// Counts a partition's records for its loop: decides them by the rules of core/partition-state.ts and makes rows of the
// decisions. There are two compositions. plain-counter.ts does nothing else; fast-counter.ts counts ordinary events
// from the record's bytes. Whatever the log holds, both make the same decisions and the same rows
// (fast-counter.test.ts), so each owner may use either.

import type { TenantMeters } from '../../domain/metering/tenant-meters.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import type { InsertBody } from '../../platform/clickhouse/native-block.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import type { DedupIndex } from '../core/dedup-index.ts';
import type { GenerationRules, PartitionState, RejectedEvent, SealedPosition } from '../core/partition-state.ts';
import type { ChunkCoordinates } from './chunk-rows.ts';
/** Rows as the body of an insert, and what they add to the chunk's rows. */
export interface NewRows {
  readonly body: InsertBody;
  readonly rows: RowSet;
}

/** What changed since the last flush. */
export interface Flush {
  readonly events: NewRows;
  readonly rejects: NewRows;
  /**
   * Cumulative rows: each replaces what was written of it before. `rollUpRowSet` says what is stored after all of them.
   */
  readonly rollUps: InsertBody;
  /** As roll-ups; `totalRowSet` says what is stored after all of them. */
  readonly totals: InsertBody;
  readonly rejected: readonly RejectedEvent[];
  /** By the offset of its record: when a gateway received one of the accepted events, milliseconds since the epoch. */
  readonly receivedAt: ReadonlyMap<number, number>;
}

/** Where a partition stands, and the rules that its loop needs. */
export type CountedPartition = Omit<PartitionState, 'rules' | 'advance' | 'decide' | 'outcomesOf'>;

export interface Counter {
  readonly state: CountedPartition;
  /** How many events were decided since the last `takeFlush`; duplicates are not counted. */
  readonly pending: number;

  /**
   * Counts the record from its bytes. False: nothing has changed, and the record must be decoded and given to
   * `state.apply`.
   */
  countBytes(record: LogRecord): boolean;
  takeFlush(at: ChunkCoordinates): Flush;
  /** All roll-up rows of the chunk, as they were last taken. */
  rollUpRowSet(): RowSet;
  /** All totals of the chunk, as they were last taken. */
  totalRowSet(): RowSet;
}

/** Makes the counter of a partition from where it stands. */
export type NewCounter = (
  rules: GenerationRules,
  from: SealedPosition,
  meters: TenantMeters,
  index: DedupIndex,
) => Counter;
