// The event log as the stages see it: a fixed number of partitions, each an append-only sequence of records with
// growing offsets and the log's own append time. Two adapters keep this contract (kafka, postgres);
// event-log.contract.ts tests both.

export interface LogRecord {
  /** Grows within a partition; gaps are legal. */
  readonly offset: number;
  /**
   * Milliseconds since the epoch, by the log's clock (LogAppendTime). May step back; only its running maximum is used.
   */
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

/** What a consumption calls. For one partition there is only one call at a time. */
export interface PartitionHandler {
  /**
   * The partition now belongs to this member. Returns the offset to read from; an offset that was committed is not
   * used.
   */
  assigned(partition: number): Promise<number>;
  /**
   * The next records, in order and with none left out: where one is missing, the log halts with `EventLogError`
   * `offset_out_of_range`. The next call for this partition comes after this one has resolved. Resolves to undefined to
   * go on after these records, or to another offset to go on from. A rejection halts the consumption (see `failed`).
   */
  records(partition: number, records: readonly LogRecord[]): Promise<number | undefined>;
  /**
   * The partition no longer belongs to this member, and no more of its records come. This call may come late or never;
   * it is the epoch in Postgres that keeps a former owner from writing.
   */
  revoked(partition: number): Promise<void>;
}

export interface Consumption {
  /**
   * Rejects when the consumption can't go on: a handler rejected, an offset is no longer in the log, or the topic is
   * another one. Does not resolve before `stop`.
   */
  readonly failed: Promise<never>;
  /**
   * Stores in the group how far a partition was counted. Only tools that show lag read it; no decision depends on it.
   */
  commit(partition: number, nextOffset: number): void;
  /** Waits for running handlers, revokes every partition, leaves the group. */
  stop(): Promise<void>;
}

export interface EventLog {
  /** Names this incarnation of the topic; a topic deleted and made again has another. */
  readonly topicId: string;
  readonly partitions: number;
  /**
   * Resolves once every value is durable on a quorum, in order. Rejects with an `EventLogError` otherwise; even then
   * the log may hold the values.
   */
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
  /**
   * True where records of this topic were counted before. A missing topic is not made again then: a new one would be
   * empty.
   */
  readonly mustExist?: boolean;
}
