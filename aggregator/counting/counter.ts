// What counts a partition's records for its loop: the rules of core/partition-state.ts, and rows made of what they decide. There are
// two compositions. plain-counter.ts has nothing else; fast-counter.ts counts ordinary events from the record's bytes. Whatever the
// log holds, both decide alike and give the same rows (fast-counter.test.ts), so owners may differ in which of them they use.
import type { MetersByType } from '../../domain/metering/meter-reading.ts';
import type { InsertBody } from '../../platform/clickhouse/native-block.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import type { DedupIndex } from '../core/dedup-index.ts';
import type { GenerationRules, PartitionState, RejectedEvent, SealedPosition } from '../core/partition-state.ts';
import type { ChunkCoordinates, RowSet } from './chunk-rows.ts';

/** Rows as the body of an insert, and what they add to the chunk's rows. */
export interface NewRows {
  readonly body: InsertBody;
  readonly rows: RowSet;
}

/** What changed since the last flush. */
export interface Flush {
  readonly events: NewRows;
  readonly rejects: NewRows;
  /** Cumulative rows, which replace earlier ones: `rollUpRowSet` says what they come to. */
  readonly rollUps: InsertBody;
  readonly rejected: readonly RejectedEvent[];
  /** By the offset of its record: when a gateway received one of the accepted events, milliseconds since the epoch. */
  readonly receivedAt: ReadonlyMap<number, number>;
}

/** Where a partition stands, and the rules for whoever gives its records to a counter. */
export type CountedPartition = Omit<PartitionState, 'rules' | 'advance' | 'decide' | 'outcomesOf'>;

export interface Counter {
  readonly state: CountedPartition;
  /** Events decided since the last `takeFlush`, duplicates left out. */
  readonly pending: number;

  /** Counts the record from its bytes, or returns false and changes nothing: then it is decoded and given to `state.apply`. */
  countBytes(record: LogRecord): boolean;
  takeFlush(at: ChunkCoordinates): Flush;
  /** The chunk's roll-up rows as they were last taken. */
  rollUpRowSet(): RowSet;
}

/** Makes the counter of a partition from where it stands. */
export type NewCounter = (
  rules: GenerationRules,
  from: SealedPosition,
  meters: MetersByType,
  index: DedupIndex,
) => Counter;
