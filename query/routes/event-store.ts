// Finds what became of one event, by its dedup key: the row of its acceptance, and the rows of every copy that was not
// counted.
//
// No FINAL here: the versions of a row share every column that a condition names, as all owners of a partition decide
// alike, so picking the highest epoch of each row afterwards gives the same rows, and leaves the index on the dedup key
// of use.
import { dedupKeyOf, partitionOf } from '../../domain/usage-event.ts';
import { EVENT_ROWS_MAX } from '../query-limits.ts';
import type { BillingReads, UsageReads } from '../stores/store-reads.ts';

export interface EventName {
  readonly tenant: string;
  readonly source: string;
  readonly id: string;
}

/** Times in milliseconds since the epoch. */
export interface AcceptedRow {
  readonly generation: number;
  readonly partition: number;
  readonly offset: string;
  readonly type: string;
  readonly subject: string;
  readonly eventTime: number;
  readonly receivedAt: number;
  readonly data: string;
}

interface RejectedRow {
  readonly subject: string;
  readonly reason: 'conflict' | 'too_late' | 'poison';
  readonly code: string;
  readonly message: string;
  readonly receivedAt: number;
}

export interface EventRows {
  /** In the order they were decided. More than one only where the key had died in between. */
  readonly accepted: readonly AcceptedRow[];
  readonly rejected: readonly RejectedRow[];
}

const ms = (column: string): string => `toString(toUnixTimestamp64Milli(${column}))`;

const rowsOf = (table: string, columns: string, decidedAt: string): string => `
  SELECT ${columns} FROM (
    SELECT * FROM ${table}
    WHERE generation IN {generations:Array(UInt16)} AND partition IN {partitions:Array(UInt16)}
      AND dedup_key = toFixedString(unhex({dedup_key:String}), 16)
      AND tenant = {tenant:String} AND source = {source:String} AND id = {id:String}
    ORDER BY generation, partition, offset, index, epoch DESC
    LIMIT 1 BY generation, partition, offset, index
  )
  ORDER BY ${decidedAt}, generation, partition, offset, index
  LIMIT ${EVENT_ROWS_MAX}`;

const READ_ACCEPTED = rowsOf(
  'usage_events',
  `generation, partition, toString(offset) AS offset_text, type, subject, data,
    ${ms('event_time')} AS event_ms, ${ms('received_at')} AS received_ms`,
  'accepted_at',
);

const READ_REJECTED = rowsOf(
  'event_rejects',
  `reason, code, message, subject, ${ms('received_at')} AS received_ms`,
  'rejected_at',
);

interface StoredAccepted {
  readonly generation: number;
  readonly partition: number;
  readonly offset_text: string;
  readonly type: string;
  readonly subject: string;
  readonly data: string;
  readonly event_ms: string;
  readonly received_ms: string;
}

interface StoredRejected extends Pick<RejectedRow, 'reason' | 'code' | 'message' | 'subject'> {
  readonly received_ms: string;
}

interface Places {
  readonly generations: readonly number[];
  readonly partitions: readonly number[];
}

/** Every generation of the log has its own number of partitions, and so its own place for a key. */
async function placesOf(pool: BillingReads, dedupKey: Buffer): Promise<Places> {
  const { rows } = await pool.query<{ generation: number; partitions: number }>(
    'SELECT generation, partitions FROM tallyline.topic_generations',
  );
  return {
    generations: rows.map(({ generation }) => generation),
    partitions: rows.map(({ partitions }) => partitionOf(dedupKey, partitions)),
  };
}

export async function readEventRows(pool: BillingReads, clickhouse: UsageReads, event: EventName): Promise<EventRows> {
  const dedupKey = dedupKeyOf(event.tenant, event.source, event.id);
  const places = await placesOf(pool, dedupKey);
  if (places.generations.length === 0) return { accepted: [], rejected: [] };
  const params = { ...event, ...places, dedup_key: dedupKey.toString('hex') };
  const [accepted, rejected] = await Promise.all([
    clickhouse.query<StoredAccepted>(READ_ACCEPTED, params),
    clickhouse.query<StoredRejected>(READ_REJECTED, params),
  ]);
  return {
    accepted: accepted.map((row) => ({
      generation: Number(row.generation),
      partition: Number(row.partition),
      offset: row.offset_text,
      type: row.type,
      subject: row.subject,
      data: row.data,
      eventTime: Number(row.event_ms),
      receivedAt: Number(row.received_ms),
    })),
    rejected: rejected.map(({ reason, code, message, subject, received_ms }) => ({
      reason,
      code,
      message,
      subject,
      receivedAt: Number(received_ms),
    })),
  };
}
