// Feeds poison back into the log once its cause is mended (a meter that was wrong, a version that could not read a
// record). An event gets a new place in the log and is decided anew. One that has been accepted since then is left out;
// if it is appended all the same, it is a duplicate and counts nothing. The reject stays, as a record of what happened.

import { partitionOf, type UsageEvent } from '../domain/usage-event.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { encodeEventBatch } from '../platform/event-log/record-codec.ts';
import { readRejectedEvent } from './counting/rejected-event.ts';
export interface RejectSelection {
  /** A reject's code, e.g. invalid_value; null: any. */
  readonly code: string | null;
  readonly tenant: string | null;
  /** Bounds of the time of the decision, milliseconds since the epoch; null: unbounded. */
  readonly from: number | null;
  readonly to: number | null;
}

export interface ReplayResult {
  readonly events: number;
  /** Records that could not be read, appended again as they are. */
  readonly records: number;
}

const BATCH_EVENTS_MAX = 500;
const MALFORMED = 'malformed_record';
// A bad name stays bad. And the row of a tenant that can't be stored does not hold its name, so the event would be fed
// back as one of another tenant.
const INVALID_NAME = 'invalid_name';

/** Resolves once everything replayed is durable in the log. */
export async function replayRejects(
  clickhouse: ClickHouse,
  eventLog: EventLog,
  selection: RejectSelection,
): Promise<ReplayResult> {
  const rejects = clickhouse.stream(
    `SELECT partition, code, tenant, hex(dedup_key), toString(payload_hash), toUnixTimestamp64Milli(event_time),
        toUnixTimestamp64Milli(received_at), hex(bytes)
      FROM event_rejects FINAL
      WHERE reason = 'poison' AND code != '${INVALID_NAME}'
        AND ({code:String} = '' OR code = {code:String}) AND ({tenant:String} = '' OR tenant = {tenant:String})
        AND toUnixTimestamp64Milli(rejected_at) >= {from:Int64} AND toUnixTimestamp64Milli(rejected_at) < {to:Int64}
        AND (code = '${MALFORMED}' OR dedup_key NOT IN (SELECT dedup_key FROM usage_events FINAL))
      ORDER BY generation, partition, offset, index
      LIMIT 1 BY generation, partition, dedup_key, bytes`,
    {
      code: selection.code ?? '',
      tenant: selection.tenant ?? '',
      from: selection.from ?? 0,
      to: selection.to ?? Number.MAX_SAFE_INTEGER,
    },
  );
  const batches = new Map<number, UsageEvent[]>();
  const result = { events: 0, records: 0 };
  const append = async (partition: number, events: readonly UsageEvent[]): Promise<void> => {
    await eventLog.append(partition, [encodeEventBatch(events)]);
    result.events += events.length;
  };
  for await (const rows of rejects) {
    for (const row of rows) {
      const [home, code, tenant, key, hash, eventTime, receivedAt, hex] = row as [number, ...string[]] as [
        ...[number, string, string, string],
        ...[string, string, string, string],
      ];
      const bytes = Buffer.from(hex, 'hex');
      if (code === MALFORMED) {
        await eventLog.append(home, [bytes]);
        result.records++;
        continue;
      }
      const dedupKey = Buffer.from(key, 'hex');
      const event: UsageEvent = {
        ...readRejectedEvent(bytes.toString('utf8')),
        tenant,
        dedupKey,
        payloadHash: BigInt(hash),
        eventTime: Number(eventTime),
        receivedAt: Number(receivedAt),
      };
      const partition = partitionOf(dedupKey, eventLog.partitions);
      const batch = batches.get(partition) ?? [];
      batch.push(event);
      batches.set(partition, batch);
      if (batch.length < BATCH_EVENTS_MAX) continue;
      batches.delete(partition);
      await append(partition, batch);
    }
  }
  for (const [partition, batch] of batches) await append(partition, batch);
  return result;
}
