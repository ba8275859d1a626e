// The event log in Kafka, through kafkajs. A producer that waits for all in-sync replicas and is not idempotent:
// kafkajs' idempotent producer can acknowledge a batch that it lost, while a batch that is in the log twice is
// harmless.
import kafkajs, { type Admin, type Producer } from 'kafkajs';
import type { Logger } from 'pino';
import { retry } from '../../calls/retry.ts';
import type { KafkaSettings } from '../../settings/settings.ts';
import { answeredWithin } from '../deadline.ts';
import type { Consumption, EventLog, PartitionBounds, PartitionHandler, TopicOptions } from '../event-log.ts';
import { EventLogError } from '../event-log.ts';
import { assertRecordSizes, splitRuns } from '../record-size.ts';
import { createClient, requestTimeoutMs } from './client.ts';
import { KafkaConsumption, offsetOutOfRange } from './consumption.ts';
import { isPassing, kafkaFailure } from './failures.ts';
import type { LogKafka } from './seams/log-kafka.ts';
import { TopicIdReader } from './seams/topic-id-reader.ts';
import { ensureTopic } from './topic.ts';
import { TopicWatch } from './topic-watch.ts';

export interface KafkaEventLogOptions {
  /** An append that took longer is rejected as `unavailable`. */
  readonly appendTimeoutMs?: number;
  /** How long opening and joining a group go on while some brokers answer and others, which they need, do not. */
  readonly openTimeoutMs?: number;
  /** A member of a group that is silent for this long loses its partitions. */
  readonly sessionTimeoutMs?: number;
  readonly heartbeatMs?: number;
  /** How often it is checked that the topic was not deleted and made again. */
  readonly topicCheckIntervalMs?: number;
}

const defaults = {
  appendTimeoutMs: 10_000,
  openTimeoutMs: 30_000,
  sessionTimeoutMs: 10_000,
  heartbeatMs: 1000,
  topicCheckIntervalMs: 5000,
};

/** One batch of the log; the topic's max.message.bytes has room for it and for one record of the largest size. */
const batchBytesMax = 1024 * 1024;
const batchRecordsMax = 5000;
const startRetryMs = 500;

interface Connections {
  readonly admin: Admin;
  readonly producer: Producer;
  readonly topicIds: TopicIdReader;
}

/**
 * Opens the topic, creating it when it is new. Where some broker answers, one that is away is waited for: the others
 * make themselves leaders and controllers within seconds. Where none does, the list may be wrong, and that is said at
 * once.
 */
export async function openKafkaEventLog(
  settings: KafkaSettings,
  topic: TopicOptions,
  logger: Logger,
  options: KafkaEventLogOptions = {},
): Promise<EventLog> {
  const timing = { ...defaults, ...options };
  const what = `open the topic ${topic.topic} at ${settings.brokers.join(', ')}`;
  const kafka = createClient(settings, logger);
  let answered = false;
  const open = async (leftMs: number): Promise<EventLog> => {
    const connections: Connections = {
      admin: kafka.admin(),
      producer: createProducer(kafka),
      topicIds: new TopicIdReader(kafka, topic.topic),
    };
    answered = false;
    const opening = async (): Promise<TopicWatch> => {
      await connections.admin.connect();
      answered = true;
      return connect(connections, topic, timing.topicCheckIntervalMs, logger);
    };
    try {
      const watch = await answeredWithin(opening(), leftMs, what);
      return new KafkaEventLog(settings, topic, logger, timing, connections, watch);
    } catch (error) {
      await disconnect(connections);
      throw kafkaFailure(error, what);
    }
  };
  return untilBrokersAreBack(open, { timeoutMs: timing.openTimeoutMs, mayRetry: () => answered, logger });
}

interface BrokerPatience {
  readonly timeoutMs: number;
  readonly mayRetry: () => boolean;
  readonly logger: Logger;
}

/**
 * Does `work` again while it fails for a broker that is away; a failure of another kind, or one too late, is thrown.
 */
async function untilBrokersAreBack<Result>(
  work: (leftMs: number) => Promise<Result>,
  { timeoutMs, mayRetry, logger }: BrokerPatience,
): Promise<Result> {
  const until = Date.now() + timeoutMs;
  return retry(() => work(until - Date.now()), {
    isRetriable: (error) => isPassing(error) && mayRetry(),
    signal: AbortSignal.timeout(timeoutMs),
    delayMinMs: startRetryMs,
    delayMaxMs: startRetryMs,
    onRetry: (error, attempt) => {
      const reason = error instanceof Error ? error.message : String(error);
      logger.warn({ reason, attempt, leftMs: until - Date.now() }, 'a broker that is needed is away; trying again');
    },
  });
}

function createProducer(kafka: LogKafka): Producer {
  return kafka.producer({
    allowAutoTopicCreation: false,
    idempotent: false,
    metadataMaxAge: 60_000,
    // The caller names the partition: a key's hash decides it, the same in every version of every client.
    createPartitioner: () => (args) => args.message.partition!,
  });
}

/** With an admin that is connected. */
async function connect(
  { admin, producer, topicIds }: Connections,
  topic: TopicOptions,
  checkIntervalMs: number,
  logger: Logger,
): Promise<TopicWatch> {
  await ensureTopic(admin, topic, logger);
  await topicIds.connect();
  await producer.connect();
  return TopicWatch.start(topicIds, topic.topic, checkIntervalMs, logger);
}

async function disconnect({ admin, producer, topicIds }: Connections): Promise<void> {
  await Promise.allSettled([producer.disconnect(), topicIds.disconnect(), admin.disconnect()]);
}

class KafkaEventLog implements EventLog {
  readonly topicId: string;
  readonly partitions: number;
  private readonly settings: KafkaSettings;
  private readonly topic: string;
  private readonly logger: Logger;
  private readonly timing: typeof defaults;
  private readonly connections: Connections;
  private readonly watch: TopicWatch;
  private readonly consumptions = new Set<KafkaConsumption>();
  private closed = false;

  constructor(
    settings: KafkaSettings,
    topic: TopicOptions,
    logger: Logger,
    timing: typeof defaults,
    connections: Connections,
    watch: TopicWatch,
  ) {
    this.topicId = watch.topicId;
    this.partitions = topic.partitions;
    this.settings = settings;
    this.topic = topic.topic;
    this.logger = logger;
    this.timing = timing;
    this.connections = connections;
    this.watch = watch;
    watch.onLost((error) => {
      for (const consumption of this.consumptions) consumption.fail(error);
    });
  }

  async append(partition: number, values: readonly Buffer[]): Promise<void> {
    assertRecordSizes(values);
    if (this.closed) throw new EventLogError('unavailable', 'the event log is closed');
    if (this.watch.lost !== null) throw this.watch.lost;
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitions) {
      throw new RangeError(`no partition ${partition} in ${this.topic}, which has ${this.partitions}`);
    }
    const what = `append to ${this.topic}/${partition}`;
    try {
      await answeredWithin(this.send(partition, values), this.timing.appendTimeoutMs, what);
    } catch (error) {
      throw kafkaFailure(error, what);
    }
  }

  /** A run is sent when the one before it is acknowledged, which keeps them in order. */
  private async send(partition: number, values: readonly Buffer[]): Promise<void> {
    for (const run of splitRuns(values, batchRecordsMax, batchBytesMax)) {
      await this.connections.producer.send({
        topic: this.topic,
        acks: -1,
        timeout: Math.min(this.timing.appendTimeoutMs, requestTimeoutMs),
        compression: kafkajs.CompressionTypes.LZ4,
        messages: run.map((value) => ({ partition, value })),
      });
    }
  }

  async bounds(): Promise<readonly PartitionBounds[]> {
    const what = `read the bounds of ${this.topic}`;
    try {
      const offsets = await answeredWithin(
        this.connections.admin.fetchTopicOffsets(this.topic),
        requestTimeoutMs,
        what,
      );
      return offsets
        .map(({ partition, low, high }) => ({ partition, startOffset: Number(low), endOffset: Number(high) }))
        .sort((a, b) => a.partition - b.partition);
    } catch (error) {
      throw kafkaFailure(error, what);
    }
  }

  async consume(group: string, handler: PartitionHandler): Promise<Consumption> {
    if (this.watch.lost !== null) throw this.watch.lost;
    const start = (): Promise<KafkaConsumption> =>
      KafkaConsumption.start(
        {
          kafka: createClient(this.settings, this.logger),
          topic: this.topic,
          partitions: this.partitions,
          logger: this.logger,
          assertTopic: () => this.watch.assertSame(),
          assertHeld: (partition, offset) => this.assertHeld(partition, offset),
          sessionTimeoutMs: this.timing.sessionTimeoutMs,
          heartbeatMs: this.timing.heartbeatMs,
        },
        group,
        handler,
      );
    const consumption = await untilBrokersAreBack(start, {
      timeoutMs: this.timing.openTimeoutMs,
      mayRetry: () => !this.closed && this.watch.lost === null,
      logger: this.logger,
    });
    this.consumptions.add(consumption);
    return consumption;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.watch.stop();
    await Promise.all([...this.consumptions].map((consumption) => consumption.stop()));
    await disconnect(this.connections);
  }

  private async assertHeld(partition: number, offset: number): Promise<void> {
    const held = (await this.bounds()).find((each) => each.partition === partition);
    if (held === undefined)
      throw new EventLogError('unavailable', `the brokers did not answer for ${this.topic}/${partition}`);
    if (offset < held.startOffset || offset > held.endOffset)
      throw offsetOutOfRange(this.topic, partition, offset, held);
  }
}
