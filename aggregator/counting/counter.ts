// What counts a partition's records for its loop. There are two: plain-counter.ts is the rules of core/partition-state.ts and
// nothing else; fast-counter.ts counts ordinary events from the record's bytes. Whatever the log holds, both decide alike and
// give the same rows (fast-counter.test.ts), so that owners may differ in which of them they use.
import type { MetersByType } from '../../domain/metering/meter-reading.ts';
import type { InsertBody } from '../../platform/clickhouse/native-block.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import type { DedupIndex } from '../core/dedup-index.ts';
import type { Chunk, GenerationRules, PartitionInput, RejectedEvent, SealedPosition } from '../core/partition-state.ts';
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

export interface Counter {
  readonly chunk: Omit<Chunk, 'rollUps'>;
  /** T; null before the first record. */
  readonly watermark: number | null;
  readonly catalogVersion: number;
  /** Keys remembered. */
  readonly keys: number;
  /** Memory that these take. */
  readonly keyBytes: number;
  /** Events decided since the last `takeFlush`, duplicates left out. */
  readonly pending: number;
  /** Accepted events whose window the partition's own T had already passed; set back by whoever has reported them. */
  lateForWindow: number;

  /** Whether the chunk ends before this record. */
  isCutBy(record: Pick<LogRecord, 'offset' | 'appendTime'>): boolean;
  /** Counts the record from its bytes, or returns false where it is to be decoded and given to `apply`; nothing has changed then. */
  countBytes(record: LogRecord): boolean;
  apply(input: PartitionInput): void;
  takeFlush(at: ChunkCoordinates): Flush;
  /** The chunk's roll-up rows as they were last taken. */
  rollUpRowSet(): RowSet;
  /** The next chunk starts at the record that ended this one. */
  startChunk(startOffset: number): void;
}

/** Makes the counter of a partition from where it stands. */
export type NewCounter = (
  rules: GenerationRules,
  from: SealedPosition,
  meters: MetersByType,
  index: DedupIndex,
) => Counter;
