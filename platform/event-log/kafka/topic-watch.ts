// Tells whether the topic is still the one that was opened. A topic deleted and made again has the same name, begins at
// offset 0 and holds other events: neither reading nor appending may go on as if nothing had happened.
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { EventLogError } from '../event-log.ts';
import type { TopicIdReader } from './seams/topic-id-reader.ts';

/**
 * A broker that lags behind in metadata may not know a new topic, or still know the old one: it is asked again, and
 * others are.
 */
const confirmations = 4;
const confirmationDelayMs = 250;

export class TopicWatch {
  readonly topicId: string;
  private readonly ids: TopicIdReader;
  private readonly topic: string;
  private readonly logger: Logger;
  private readonly timer: NodeJS.Timeout;
  private readonly listeners = new Set<(error: EventLogError) => void>();
  private lostBy: EventLogError | null = null;
  private stopped = false;

  private constructor(ids: TopicIdReader, topic: string, topicId: string, intervalMs: number, logger: Logger) {
    this.ids = ids;
    this.topic = topic;
    this.topicId = topicId;
    this.logger = logger;
    this.timer = setInterval(() => void this.assertSame().catch(() => undefined), intervalMs);
    this.timer.unref();
  }

  static async start(ids: TopicIdReader, topic: string, intervalMs: number, logger: Logger): Promise<TopicWatch> {
    let topicId: string | null = null;
    for (let attempt = 1; topicId === null && attempt <= confirmations; attempt++) {
      if (attempt > 1) await delay(confirmationDelayMs);
      topicId = await ids.read();
    }
    if (topicId === null) throw new EventLogError('topic_missing', `no broker knows the topic ${topic}`);
    return new TopicWatch(ids, topic, topicId, intervalMs, logger);
  }

  /** The error for every later use, once the topic is known to be gone. */
  get lost(): EventLogError | null {
    return this.lostBy;
  }

  onLost(listener: (error: EventLogError) => void): void {
    this.listeners.add(listener);
  }

  /** Resolves when a broker has said that the topic is the same. Waits for as long as no broker answers. */
  async assertSame(): Promise<void> {
    let contrary = 0;
    while (!this.stopped) {
      if (this.lostBy !== null) throw this.lostBy;
      try {
        const found = await this.ids.read();
        if (found === this.topicId) return;
        contrary += 1;
        if (contrary >= confirmations) throw this.lose(found);
      } catch (error) {
        if (error instanceof EventLogError) throw error;
        this.logger.info({ err: error }, 'the id of the topic cannot be read; trying again');
      }
      await delay(confirmationDelayMs);
    }
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
  }

  private lose(found: string | null): EventLogError {
    const error =
      found === null
        ? new EventLogError('topic_missing', `the topic ${this.topic} (${this.topicId}) was deleted`)
        : new EventLogError(
            'topic_mismatch',
            `the topic ${this.topic} was deleted and made again: its id was ${this.topicId} and is ${found}`,
          );
    this.lostBy = error;
    for (const listener of this.listeners) listener(error);
    return error;
  }
}
