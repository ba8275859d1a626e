// Creates a topic's rows, or verifies that they are what the caller needs.
import type pg from 'pg';
import type { Logger } from 'pino';
import { EventLogError, type PartitionBounds, type TopicOptions } from '../event-log.ts';

export interface Topic {
  readonly name: string;
  /** A uuid, new whenever the topic is created. */
  readonly id: string;
  readonly partitions: number;
}

export async function openTopic(pool: pg.Pool, options: TopicOptions, logger: Logger): Promise<Topic> {
  await assertDurable(pool, logger);
  if (options.mustExist !== true) await createTopic(pool, options);
  const { rows } = await pool.query<{ topic_id: string; partitions: number }>(
    'SELECT topic_id, partitions FROM tallyline.log_topics WHERE topic = $1',
    [options.topic],
  );
  const row = rows[0];
  if (row === undefined)
    throw new EventLogError(
      'topic_missing',
      `the topic ${options.topic} is gone: events that were not yet counted are gone with it. Restore the database; do not make a new topic before you know why`,
    );
  if (row.partitions !== options.partitions) {
    throw new EventLogError(
      'topic_mismatch',
      `the topic ${options.topic} has ${row.partitions} partitions, the settings say ${options.partitions}; the number of partitions of a topic never changes`,
    );
  }
  return { name: options.topic, id: row.topic_id, partitions: row.partitions };
}

/** The partition count of an existing topic is never touched; how long it keeps its records follows the settings. */
async function createTopic(pool: pg.Pool, options: TopicOptions): Promise<void> {
  await pool.query(
    `WITH created AS (
       INSERT INTO tallyline.log_topics (topic, partitions, retention_ms) VALUES ($1, $2, $3)
       ON CONFLICT (topic) DO UPDATE SET retention_ms = excluded.retention_ms
       RETURNING partitions, xmax = 0 AS inserted
     )
     INSERT INTO tallyline.log_partitions (topic, partition)
     SELECT $1, generate_series(0, partitions - 1) FROM created WHERE inserted`,
    [options.topic, options.partitions, options.retentionMs],
  );
}

/** An append is acknowledged after its commit; with these settings off a commit is not yet on disk. */
async function assertDurable(pool: pg.Pool, logger: Logger): Promise<void> {
  const { rows } = await pool.query<{ name: string; setting: string }>(
    `SELECT name, setting FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync')`,
  );
  const setting = new Map(rows.map((row) => [row.name, row.setting]));
  if (setting.get('synchronous_commit') === 'off') {
    throw new EventLogError(
      'topic_mismatch',
      'synchronous_commit is off in this database; events would be acknowledged before they are durable. Set it to on',
    );
  }
  if (setting.get('fsync') === 'off')
    logger.warn('fsync is off in this database: acknowledged events do not survive a power cut');
}

/** The error for a statement that found no row of this incarnation of the topic. */
export function topicGone(topic: Topic): EventLogError {
  return new EventLogError(
    'topic_mismatch',
    `the topic ${topic.name} (${topic.id}) was deleted or made again; what was read from it no longer exists`,
  );
}

export async function readBounds(pool: pg.Pool, topic: Topic): Promise<PartitionBounds[]> {
  const { rows } = await pool.query<{ partition: number; start_offset: string; end_offset: string }>(
    `SELECT p.partition, p.start_offset, p.end_offset
     FROM tallyline.log_partitions p JOIN tallyline.log_topics t USING (topic)
     WHERE p.topic = $1 AND t.topic_id = $2 ORDER BY p.partition`,
    [topic.name, topic.id],
  );
  if (rows.length !== topic.partitions) throw topicGone(topic);
  return rows.map((row) => ({
    partition: row.partition,
    startOffset: Number(row.start_offset),
    endOffset: Number(row.end_offset),
  }));
}
