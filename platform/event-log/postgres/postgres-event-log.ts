// The event log in Postgres: for a deployment without Kafka. Same promises, one database's throughput.
import type pg from 'pg';
import type { Logger } from 'pino';
import type { Consumption, EventLog, PartitionBounds, PartitionHandler, TopicOptions } from '../event-log.ts';
import { EventLogError } from '../event-log.ts';
import { assertRecordSizes } from '../record-size.ts';
import { PartitionAppender } from './appender.ts';
import { PostgresConsumption } from './consumption.ts';
import { isForbidden, postgresFailure } from './failures.ts';
import { Notifications } from './notifications.ts';
import { deleteExpired } from './retention.ts';
import { openTopic, readBounds, type Topic } from './topic.ts';

export interface PostgresEventLogOptions {
  /** An append that took longer is rejected as `unavailable`. */
  readonly appendTimeoutMs?: number;
  /** The longest wait of a reader at the end of the log when no notification reaches it. */
  readonly pollMs?: number;
  readonly heartbeatMs?: number;
  /** A member without a heartbeat for this long is gone, and its partitions go to the others. */
  readonly leaseMs?: number;
  readonly retentionIntervalMs?: number;
  readonly pageRecordsMax?: number;
  readonly pageBytesMax?: number;
}

const defaults = {
  appendTimeoutMs: 10_000,
  pollMs: 500,
  heartbeatMs: 1000,
  leaseMs: 10_000,
  retentionIntervalMs: 60_000,
  pageRecordsMax: 1000,
  pageBytesMax: 4 * 1024 * 1024,
};

const retryMs = 1000;

/** Opens the topic, creating it when it is new. The caller owns `pool` and ends it after `close()`. */
export async function openPostgresEventLog(
  pool: pg.Pool,
  topicOptions: TopicOptions,
  logger: Logger,
  options: PostgresEventLogOptions = {},
): Promise<EventLog> {
  const topic = await openTopic(pool, topicOptions, logger).catch((error: unknown) => {
    throw postgresFailure(error, `open the topic ${topicOptions.topic}`);
  });
  return new PostgresEventLog(pool, topic, logger, { ...defaults, ...options });
}

class PostgresEventLog implements EventLog {
  readonly topicId: string;
  readonly partitions: number;
  private readonly pool: pg.Pool;
  private readonly topic: Topic;
  private readonly logger: Logger;
  private readonly options: typeof defaults;
  private readonly notifications: Notifications;
  private readonly appenders: readonly PartitionAppender[];
  private readonly consumptions = new Set<Consumption>();
  private readonly retentionTimer: NodeJS.Timeout;
  private retention: Promise<void> = Promise.resolve();
  private closed = false;

  constructor(pool: pg.Pool, topic: Topic, logger: Logger, options: typeof defaults) {
    this.topicId = topic.id;
    this.partitions = topic.partitions;
    this.pool = pool;
    this.topic = topic;
    this.logger = logger;
    this.options = options;
    this.notifications = new Notifications(pool, topic.name, logger);
    this.appenders = Array.from(
      { length: topic.partitions },
      (_, partition) => new PartitionAppender(pool, topic, partition, (each) => this.notifications.appended(each)),
    );
    this.retentionTimer = setInterval(() => this.expire(), options.retentionIntervalMs);
    this.retentionTimer.unref();
  }

  async append(partition: number, values: readonly Buffer[]): Promise<void> {
    assertRecordSizes(values);
    if (this.closed) throw new EventLogError('unavailable', 'the event log is closed');
    const appender = this.appenders[partition];
    if (appender === undefined)
      throw new RangeError(`no partition ${partition} in ${this.topic.name}, which has ${this.partitions}`);
    if (values.length > 0) await appender.append(values, this.options.appendTimeoutMs);
  }

  bounds(): Promise<readonly PartitionBounds[]> {
    return readBounds(this.pool, this.topic).catch((error: unknown) => {
      throw postgresFailure(error, `read the bounds of ${this.topic.name}`);
    });
  }

  async consume(group: string, handler: PartitionHandler): Promise<Consumption> {
    const { pageRecordsMax, pageBytesMax, ...timing } = this.options;
    const consumption = await PostgresConsumption.start(
      {
        ...timing,
        retryMs,
        pool: this.pool,
        topic: this.topic,
        notifications: this.notifications,
        logger: this.logger,
        pageBounds: { recordsMax: pageRecordsMax, bytesMax: pageBytesMax },
      },
      group,
      handler,
    );
    this.consumptions.add(consumption);
    return consumption;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.retentionTimer);
    await Promise.all([...this.consumptions].map((consumption) => consumption.stop()));
    await Promise.all(this.appenders.map((appender) => appender.settled()));
    await this.retention;
    await this.notifications.close();
  }

  /**
   * One run at a time. A run that fails is made up for by the next; a user that may not delete leaves it to those who
   * write.
   */
  private expire(): void {
    this.retention = this.retention
      .then(() => deleteExpired(this.pool, this.topic))
      .then((deleted) => {
        if (deleted > 0) this.logger.info({ topic: this.topic.name, deleted }, 'records past their retention deleted');
      })
      .catch((error: unknown) => {
        if (isForbidden(error)) clearInterval(this.retentionTimer);
        else this.logger.warn({ err: error }, 'retention could not run');
      });
  }
}
