// Appends to one partition. While a transaction runs, further values queue up and go together in the next one, so that
// the cost of a commit is shared. The row lock on the partition orders the appends of all processes, hence offsets have
// no gaps and become visible in order.
import type pg from 'pg';
import { EventLogError } from '../event-log.ts';
import { postgresFailure } from './failures.ts';
import { type Topic, topicGone } from './topic.ts';

const transactionRecordsMax = 10_000;
const transactionBytesMax = 8 * 1024 * 1024;

interface Waiting {
  readonly values: readonly Buffer[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: EventLogError) => void;
  expired: boolean;
}

export class PartitionAppender {
  private readonly pool: pg.Pool;
  private readonly topic: Topic;
  private readonly partition: number;
  private readonly onAppended: (partition: number) => void;
  private queue: Waiting[] = [];
  private draining: Promise<void> | null = null;

  constructor(pool: pg.Pool, topic: Topic, partition: number, onAppended: (partition: number) => void) {
    this.pool = pool;
    this.topic = topic;
    this.partition = partition;
    this.onAppended = onAppended;
  }

  /**
   * Resolves when the values are committed. A caller that gave up after `timeoutMs` is not written if it was not yet
   * begun.
   */
  append(values: readonly Buffer[], timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        values,
        bytes: values.reduce((sum, value) => sum + value.length, 0),
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
        expired: false,
      };
      const timer = setTimeout(() => {
        waiting.expired = true;
        reject(new EventLogError('unavailable', `${this.what}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      this.queue.push(waiting);
      this.draining ??= this.drain();
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.draining;
  }

  private get what(): string {
    return `append to ${this.topic.name}/${this.partition}`;
  }

  private async drain(): Promise<void> {
    // Everything queued in the same turn of the event loop goes into the first transaction.
    await Promise.resolve();
    for (let group = this.take(); group.length > 0; group = this.take()) {
      try {
        await this.write(group.flatMap((waiting) => waiting.values));
        for (const waiting of group) waiting.resolve();
        this.onAppended(this.partition);
      } catch (error) {
        const failure = postgresFailure(error, this.what);
        for (const waiting of group) waiting.reject(failure);
      }
    }
    this.draining = null;
  }

  private take(): Waiting[] {
    this.queue = this.queue.filter((waiting) => !waiting.expired);
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const waiting of this.queue) {
      records += waiting.values.length;
      bytes += waiting.bytes;
      if (count > 0 && (records > transactionRecordsMax || bytes > transactionBytesMax)) break;
      count += 1;
    }
    return this.queue.splice(0, count);
  }

  /**
   * One statement, hence one transaction. The values travel as one binary parameter, because an array of bytea is sent
   * as hex.
   */
  private async write(values: readonly Buffer[]): Promise<void> {
    const starts: number[] = [];
    let bytes = 0;
    for (const value of values) {
      starts.push(bytes + 1);
      bytes += value.length;
    }
    const { rowCount } = await this.pool.query(
      `WITH reserved AS (
         UPDATE tallyline.log_partitions p SET end_offset = p.end_offset + $4
         FROM tallyline.log_topics t
         WHERE p.topic = $1 AND p.partition = $3 AND t.topic = p.topic AND t.topic_id = $2
         RETURNING p.end_offset - $4 AS first_offset
       )
       INSERT INTO tallyline.log_records (topic, partition, "offset", append_time, value)
       SELECT $1, $3, first_offset + n - 1, clock_timestamp(), substring($5::bytea FROM start FOR length)
       FROM reserved, unnest($6::integer[], $7::integer[]) WITH ORDINALITY AS slice (start, length, n)`,
      [
        this.topic.name,
        this.topic.id,
        this.partition,
        values.length,
        Buffer.concat(values),
        starts,
        values.map((v) => v.length),
      ],
    );
    if (rowCount !== values.length) throw topicGone(this.topic);
  }
}
