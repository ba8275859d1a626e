// One member of a consumer group. kafkajs keeps the membership and fetches; where a partition is read from, and that
// nothing is passed over, is decided here:
//
// - A partition that is assigned is paused, before kafkajs can fetch it, until its handler has named the start offset.
//   A committed offset is never used.
// - After every join the topic's id is checked before anything is fetched, so no record of another incarnation is read.
// - A partition that stays goes on without interruption only if this member took part in every generation of the group.
//   Otherwise it may have been another's in between, and is revoked and assigned anew.
import type { Consumer, ConsumerConfig, EachBatchPayload } from 'kafkajs';
import type { Logger } from 'pino';
import type { Consumption, LogRecord, PartitionHandler } from '../event-log.ts';
import { EventLogError } from '../event-log.ts';
import { boundedRetry } from './client.ts';
import { kafkaFailure } from './failures.ts';
import { type FeedSource, PartitionFeed } from './partition-feed.ts';
import type { LogKafka } from './seams/log-kafka.ts';
import { stickyAssigner } from './sticky-assigner.ts';

export interface KafkaConsumptionOptions {
  /** A client of this consumption's own: kafkajs shares committed offsets between the consumers of one client. */
  readonly kafka: LogKafka;
  readonly topic: string;
  readonly partitions: number;
  readonly logger: Logger;
  /** Rejects unless the topic is still the one that was opened. */
  readonly assertTopic: () => Promise<void>;
  readonly assertHeld: (partition: number, offset: number) => Promise<void>;
  readonly sessionTimeoutMs: number;
  readonly heartbeatMs: number;
}

const fetchWaitMs = 200;
const fetchBytesMax = 16 * 1024 * 1024;
const partitionFetchBytesMax = 1024 * 1024;
/** Records fetched and not yet handled, over all partitions of a member. */
const buffersBytesMax = 64 * 1024 * 1024;
const commitIntervalMs = 5000;

export class KafkaConsumption implements Consumption {
  readonly failed: Promise<never>;
  private readonly options: KafkaConsumptionOptions;
  private readonly handler: PartitionHandler;
  private readonly consumer: Consumer;
  private readonly feeds = new Map<number, PartitionFeed>();
  private readonly commits = new Map<number, number>();
  private readonly commitTimer: NodeJS.Timeout;
  private readonly reject: (error: unknown) => void;
  private assigned: ReadonlySet<number> = new Set();
  private ready: Promise<void> = Promise.resolve();
  private member: string | null = null;
  private joinedGeneration = -1;
  private generation = -1;
  private stopping: Promise<void> | null = null;

  private constructor(options: KafkaConsumptionOptions, group: string, handler: PartitionHandler) {
    this.options = options;
    this.handler = handler;
    let fail: (error: unknown) => void = () => undefined;
    this.failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    // Whoever stops without asking for `failed` must not end the process by it.
    this.failed.catch(() => undefined);
    this.reject = fail;
    const { topic, partitions } = options;
    const assigner = stickyAssigner(topic, partitions, () => [...this.feeds.keys()]);
    const config: ConsumerConfig = {
      groupId: group,
      partitionAssigners: [assigner],
      sessionTimeout: options.sessionTimeoutMs,
      rebalanceTimeout: 30_000,
      heartbeatInterval: options.heartbeatMs,
      maxWaitTimeInMs: fetchWaitMs,
      maxBytes: fetchBytesMax,
      maxBytesPerPartition: partitionFetchBytesMax,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
      // kafkajs then begins again by itself after an outage, as a new member; only what no retry mends ends a
      // consumption.
      retry: { ...boundedRetry, restartOnFailure: async () => true },
    };
    const joined = (generation: number): void => {
      this.joinedGeneration = generation;
    };
    this.consumer = options.kafka.member(config, { topic, joined });
    this.commitTimer = setInterval(() => void this.commitNow(), commitIntervalMs);
    this.commitTimer.unref();
  }

  static async start(
    options: KafkaConsumptionOptions,
    group: string,
    handler: PartitionHandler,
  ): Promise<KafkaConsumption> {
    const consumption = new KafkaConsumption(options, group, handler);
    try {
      await consumption.run();
    } catch (error) {
      await consumption.stop();
      throw kafkaFailure(error, `join the group ${group} of ${options.topic}`);
    }
    return consumption;
  }

  commit(partition: number, nextOffset: number): void {
    this.commits.set(partition, nextOffset);
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  /** Ends the consumption with an error. The group learns at once, so that others take over. */
  fail(error: unknown): void {
    this.reject(error);
    void this.stop();
  }

  private async run(): Promise<void> {
    const { topic, partitions, logger } = this.options;
    const consumer = this.consumer;
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
      this.joined(payload.memberId, payload.memberAssignment[topic] ?? []),
    );
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (payload.restart)
        logger.warn({ err: payload.error }, 'the consumer lost the brokers; it joins the group anew');
      else this.fail(kafkaFailure(payload.error, `consume ${topic}`));
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic] });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitions,
      eachBatch: async (payload) => this.offer(payload),
    });
  }

  /** Runs within kafkajs' join, before the first fetch of the new assignment. */
  private joined(member: string, assignment: readonly number[]): void {
    if (this.stopping !== null) {
      // A restart of kafkajs was joining while it was stopped: it would stay a member that reads nothing.
      setImmediate(() => void this.consumer.disconnect().catch(() => undefined));
      return;
    }
    const continuous = member === this.member && this.joinedGeneration === this.generation + 1;
    this.member = member;
    this.generation = this.joinedGeneration;
    this.assigned = new Set(assignment);
    for (const feed of this.feeds.values()) if (!continuous || !this.assigned.has(feed.partition)) feed.stop();
    for (const partition of assignment) this.source.pause(partition);
    const ready = this.options.assertTopic();
    this.ready = ready;
    ready.then(
      () => {
        if (this.ready !== ready) return;
        for (const feed of this.feeds.values()) if (!feed.stopping) feed.reposition();
      },
      (error: unknown) => this.fail(error),
    );
    this.openFeeds();
  }

  /** A partition whose former feed still ends gets its new one afterwards. */
  private openFeeds(): void {
    if (this.stopping !== null) return;
    const { partitions, logger } = this.options;
    const bufferBytesMax = Math.min(8 * 1024 * 1024, Math.max(partitionFetchBytesMax, buffersBytesMax / partitions));
    for (const partition of this.assigned) {
      if (this.feeds.has(partition)) continue;
      const feed = new PartitionFeed(partition, this.handler, this.source, this.ready, bufferBytesMax, logger);
      this.feeds.set(partition, feed);
      void feed.ended.then((error) => {
        this.feeds.delete(partition);
        this.commits.delete(partition);
        if (error !== undefined) this.fail(error);
        else this.openFeeds();
      });
    }
  }

  private offer({ batch, resolveOffset }: EachBatchPayload): void {
    const feed = this.feeds.get(batch.partition);
    const last = batch.messages.at(-1);
    if (feed === undefined || last === undefined) return;
    const records: LogRecord[] = batch.messages.map(({ offset, timestamp, value }) => ({
      offset: Number(offset),
      // kafkajs gives the log's append time as a Long, whatever its types say.
      appendTime: Number(String(timestamp)),
      value: value ?? Buffer.alloc(0),
    }));
    const { fetchedOffset } = batch as typeof batch & { readonly fetchedOffset: unknown };
    const taken = feed.offer({
      fetchOffset: Number(String(fetchedOffset)),
      records,
      // Behind the last record there may be batches without any.
      nextOffset: Number(batch.lastOffset()) + 1,
    });
    if (taken) resolveOffset(last.offset);
  }

  private readonly source: FeedSource = {
    seek: (partition, offset) =>
      this.whileRunning(() => this.consumer.seek({ topic: this.options.topic, partition, offset: String(offset) })),
    pause: (partition) =>
      this.whileRunning(() => this.consumer.pause([{ topic: this.options.topic, partitions: [partition] }])),
    resume: (partition) =>
      this.whileRunning(() => this.consumer.resume([{ topic: this.options.topic, partitions: [partition] }])),
    assertHeld: (partition, offset) => this.options.assertHeld(partition, offset),
  };

  /** Between a crash and the restart there is nothing to steer; the next join positions every partition anew. */
  private whileRunning(steer: () => void): void {
    try {
      steer();
    } catch (error) {
      this.options.logger.debug({ err: error }, 'the consumer is not running');
    }
  }

  private async commitNow(): Promise<void> {
    const { topic, logger } = this.options;
    const offsets = [...this.commits].map(([partition, offset]) => ({ topic, partition, offset: String(offset) }));
    this.commits.clear();
    if (offsets.length === 0) return;
    try {
      await this.consumer.commitOffsets(offsets);
    } catch (error) {
      logger.info({ err: error }, 'offsets were not committed; only lag tools read them');
    }
  }

  private async shutDown(): Promise<void> {
    clearInterval(this.commitTimer);
    for (const feed of this.feeds.values()) feed.stop();
    const commits = [...this.commits];
    await Promise.all([...this.feeds.values()].map((feed) => feed.ended));
    for (const [partition, offset] of commits) this.commits.set(partition, offset);
    await this.commitNow();
    try {
      await this.consumer.disconnect();
    } catch (error) {
      this.options.logger.warn(
        { err: error },
        'the group was not left in order; the others take over after the session timeout',
      );
    }
  }
}

/** The error of an offset that the log does not hold. */
export function offsetOutOfRange(
  topic: string,
  partition: number,
  offset: number,
  held: { startOffset: number; endOffset: number },
): EventLogError {
  return new EventLogError(
    'offset_out_of_range',
    `offset ${offset} of ${topic}/${partition} is not in the log, which holds ${held.startOffset} to ${held.endOffset}: it was deleted by retention or the log was truncated`,
  );
}
