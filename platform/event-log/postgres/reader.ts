// Reads a page of one partition, bounded in records and bytes, and tells from the same snapshot whether the offset
// asked for is still held.
import type pg from 'pg';
import { EventLogError, type LogRecord } from '../event-log.ts';
import { postgresFailure } from './failures.ts';
import { type Topic, topicGone } from './topic.ts';

export interface PageBounds {
  readonly recordsMax: number;
  /** A page stops before the record that would pass this, but always holds one. */
  readonly bytesMax: number;
}

interface Row {
  start_offset: string;
  end_offset: string;
  offset: string | null;
  append_time_ms: number;
  value: Buffer;
}

/** The records from `offset` on; empty at the end of the log. */
export async function readPage(
  pool: pg.Pool,
  topic: Topic,
  partition: number,
  offset: number,
  bounds: PageBounds,
): Promise<LogRecord[]> {
  const { rows } = await pool
    .query<Row>(
      `SELECT p.start_offset, p.end_offset, r."offset", r.append_time_ms, r.value
       FROM tallyline.log_partitions p
       JOIN tallyline.log_topics t ON t.topic = p.topic AND t.topic_id = $2
       LEFT JOIN LATERAL (
         SELECT "offset", floor(extract(epoch FROM append_time) * 1000)::float8 AS append_time_ms, value
         FROM (
           SELECT "offset", append_time, value,
                  sum(octet_length(value)) OVER (ORDER BY "offset") AS bytes, row_number() OVER (ORDER BY "offset") AS n
           FROM (
             SELECT "offset", append_time, value FROM tallyline.log_records
             WHERE topic = $1 AND partition = $3 AND "offset" >= $4 ORDER BY "offset" LIMIT $5
           ) page
         ) sized
         WHERE n = 1 OR bytes <= $6
       ) r ON true
       WHERE p.topic = $1 AND p.partition = $3
       ORDER BY r."offset"`,
      [topic.name, topic.id, partition, offset, bounds.recordsMax, bounds.bytesMax],
    )
    .catch((error: unknown) => {
      throw postgresFailure(error, `read ${topic.name}/${partition}`);
    });
  const first = rows[0];
  if (first === undefined) throw topicGone(topic);
  assertHeld(topic, partition, offset, Number(first.start_offset), Number(first.end_offset));
  if (first.offset === null) return [];
  return rows.map((row) => ({ offset: Number(row.offset), appendTime: row.append_time_ms, value: row.value }));
}

function assertHeld(topic: Topic, partition: number, offset: number, startOffset: number, endOffset: number): void {
  if (offset >= startOffset && offset <= endOffset) return;
  throw new EventLogError(
    'offset_out_of_range',
    `offset ${offset} of ${topic.name}/${partition} is not in the log, which holds ${startOffset} to ${endOffset}: it was deleted by retention or the log was truncated`,
  );
}
