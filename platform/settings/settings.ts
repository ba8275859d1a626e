// Every setting of every stage, as parsed from the environment by config.ts. Handed down as arguments, never imported
// as a value.

export interface KafkaSettings {
  readonly brokers: readonly string[];
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  readonly ssl: {
    readonly ca: string | null;
    readonly cert: string | null;
    readonly key: string | null;
    readonly rejectUnauthorized: boolean;
  } | null;
}

export interface Settings {
  readonly http: {
    readonly host: string;
    readonly port: number;
    /** Null: as many as the process's file descriptors allow. */
    readonly connectionsMax: number | null;
    /** From one address; null: half of all. */
    readonly connectionsPerAddressMax: number | null;
    /** Networks whose connections are not bounded by address. */
    readonly trustedProxies: readonly string[];
    /** How long a front that is told to end goes on answering, so that balancers see that it leaves. */
    readonly drainGraceMs: number;
  };
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Null: the event log lives in Postgres. */
  readonly kafka: KafkaSettings | null;
  /** Null: an embedded engine is to be started (only `up` and `demo` do that). */
  readonly clickhouse: {
    readonly url: string;
    readonly username: string;
    readonly password: string;
    readonly database: string;
  } | null;
  /** Null: an embedded server is to be started (only `up` and `demo` do that). */
  readonly postgresUrl: string | null;
  readonly log: {
    readonly topic: string;
    readonly group: string;
    /** A member of the group that is silent for this long loses its partitions. */
    readonly groupSessionMs: number;
    readonly partitions: number;
    readonly replicationFactor: number;
    readonly minInsyncReplicas: number;
    readonly retentionMs: number;
  };
  readonly ingest: {
    /** How long a batch of a partition waits for more events. */
    readonly lingerMs: number;
    readonly batchEventsMax: number;
    readonly batchBytesMax: number;
    /** Events admitted and not yet durable, over all partitions; beyond it the answer is 503. */
    readonly queueEventsMax: number;
    readonly queueBytesMax: number;
    readonly bodyBytesMax: number;
    readonly appendTimeoutMs: number;
    /** Requests a second of one key; 0: no limit. */
    readonly requestsPerSecondMax: number;
  };
  readonly query: {
    /** For a read as a whole. */
    readonly readTimeoutMs: number;
    /** For one whose answer is a stream, until its client has it. */
    readonly streamTimeoutMs: number;
    /** Reads of usage that are worked on at once, and as many of line items; half as many streams. */
    readonly readsAtOnce: number;
    /** Of ClickHouse, for one of them. */
    readonly readMemoryBytesMax: number;
    /** Of one key; 0: no limit. */
    readonly requestsPerSecondMax: number;
  };
  readonly accounts: {
    /** By which what can be forgotten is encrypted, the newest first; null: none is set, and nothing can be. */
    readonly keys: readonly Buffer[] | null;
    readonly requestTimeoutMs: number;
    /** Of one key; 0: no limit. */
    readonly requestsPerSecondMax: number;
  };
  readonly aggregator: {
    /** Settings of a new topic generation; an existing one keeps its own. */
    readonly chunkOffsets: number;
    readonly chunkSlotMs: number;
    readonly horizonMs: number;
    readonly flushIntervalMs: number;
    readonly flushEventsMax: number;
    /** For the keys of all partitions of a process; null: as much as they take. */
    readonly dedupMemoryBytes: number | null;
    readonly dedupDirectory: string;
    readonly tickIntervalMs: number;
    /** A leap of the log's clock beyond this halts the partition. */
    readonly clockLeapMaxMs: number;
  };
  readonly rater: {
    readonly intervalMs: number;
    /** For so long others leave it its shards without hearing of it. */
    readonly leaseMs: number;
    /** Between two rounds of the auditor; longer where a round takes longer. */
    readonly auditIntervalMs: number;
  };
  readonly allowedLatenessMs: number;
}
