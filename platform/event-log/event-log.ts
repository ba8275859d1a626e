// The event log as the stages see it: a fixed number of partitions, each an append-only sequence of records with growing
// offsets and the log's own append time. Two adapters keep this contract (kafka, postgres); event-log.contract.ts tests both.

export interface LogRecord {
  /** Grows within a partition; gaps are legal. */
  readonly offset: number;
  /** Milliseconds since the epoch, by the log's clock (LogAppendTime). May step back; only its running maximum is used. */
  readonly appendTime: number;
  readonly value: Buffer;
}

export interface PartitionBounds {
  readonly partition: number;
  /** The first offset still held. */
  readonly startOffset: number;
  /** One past the last offset written. */
  readonly endOffset: number;
}

/** Called by a consumption, for one partition never concurrently. */
export interface PartitionHandler {
  /** The partition is now this member's. Returns the offset to read from, which decides alone: no committed offset is consulted. */
  assigned(partition: number): Promise<number>;
  /**
   * The next records, in order, without omission: the log halts with `EventLogError` `offset_out_of_range` rather than
   * skip one. Not called again for this partition before it resolves. Resolves with undefined to go on behind them, or with
   * the offset to go on from instead. A rejection halts the consumption (see `failed`).
   */
  records(partition: number, records: readonly LogRecord[]): Promise<number | undefined>;
  /** The partition is no longer this member's; nothing more comes for it. A zombie is fenced by epochs, not by this call. */
  revoked(partition: number): Promise<void>;
}

export interface Consumption {
  /** Rejects when the consumption can't go on (a handler rejected, an offset is gone, the topic changed). Never resolves before `stop`. */
  readonly failed: Promise<never>;
  /** Tells the group how far a partition is: advisory, for lag tools only. */
  commit(partition: number, nextOffset: number): void;
  /** Waits for running handlers, revokes every partition, leaves the group. */
  stop(): Promise<void>;
}

export interface EventLog {
  /** Names this incarnation of the topic; a topic deleted and made again has another. */
  readonly topicId: string;
  readonly partitions: number;
  /** Resolves once every value is durable on a quorum, in order. Rejects with `EventLogError` otherwise; the values may be in the log then all the same. */
  append(partition: number, values: readonly Buffer[]): Promise<void>;
  bounds(): Promise<readonly PartitionBounds[]>;
  /** Joins the consumer group and reads whatever partitions it is given. */
  consume(group: string, handler: PartitionHandler): Promise<Consumption>;
  close(): Promise<void>;
}

export type EventLogErrorCode =
  | 'unavailable'
  | 'offset_out_of_range'
  | 'topic_missing'
  | 'topic_mismatch'
  | 'record_too_large';

export class EventLogError extends Error {
  readonly code: EventLogErrorCode;
  /** True where the same call may succeed later. */
  readonly retriable: boolean;

  constructor(code: EventLogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EventLogError';
    this.code = code;
    this.retriable = code === 'unavailable';
  }
}

export interface TopicOptions {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly retentionMs: number;
  /** True where this topic was counted from before: it is then never made anew, since a new one lacks what was not counted. */
  readonly mustExist?: boolean;
}
