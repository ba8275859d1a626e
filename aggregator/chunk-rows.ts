// The rows of a flush as insert bodies, and the checksums by which a seal is compared with what was stored. A checksum is
// a sum modulo 2^64 over rows, so it does not depend on their order; the SQL beside each computes it from stored rows.
import { xxh64 } from '@node-rs/xxhash';
import { formatQuantity } from '../domain/quantity.ts';
import { TabSeparatedBody } from '../platform/clickhouse/tab-separated.ts';
import type { AcceptedEvent, RejectedEvent } from './core/partition-state.ts';
import type { RollUpRow } from './core/roll-up.ts';
import { writeRejectedEvent } from './rejected-event.ts';

/** Part of every row's name. */
export interface ChunkCoordinates {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: bigint;
  /** epoch * 2^40 + (next offset - start offset of the chunk). */
  readonly version: bigint;
}

export interface RowSet {
  readonly count: number;
  readonly checksum: bigint;
}

export const wrap64 = (value: bigint): bigint => BigInt.asUintN(64, value);

export const noRows: RowSet = { count: 0, checksum: 0n };
export const plusRows = (a: RowSet, b: RowSet): RowSet => ({
  count: a.count + b.count,
  checksum: wrap64(a.checksum + b.checksum),
});

const NO_KEY = Buffer.alloc(16);

export const eventColumns = [
  ...['generation', 'partition', 'offset', 'index', 'epoch', 'tenant', 'source', 'id', 'type', 'subject', 'event_time'],
  ...['time_given', 'received_at', 'accepted_at', 'dedup_key', 'payload_hash', 'data'],
];
export const eventChecksumSql = 'sum(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash))';

const eventChecksum = (dedupKey: Buffer, payloadHash: bigint): bigint => dedupKey.readBigUInt64LE(0) ^ payloadHash;

export function eventRows(at: ChunkCoordinates, accepted: readonly AcceptedEvent[]): { body: Buffer; rows: RowSet } {
  const body = new TabSeparatedBody();
  let checksum = 0n;
  for (const { offset, index, decidedAt, event } of accepted) {
    body.number(at.generation);
    body.number(at.partition);
    body.number(offset);
    body.number(index);
    body.number(at.epoch);
    body.text(event.tenant);
    body.text(event.source);
    body.text(event.id);
    body.text(event.type);
    body.text(event.subject);
    body.millis(event.eventTime);
    body.boolean(event.timeGiven);
    body.millis(event.receivedAt);
    body.millis(decidedAt);
    body.bytes(event.dedupKey);
    body.number(event.payloadHash);
    body.text(event.data);
    body.endRow();
    checksum += eventChecksum(event.dedupKey, event.payloadHash);
  }
  return { body: body.finish(), rows: { count: body.rows, checksum: wrap64(checksum) } };
}

export const rollUpColumns = [
  ...['tenant', 'meter', 'subject', 'window_start', 'group_values', 'generation', 'partition', 'chunk', 'value'],
  ...['event_count', 'latest_event_time', 'latest_accepted_at', 'latest_offset', 'latest_index', 'unique_values'],
  ...['epoch', 'version', 'row_hash'],
];
export const rollUpChecksumSql = 'sum(row_hash)';

/** Also sets each row's `rowHash`. */
export function rollUpRows(at: ChunkCoordinates, dirty: readonly RollUpRow[]): Buffer {
  const body = new TabSeparatedBody();
  for (const row of dirty) {
    const start = body.byteLength;
    body.text(row.tenant);
    body.text(row.meter.slug);
    body.text(row.subject);
    body.seconds(row.windowStart);
    body.jsonTexts(row.groupValues);
    body.number(at.generation);
    body.number(at.partition);
    body.number(at.chunk);
    body.number(formatQuantity(row.value));
    body.number(row.eventCount);
    body.number(row.latest?.eventTime ?? 0);
    body.number(row.latest?.acceptedAt ?? 0);
    body.number(row.latest?.offset ?? 0);
    body.number(row.latest?.index ?? 0);
    body.texts(row.uniqueValues === null ? [] : [...row.uniqueValues].sort());
    // Everything but the versions, which differ between owners that write the same row.
    row.rowHash = xxh64(body.since(start));
    body.number(at.epoch);
    body.number(at.version);
    body.number(row.rowHash);
    body.endRow();
  }
  return body.finish();
}

export function rollUpRowSet(rows: Iterable<RollUpRow>): RowSet {
  let count = 0;
  let checksum = 0n;
  for (const { rowHash } of rows) {
    count++;
    checksum += rowHash;
  }
  return { count, checksum: wrap64(checksum) };
}

export const rejectColumns = [
  ...['generation', 'partition', 'offset', 'index', 'epoch', 'reason', 'code', 'message', 'tenant', 'source', 'id'],
  ...['type', 'subject', 'event_time', 'received_at', 'rejected_at', 'dedup_key', 'payload_hash', 'bytes'],
];
export const rejectChecksumSql = 'sum(xxHash64(bytes))';

export function rejectRows(at: ChunkCoordinates, rejected: readonly RejectedEvent[]): { body: Buffer; rows: RowSet } {
  const body = new TabSeparatedBody();
  let checksum = 0n;
  for (const { offset, index, decidedAt, outcome, code, message, event, bytes } of rejected) {
    const stored = bytes ?? Buffer.from(event === null ? '' : writeRejectedEvent(event), 'utf8');
    body.number(at.generation);
    body.number(at.partition);
    body.number(offset);
    body.number(index);
    body.number(at.epoch);
    body.text(outcome);
    body.text(code);
    body.text(message);
    body.text(event?.tenant ?? '');
    body.text(event?.source ?? '');
    body.text(event?.id ?? '');
    body.text(event?.type ?? '');
    body.text(event?.subject ?? '');
    body.millis(event?.eventTime ?? decidedAt);
    body.millis(event?.receivedAt ?? decidedAt);
    body.millis(decidedAt);
    body.bytes(event?.dedupKey ?? NO_KEY);
    body.number(event?.payloadHash ?? 0n);
    body.bytes(stored);
    body.endRow();
    checksum += xxh64(stored);
  }
  return { body: body.finish(), rows: { count: body.rows, checksum: wrap64(checksum) } };
}

export const manifestColumns = [
  ...['generation', 'partition', 'chunk', 'epoch', 'version', 'start_offset', 'next_offset', 'started_at', 'watermark'],
  ...['accepted', 'duplicate', 'conflict', 'too_late', 'poison'],
];

export interface Manifest {
  readonly startOffset: number;
  readonly nextOffset: number;
  readonly startedAt: number;
  readonly watermark: number;
  readonly outcomes: Readonly<Record<'accepted' | 'duplicate' | 'conflict' | 'too_late' | 'poison', number>>;
}

export function manifestRow(at: ChunkCoordinates, manifest: Manifest): Buffer {
  const body = new TabSeparatedBody();
  body.number(at.generation);
  body.number(at.partition);
  body.number(at.chunk);
  body.number(at.epoch);
  body.number(at.version);
  body.number(manifest.startOffset);
  body.number(manifest.nextOffset);
  body.millis(manifest.startedAt);
  body.millis(manifest.watermark);
  const { accepted, duplicate, conflict, too_late, poison } = manifest.outcomes;
  for (const count of [accepted, duplicate, conflict, too_late, poison]) body.number(count);
  body.endRow();
  return body.finish();
}
