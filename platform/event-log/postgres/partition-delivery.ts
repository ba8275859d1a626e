// Reads one partition while it is this member's: assigned, then records page by page, then revoked, never two of these
// at once. The next offset lives here alone and starts at what `assigned` returned.
import type pg from 'pg';
import type { Logger } from 'pino';
import type { LogRecord, PartitionHandler } from '../event-log.ts';
import { EventLogError } from '../event-log.ts';
import { WakeSignal } from '../wake-signal.ts';
import { type PageBounds, readPage } from './reader.ts';
import type { Topic } from './topic.ts';

export interface PartitionLoopOptions {
  readonly pool: pg.Pool;
  readonly topic: Topic;
  readonly handler: PartitionHandler;
  readonly logger: Logger;
  readonly pageBounds: PageBounds;
  /** The longest wait at the end of the log when no notification comes. */
  readonly pollMs: number;
  readonly retryMs: number;
}

export class PartitionDelivery {
  readonly partition: number;
  /** Resolves when the loop has ended, whatever ended it; the error, if one did. */
  readonly ended: Promise<unknown>;
  private readonly options: PartitionLoopOptions;
  private readonly signal = new WakeSignal();
  private stopping = false;

  constructor(partition: number, options: PartitionLoopOptions) {
    this.partition = partition;
    this.options = options;
    this.ended = this.run().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  wake(): void {
    this.signal.wake();
  }

  /** Asks the loop to end after the running handler. */
  stop(): void {
    this.stopping = true;
    this.signal.wake();
  }

  private async run(): Promise<void> {
    const { handler, pollMs } = this.options;
    try {
      let offset = await handler.assigned(this.partition);
      while (!this.stopping) {
        const records = await this.read(offset);
        if (records === null) continue;
        if (records.length === 0) {
          await this.signal.wait(pollMs);
          continue;
        }
        if (this.stopping) break;
        offset = (await handler.records(this.partition, records)) ?? records.at(-1)!.offset + 1;
      }
    } finally {
      await handler.revoked(this.partition);
    }
  }

  /** Null when the database could not be reached: to be tried again, for nothing is lost by waiting. */
  private async read(offset: number): Promise<LogRecord[] | null> {
    const { pool, topic, pageBounds, logger, retryMs } = this.options;
    try {
      return await readPage(pool, topic, this.partition, offset, pageBounds);
    } catch (error) {
      if (!(error instanceof EventLogError && error.retriable)) throw error;
      logger.warn({ err: error, partition: this.partition }, 'the event log cannot be read; trying again');
      await this.signal.wait(retryMs);
      return null;
    }
  }
}
