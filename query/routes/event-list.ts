// Finds what the log's owners made of the events that came in a range of time: rows of those that were accepted and of
// those that were not, in one order.
//
// No FINAL: the versions of a row share every column that a condition names, and lie side by side in the order of a
// list, the newest first. Each table gives at most as many rows as a page has and one more; where it gives that many it
// may have others, so a page ends before the last of them.
import { comparePlaces, type EventPlace, type EventsRequest, type ListedState } from '../core/event-page.ts';
import type { UsageReads } from '../stores/store-reads.ts';

/** Times in milliseconds since the epoch. */
interface ListedEvent extends EventPlace {
  readonly state: ListedState;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly eventTime: number;
  /** Why it was not counted; "" where it was. */
  readonly code: string;
  readonly reason: string;
}

export interface EventPage {
  readonly events: readonly ListedEvent[];
  /** The last place that the page has looked at; null: there is nothing behind it. */
  readonly end: EventPlace | null;
}

interface StoredEvent {
  readonly state: ListedState;
  readonly generation: number;
  readonly partition: number;
  readonly offset_text: string;
  readonly index: number;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly event_ms: string;
  readonly received_ms: string;
  readonly code: string;
  readonly reason_text: string;
}

type EventTable = 'usage_events' | 'event_rejects';

const decided: Readonly<Record<EventTable, string>> = {
  usage_events: "'accepted' AS state, '' AS code, '' AS reason_text",
  event_rejects: "if(reason = 'poison', 'rejected', reason) AS state, code, message AS reason_text",
};

const at = (name: string): string => `fromUnixTimestamp64Milli({${name}:Int64}, 'UTC')`;

function statementOf(table: EventTable, tenant: string, { selection, limit, after }: EventsRequest) {
  const { from, to, subject, type, state } = selection;
  const params: Record<string, unknown> = { tenant, from: Math.max(from, after?.receivedAt ?? 0), rows_max: limit + 1 };
  const conditions = ['tenant = {tenant:String}', `received_at >= ${at('from')}`];
  const add = (condition: string, name: string, value: unknown): void => {
    conditions.push(condition);
    params[name] = value;
  };
  if (to !== null) add(`received_at < ${at('to')}`, 'to', to);
  if (subject !== null) add('subject = {subject:String}', 'subject', subject);
  if (type !== null) add('type = {type:String}', 'type', type);
  if (table === 'event_rejects' && state !== null) {
    add('reason = {reason:String}', 'reason', state === 'rejected' ? 'poison' : state);
  }
  let behind = '';
  if (after !== null) {
    behind =
      ` WHERE (received_at, generation, partition, offset, index) > ` +
      `(${at('after')}, {generation:UInt16}, {partition:UInt16}, {offset:UInt64}, {index:UInt32})`;
    const { receivedAt, ...place } = after;
    Object.assign(params, { after: receivedAt, ...place });
  }
  const sql =
    `SELECT ${decided[table]}, generation, partition, toString(offset) AS offset_text, index, id, source, type, subject, ` +
    `toString(toUnixTimestamp64Milli(event_time)) AS event_ms, ` +
    `toString(toUnixTimestamp64Milli(received_at)) AS received_ms ` +
    `FROM ${table} PREWHERE ${conditions.join(' AND ')}${behind} ` +
    'ORDER BY received_at, generation, partition, offset, index, epoch DESC LIMIT {rows_max:UInt64}';
  return { sql, params };
}

const eventOf = (row: StoredEvent): ListedEvent => ({
  state: row.state,
  receivedAt: Number(row.received_ms),
  generation: Number(row.generation),
  partition: Number(row.partition),
  offset: row.offset_text,
  index: Number(row.index),
  id: row.id,
  source: row.source,
  type: row.type,
  subject: row.subject,
  eventTime: Number(row.event_ms),
  code: row.code,
  reason: row.reason_text,
});

/** The tables that have events of the request. */
export const eventTablesOf = ({ selection: { state } }: EventsRequest): readonly EventTable[] =>
  state === null ? ['usage_events', 'event_rejects'] : state === 'accepted' ? ['usage_events'] : ['event_rejects'];

export async function readEventPage(
  clickhouse: UsageReads,
  tenant: string,
  request: EventsRequest,
): Promise<EventPage> {
  const { limit } = request;
  const found = await Promise.all(
    eventTablesOf(request).map(async (table) => {
      const { sql, params } = statementOf(table, tenant, request);
      return (await clickhouse.query<StoredEvent>(sql, params)).map(eventOf);
    }),
  );
  const ends = found.filter((rows) => rows.length > limit).map((rows) => rows.at(-1)!);
  const end = ends.toSorted(comparePlaces)[0] ?? null;
  const rows = found
    .flat()
    .sort(comparePlaces)
    .filter((row, i, all) => i === 0 || comparePlaces(all[i - 1]!, row) !== 0)
    .filter((row) => end === null || comparePlaces(row, end) <= 0);
  const events = rows.slice(0, limit);
  // A table may be full of versions of fewer rows than a page has.
  if (rows.length <= limit) return { events, end };
  return { events, end: events.at(-1)! };
}
