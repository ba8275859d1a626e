// A log's worth of records, made before anything is measured. Time in it passes as if a partition received 5,000 events
// a second (60,000 a second over 12 partitions), so that chunks are cut as often per event as in production.
import { partitionOf, type UsageEvent } from '../../domain/usage-event.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { encodeEventBatch, encodeTick } from '../../platform/event-log/record-codec.ts';
import { UsageStream, usageEvent, type Workload } from './usage-stream.ts';

export const RECORD_EVENTS = 500;
const RECORD_MS = 100;

export interface RecordsWanted {
  readonly workload: Workload;
  readonly events: number;
  readonly partitions: number;
  /** Offset of each partition's first record. */
  readonly fromOffset?: number;
  /** Milliseconds since the epoch at which the last record is appended. */
  readonly until: number;
  /** True: a last tick ends the open chunk of each partition. */
  readonly isEnded: boolean;
}

/** Records of each partition in order, and their events. */
export function makeRecords(wanted: RecordsWanted): LogRecord[][] {
  const { events, partitions, fromOffset = 0, until } = wanted;
  const stream = new UsageStream(wanted.workload);
  const start = until - Math.ceil(events / partitions / RECORD_EVENTS) * RECORD_MS;
  const records: LogRecord[][] = Array.from({ length: partitions }, () => []);
  const open: UsageEvent[][] = Array.from({ length: partitions }, () => []);
  const timeOf = (partition: number): number => start + records[partition]!.length * RECORD_MS;
  const append = (partition: number, value: Buffer, appendTime: number): void => {
    const ofPartition = records[partition]!;
    ofPartition.push({ offset: fromOffset + ofPartition.length, appendTime, value });
  };
  for (let drawn = 0; drawn < events; drawn++) {
    const event = usageEvent(stream.next(), start + Math.floor((drawn / events) * (until - start)), start);
    const partition = partitionOf(event.dedupKey, partitions);
    const batch = open[partition]!;
    batch.push(event);
    if (batch.length < RECORD_EVENTS) continue;
    append(partition, encode(batch, timeOf(partition)), timeOf(partition));
    batch.length = 0;
  }
  for (const [partition, batch] of open.entries()) {
    if (batch.length > 0) append(partition, encode(batch, timeOf(partition)), timeOf(partition));
    if (wanted.isEnded) append(partition, encodeTick({ sentAt: until }), until + 60_000);
  }
  return records;
}

function encode(events: readonly UsageEvent[], receivedAt: number): Buffer {
  // A buffer of its own size: the encoder's has room for three bytes a character.
  return Buffer.from(encodeEventBatch(events.map((event) => ({ ...event, receivedAt }))));
}
