// The rows of a flush as blocks of an insert, and the checksums by which stored rows are compared with their seal. A
// checksum is a sum modulo 2^64 over rows, so it does not depend on their order. The SQL beside each table computes the
// same from stored rows.
import { xxh64 } from '@node-rs/xxhash';
import { type OutcomeCounts, outcomes } from '../../domain/metering/event-outcome.ts';
import { type RowSet, wrap64 } from '../../domain/sealing/row-set.ts';
import { type InsertBody, NativeBlock } from '../../platform/clickhouse/native-block.ts';
import {
  eventColumns,
  manifestColumns,
  rejectColumns,
  revisedRollUpColumns,
  revisedTotalColumns,
  rollUpColumns,
  totalColumns,
} from '../../platform/usage-store/chunk-tables.ts';
import type { AcceptedEvent, RejectedEvent } from '../core/partition-state.ts';
import type { RollUpRow } from '../core/roll-up.ts';
import type { TotalRow } from '../core/totals.ts';
import { writeRejectedEvent } from './rejected-event.ts';

/** Where a row belongs. Together with its keys, this names it. */
export interface ChunkCoordinates {
  readonly generation: number;
  readonly partition: number;
  readonly chunk: number;
  readonly epoch: bigint;
  /** epoch * 2^40 + (next offset - start offset of the chunk). */
  readonly version: bigint;
  /** Absent: 0, what the log alone says. */
  readonly revision?: number;
}

const NO_KEY = Buffer.alloc(16);

const eventChecksum = (dedupKey: Buffer, payloadHash: bigint): bigint => dedupKey.readBigUInt64LE(0) ^ payloadHash;

export function eventRows(
  at: ChunkCoordinates,
  accepted: readonly AcceptedEvent[],
): { body: InsertBody; rows: RowSet } {
  const block = new NativeBlock(eventColumns, { ...at }, accepted.length);
  let checksum = 0n;
  for (const { offset, index, decidedAt, event } of accepted) {
    block.whole(offset);
    block.whole(index);
    block.text(event.tenant);
    block.text(event.source);
    block.text(event.id);
    block.text(event.type);
    block.text(event.subject);
    block.millis(event.eventTime);
    block.boolean(event.timeGiven);
    block.millis(event.receivedAt);
    block.millis(decidedAt);
    block.bytes(event.dedupKey);
    block.integer(event.payloadHash);
    block.text(event.data);
    block.endRow();
    checksum += eventChecksum(event.dedupKey, event.payloadHash);
  }
  return { body: block.finish(), rows: { count: block.rows, checksum: wrap64(checksum) } };
}

/** The columns that stay empty for a meter that needs no latest and no unique values. */
export const noLatestNoUnique = {
  latest_event_time: 0,
  latest_accepted_at: 0,
  latest_offset: 0,
  latest_index: 0,
  unique_values: 0,
};

/** Also sets each row's `rowHash`. */
export function rollUpRows(at: ChunkCoordinates, dirty: readonly RollUpRow[]): InsertBody {
  const columns = at.revision === undefined ? rollUpColumns : revisedRollUpColumns;
  const block = new NativeBlock(columns, { ...at }, dirty.length);
  for (const row of dirty) {
    block.text(row.tenant);
    block.text(row.meter.slug);
    block.text(row.subject);
    block.seconds(row.windowStart);
    block.jsonTexts(row.groupValues);
    block.integer(row.value);
    block.whole(row.eventCount);
    // The hash leaves out the columns that say where the row belongs, since it is found by them, and the versions: two
    // owners that write the same row have different ones.
    row.rowHash = xxh64(block.rowBytes());
    block.whole(row.latest?.eventTime ?? 0);
    block.whole(row.latest?.acceptedAt ?? 0);
    block.whole(row.latest?.place[0] ?? 0);
    block.whole(row.latest?.place[1] ?? 0);
    block.texts(row.uniqueValues === null ? [] : [...row.uniqueValues].sort());
    // A row that has neither latest nor unique values keeps the hash it has.
    const more = block.rowBytes();
    if (row.latest !== null || row.uniqueValues !== null) row.rowHash = xxh64(more, row.rowHash);
    block.integer(row.rowHash);
    block.endRow();
  }
  return block.finish();
}

/** Also sets each row's `rowHash`. The rest has no group values. */
export function totalRows(at: ChunkCoordinates, dirty: readonly TotalRow[]): InsertBody {
  const columns = at.revision === undefined ? totalColumns : revisedTotalColumns;
  const block = new NativeBlock(columns, { ...at }, dirty.length);
  for (const row of dirty) {
    block.text(row.tenant);
    block.text(row.meter.slug);
    block.seconds(row.windowStart);
    if (row.groupValues === null) block.text('');
    else block.jsonTexts(row.groupValues);
    block.integer(row.value);
    block.whole(row.eventCount);
    row.rowHash = xxh64(block.rowBytes());
    block.integer(row.rowHash);
    block.endRow();
  }
  return block.finish();
}

/** Of roll-ups or totals, as they were last taken. */
export function rollUpRowSet(rows: Iterable<Pick<RollUpRow, 'rowHash'>>): RowSet {
  let count = 0;
  let checksum = 0n;
  for (const { rowHash } of rows) {
    count++;
    checksum += rowHash;
  }
  return { count, checksum: wrap64(checksum) };
}

export function rejectRows(
  at: ChunkCoordinates,
  rejected: readonly RejectedEvent[],
): { body: InsertBody; rows: RowSet } {
  const block = new NativeBlock(rejectColumns, { ...at }, rejected.length);
  let checksum = 0n;
  for (const { offset, index, decidedAt, outcome, code, message, event, bytes } of rejected) {
    const stored = bytes ?? Buffer.from(event === null ? '' : writeRejectedEvent(event), 'utf8');
    block.whole(offset);
    block.whole(index);
    block.text(outcome);
    block.text(code);
    block.text(message);
    block.text(event?.tenant ?? '');
    block.text(event?.source ?? '');
    block.text(event?.id ?? '');
    block.text(event?.type ?? '');
    block.text(event?.subject ?? '');
    block.millis(event?.eventTime ?? decidedAt);
    block.millis(event?.receivedAt ?? decidedAt);
    block.millis(decidedAt);
    block.bytes(event?.dedupKey ?? NO_KEY);
    block.integer(event?.payloadHash ?? 0n);
    block.bytes(stored);
    block.endRow();
    checksum += xxh64(stored);
  }
  return { body: block.finish(), rows: { count: block.rows, checksum: wrap64(checksum) } };
}

export interface Manifest {
  readonly startOffset: number;
  readonly nextOffset: number;
  readonly startedAt: number;
  readonly partitionTime: number;
  readonly outcomes: Readonly<OutcomeCounts>;
}

export function manifestRow(at: ChunkCoordinates, manifest: Manifest): InsertBody {
  const block = new NativeBlock(manifestColumns, { ...at }, 1);
  block.whole(manifest.startOffset);
  block.whole(manifest.nextOffset);
  block.millis(manifest.startedAt);
  block.millis(manifest.partitionTime);
  for (const outcome of outcomes) block.whole(manifest.outcomes[outcome]);
  block.endRow();
  return block.finish();
}
