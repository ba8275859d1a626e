// The events that the fast counter accepted since the last flush: where each lies in its record. Their rows are made
// from the record's bytes at the flush. Until then the bytes are kept in pages of our own, a copy. So the buffers of
// the log are garbage at once, and V8 collects young garbage at little cost.

import { wrap64 } from '../../../domain/sealing/row-set.ts';
import { NativeBlock } from '../../../platform/clickhouse/native-block.ts';
import type { LogRecord } from '../../../platform/event-log/event-log.ts';
import { pagePool } from '../../../platform/page-pool.ts';
import { eventColumns } from '../../../platform/usage-store/chunk-tables.ts';
import type { ChunkCoordinates } from '../chunk-rows.ts';
import type { NewRows } from '../counter.ts';
import { EventCursor } from './event-cursor.ts';

const EVENTS_MIN = 1 << 6;
const PAGE_BYTES = 1 << 16;

interface AcceptingRecord {
  readonly offset: number;
  readonly bytes: Buffer;
  /** T when its events were decided. */
  readonly decidedAt: number;
  /** The first of its events in the columns. */
  readonly first: number;
}

export class AcceptedEvents {
  private readonly cursor = new EventCursor();
  private records: AcceptingRecord[] = [];
  private readonly pages: Buffer[] = [];
  /** Used of the last page. */
  private usedBytes = 0;
  // Of each event: its place in the record, and where it begins in the record's bytes.
  private indexes = new Int32Array(EVENTS_MIN);
  private starts = new Int32Array(EVENTS_MIN);
  size = 0;

  /** The events that are added from now on belong to this record. */
  enter({ offset, value }: LogRecord, decidedAt: number): void {
    this.records.push({ offset, bytes: this.keep(value), decidedAt, first: this.size });
  }

  private keep(value: Uint8Array): Buffer {
    let page = this.pages.at(-1);
    if (page === undefined || this.usedBytes + value.length > page.length) {
      page = pagePool.take(Math.max(PAGE_BYTES, value.length)).bytes;
      this.pages.push(page);
      this.usedBytes = 0;
    }
    const from = this.usedBytes;
    page.set(value, from);
    this.usedBytes += value.length;
    return page.subarray(from, this.usedBytes);
  }

  add(index: number, start: number): void {
    if (this.size === this.starts.length) {
      const { indexes, starts } = this;
      this.indexes = new Int32Array(this.size * 2);
      this.indexes.set(indexes);
      this.starts = new Int32Array(this.size * 2);
      this.starts.set(starts);
    }
    this.indexes[this.size] = index;
    this.starts[this.size++] = start;
  }

  /** By the offset of each record: when a gateway received the first event that was added of it. */
  receivedAt(): Map<number, number> {
    const { cursor } = this;
    const times = new Map<number, number>();
    for (const { offset, bytes, first } of this.accepting()) {
      cursor.read(bytes, this.starts[first]!);
      times.set(offset, cursor.receivedAt);
    }
    return times;
  }

  private accepting(): AcceptingRecord[] {
    return this.records.filter(({ first }, i) => first < (this.records[i + 1]?.first ?? this.size));
  }

  /** The rows of usage_events, as chunk-rows.ts writes them. */
  rows(at: ChunkCoordinates): NewRows {
    const { cursor } = this;
    const records = this.accepting();
    const block = new NativeBlock(eventColumns, { ...at }, this.size);
    // Sums of 32-bit words: a double holds them exactly up to two million events.
    let checksumLow = 0;
    let checksumHigh = 0;
    let checksum = 0n;
    for (const [i, { offset, bytes: record, decidedAt, first }] of records.entries()) {
      const end = records[i + 1]?.first ?? this.size;
      for (let event = first; event < end; event++) {
        cursor.read(record, this.starts[event]!);
        const { bytes, start, hashLow, hashHigh } = cursor;
        block.whole(offset);
        block.whole(this.indexes[event]!);
        block.slice(bytes, cursor.tenant, cursor.tenantEnd);
        block.slice(bytes, cursor.source, cursor.sourceEnd);
        block.slice(bytes, cursor.id, cursor.idEnd);
        block.slice(bytes, cursor.type, cursor.typeEnd);
        block.slice(bytes, cursor.subject, cursor.subjectEnd);
        block.millis(cursor.eventTime);
        block.boolean(cursor.isTimeGiven);
        block.millis(cursor.receivedAt);
        block.millis(decidedAt);
        block.slice(bytes, start, start + 16);
        block.words(hashHigh, hashLow);
        block.slice(bytes, cursor.data, cursor.dataEnd);
        block.endRow();
        checksumLow += (cursor.keyWord(0) ^ hashLow) >>> 0;
        checksumHigh += (cursor.keyWord(1) ^ hashHigh) >>> 0;
      }
      checksum += (BigInt(checksumHigh) << 32n) + BigInt(checksumLow);
      checksumLow = 0;
      checksumHigh = 0;
    }
    return { body: block.finish(), rows: { count: this.size, checksum: wrap64(checksum) } };
  }

  clear(): void {
    this.records = [];
    this.size = 0;
    pagePool.giveBack(this.pages.splice(0));
  }
}
