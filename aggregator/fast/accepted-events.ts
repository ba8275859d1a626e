// The events that the fast counter accepted since the last flush: where each lies in its record. Their rows are made from the
// record's bytes when they are flushed, so that nothing is copied before.

import { NativeBlock } from '../../platform/clickhouse/native-block.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { type ChunkCoordinates, eventColumns, wrap64 } from '../chunk-rows.ts';
import type { NewRows } from '../counter.ts';
import { EventCursor } from './event-cursor.ts';

const EVENTS_MIN = 1 << 6;

interface AcceptingRecord {
  readonly record: LogRecord;
  /** T when its events were decided. */
  readonly decidedAt: number;
  /** The first of its events in the columns. */
  readonly first: number;
}

export class AcceptedEvents {
  private readonly cursor = new EventCursor();
  private records: AcceptingRecord[] = [];
  /** Place in the record, and where the event begins in its bytes. */
  private indexes = new Int32Array(EVENTS_MIN);
  private starts = new Int32Array(EVENTS_MIN);
  size = 0;

  /** The events added from now on are of this record. */
  enter(record: LogRecord, decidedAt: number): void {
    this.records.push({ record, decidedAt, first: this.size });
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

  /** By the offset of its record: when a gateway received the first event that was added of it. */
  receivedAt(): Map<number, number> {
    const { cursor } = this;
    const times = new Map<number, number>();
    for (const { record, first } of this.accepting()) {
      cursor.read(record.value, this.starts[first]!);
      times.set(record.offset, cursor.receivedAt);
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
    // Sums of 32-bit words: exact up to two million events.
    let checksumLow = 0;
    let checksumHigh = 0;
    let checksum = 0n;
    for (const [i, { record, decidedAt, first }] of records.entries()) {
      const end = records[i + 1]?.first ?? this.size;
      for (let event = first; event < end; event++) {
        cursor.read(record.value, this.starts[event]!);
        const { bytes, start, hashLow, hashHigh } = cursor;
        block.whole(record.offset);
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
  }
}
