// The rows of an insert, read from the blocks that the aggregator writes.
import { xxh64 } from '@node-rs/xxhash';
import type { NativeRows } from '../../support/native-rows.ts';
import { DAY } from '../plan.ts';

export interface EventRow {
  readonly kind: 'event';
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
  readonly index: number;
  readonly epoch: number;
  readonly tenant: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly eventTime: number;
  readonly acceptedAt: number;
  readonly data: string;
  /** The columns that the dedup index is rebuilt from, as RowBinary. */
  readonly indexed: Buffer;
  readonly checksum: bigint;
}

export interface RollUpRow {
  readonly kind: 'roll-up';
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  /** 0: what the log alone says. */
  readonly revision: number;
  readonly epoch: number;
  readonly version: number;
  readonly tenant: string;
  readonly meter: string;
  readonly subject: string;
  readonly windowStart: number;
  readonly groupValues: readonly string[];
  /** In 10^-12. */
  readonly value: bigint;
  readonly eventCount: number;
  /** Event time, T, offset, index: the order of a `latest` meter's values. */
  readonly latest: readonly [number, number, number, number];
  readonly uniqueValues: readonly string[];
  readonly checksum: bigint;
}

/** A roll-up of all subjects. */
export interface TotalRow {
  readonly kind: 'total';
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  /** 0: what the log alone says. */
  readonly revision: number;
  readonly epoch: number;
  readonly version: number;
  readonly tenant: string;
  readonly meter: string;
  readonly windowStart: number;
  /** As it is stored. */
  readonly groupText: string;
  /** In 10^-12. */
  readonly value: bigint;
  readonly eventCount: number;
  readonly checksum: bigint;
}

export interface RejectRow {
  readonly kind: 'reject';
  readonly generation: number;
  readonly partition: number;
  readonly offset: number;
  readonly index: number;
  readonly epoch: number;
  readonly reason: string;
  readonly tenant: string;
  readonly checksum: bigint;
}

export type Row = EventRow | RollUpRow | TotalRow | RejectRow;

/** The first Monday of UTC, and the week of a time, counted from there. */
const MONDAY = Date.UTC(1970, 0, 5);
const weekOf = (time: number): string => String(Math.floor((time - MONDAY) / (7 * DAY)));

interface Place {
  readonly generation: number;
  readonly partition: number;
  readonly epoch: number;
}

function placesOf(rows: NativeRows): (row: number) => Place {
  const [generations, partitions, epochs] = ['generation', 'partition', 'epoch'].map((name) => rows.numbers(name));
  return (i) => ({ generation: generations![i]!, partition: partitions![i]!, epoch: epochs![i]! });
}

export function eventRows(rows: NativeRows): EventRow[] {
  const place = placesOf(rows);
  const [tenants, ids, types, subjects, data] = ['tenant', 'id', 'type', 'subject', 'data'].map((name) =>
    rows.texts(name),
  ) as [string[], string[], string[], string[], string[]];
  const [offsets, indexes] = [rows.numbers('offset'), rows.numbers('index')];
  const [accepted, eventTimes] = [rows.numbers('accepted_at'), rows.numbers('event_time')];
  const hashes = rows.integers('payload_hash');
  return rows.bytes('dedup_key').map((dedupKey, i) => {
    const at = place(i);
    const payloadHash = hashes[i]!;
    const liveUntil = Math.max(accepted[i]!, eventTimes[i]!);
    return {
      kind: 'event',
      ...at,
      offset: offsets[i]!,
      index: indexes[i]!,
      tenant: tenants[i]!,
      id: ids[i]!,
      ...{ type: types[i]!, subject: subjects[i]!, data: data[i]! },
      ...{ eventTime: eventTimes[i]!, acceptedAt: accepted[i]! },
      indexed: indexedColumns(dedupKey, payloadHash, liveUntil, offsets[i]!, at.epoch),
      checksum: dedupKey.readBigUInt64LE(0) ^ payloadHash,
    };
  });
}

const revisionsOf = (rows: NativeRows): number[] =>
  rows.has('revision') ? rows.numbers('revision') : Array.from({ length: rows.count }, () => 0);

export function rollUpRows(rows: NativeRows): RollUpRow[] {
  const place = placesOf(rows);
  const revisions = revisionsOf(rows);
  const [tenants, meters, subjects] = ['tenant', 'meter', 'subject'].map((name) => rows.texts(name));
  const [chunks, versions, windows] = ['chunk', 'version', 'window_start'].map((name) => rows.numbers(name));
  const [groups, uniques] = [rows.texts('group_values'), rows.lists('unique_values')];
  const latest = ['event_time', 'accepted_at', 'offset', 'index'].map((name) => rows.numbers(`latest_${name}`));
  const [values, hashes] = [rows.integers('value'), rows.integers('row_hash')];
  return rows.numbers('event_count').map((eventCount, i) => ({
    kind: 'roll-up',
    ...place(i),
    revision: revisions[i]!,
    chunk: chunks![i]!,
    version: versions![i]!,
    tenant: tenants![i]!,
    meter: meters![i]!,
    subject: subjects![i]!,
    windowStart: windows![i]! * 1000,
    groupValues: JSON.parse(groups[i]!) as string[],
    value: values[i]!,
    eventCount,
    latest: [latest[0]![i]!, latest[1]![i]!, latest[2]![i]!, latest[3]![i]!],
    uniqueValues: uniques[i]!,
    checksum: hashes[i]!,
  }));
}

export function totalRows(rows: NativeRows): TotalRow[] {
  const place = placesOf(rows);
  const revisions = revisionsOf(rows);
  const [tenants, meters, groups] = ['tenant', 'meter', 'group_values'].map((name) => rows.texts(name));
  const [chunks, versions, windows] = ['chunk', 'version', 'window_start'].map((name) => rows.numbers(name));
  const [values, hashes] = [rows.integers('value'), rows.integers('row_hash')];
  return rows.numbers('event_count').map((eventCount, i) => ({
    kind: 'total',
    ...place(i),
    ...{
      revision: revisions[i]!,
      chunk: chunks![i]!,
      version: versions![i]!,
      tenant: tenants![i]!,
      meter: meters![i]!,
    },
    ...{ windowStart: windows![i]! * 1000, groupText: groups![i]!, value: values[i]!, eventCount },
    checksum: hashes[i]!,
  }));
}

export function rejectRows(rows: NativeRows): RejectRow[] {
  const place = placesOf(rows);
  const [reasons, tenants] = [rows.texts('reason'), rows.texts('tenant')];
  const [offsets, indexes] = [rows.numbers('offset'), rows.numbers('index')];
  return rows.bytes('bytes').map((bytes, i) => ({
    kind: 'reject',
    ...place(i),
    offset: offsets[i]!,
    index: indexes[i]!,
    reason: reasons[i]!,
    tenant: tenants[i]!,
    checksum: xxh64(bytes),
  }));
}

export function manifestRows(rows: NativeRows): Place[] {
  const place = placesOf(rows);
  return rows.numbers('chunk').map((_, i) => place(i));
}

/** The month or week, by row, by which a table is partitioned: an insert makes a part for each. */
export function spansOf(table: string, rows: NativeRows): readonly string[] {
  const months = (column: string): string[] =>
    rows.numbers(column).map((time) => new Date(time).toISOString().slice(0, 7));
  switch (table) {
    case 'usage_events':
      return months('accepted_at');
    case 'usage_rollups':
    case 'usage_totals':
      return rows.numbers('window_start').map((seconds) => weekOf(seconds * 1000));
    case 'event_rejects':
      return months('rejected_at');
    case 'manifests':
      return months('started_at');
    default:
      throw new Error(`the model has no table ${table}`);
  }
}

/** Names a roll-up within its partition. */
export const rollUpKey = (row: RollUpRow): string => {
  const { generation, chunk, tenant, meter, subject, windowStart, groupValues, revision } = row;
  return JSON.stringify([generation, chunk, revision, tenant, meter, subject, windowStart, groupValues]);
};

/** Names a total within its partition. */
export const totalKey = (row: TotalRow): string => {
  const { generation, chunk, tenant, meter, windowStart, groupText, revision } = row;
  return JSON.stringify([generation, chunk, revision, tenant, meter, windowStart, groupText]);
};

/** Names an event or a reject. */
export const placeKey = ({ generation, offset, index }: EventRow | RejectRow): string =>
  `${generation}/${offset}/${index}`;

function indexedColumns(
  dedupKey: Buffer,
  payloadHash: bigint,
  liveUntil: number,
  offset: number,
  epoch: number,
): Buffer {
  const bytes = Buffer.allocUnsafe(48);
  dedupKey.copy(bytes);
  bytes.writeBigUInt64LE(payloadHash, 16);
  bytes.writeBigInt64LE(BigInt(liveUntil), 24);
  bytes.writeBigUInt64LE(BigInt(offset), 32);
  bytes.writeBigUInt64LE(BigInt(epoch), 40);
  return bytes;
}
