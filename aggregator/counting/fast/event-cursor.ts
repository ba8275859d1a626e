// Steps through the events of a batch record of the current schema (schemas/avro/event-batch.v1.avsc) and says where
// each field lies, without making anything of it. Every step is checked against the record's end. `false` means: not a
// batch as gateways write it; platform/event-log/record-codec.ts then says whether it can be read at all, and why not.
//
//   C3 01 | fingerprint 8 | count | event ... event | 0
//   event: dedupKey 16 | payloadHash 8 | receivedAt | eventTime | timeGiven 1 |
//          tenant | source | id | type | subject | data
//
// Numbers are zig-zag varints; a string is its length in bytes and UTF-8.
import { isUtf8 } from 'node:buffer';
import type { UsageEvent } from '../../../domain/usage-event.ts';
import { HEADER_BYTES } from '../../../platform/event-log/avro-registry.ts';
import { batchHeader, EVENT_BYTES_MIN } from '../../../platform/event-log/record-codec.ts';

const HASH = 16;
const RECEIVED_AT = HASH + 8;
const HIGH_BITS = 0x80808080 | 0;
const NONE = -1;

const PLACES = 14;
const TIMES = 2;

export class EventCursor {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Events in the record that was opened. */
  count = 0;
  // What `next` found of each event: PLACES numbers for where its fields are, and TIMES numbers.
  private places = new Int32Array(0);
  private times = new Float64Array(0);
  private position = 0;
  /** The value that `time` read last. */
  private passedTime = 0;

  /** Where the current event begins: its dedup key, and the payload hash behind it. */
  start = 0;
  receivedAt = 0;
  eventTime = 0;
  isTimeGiven = false;
  // Where each string begins, and the place after its last byte.
  tenant = 0;
  tenantEnd = 0;
  source = 0;
  sourceEnd = 0;
  id = 0;
  idEnd = 0;
  type = 0;
  typeEnd = 0;
  subject = 0;
  subjectEnd = 0;
  data = 0;
  dataEnd = 0;

  /** Whether a record is a batch as gateways write it, and can be read to its end. */
  open(record: Buffer): boolean {
    if (record.length < HEADER_BYTES || batchHeader.compare(record, 0, HEADER_BYTES) !== 0) return false;
    this.enter(record);
    this.position = HEADER_BYTES;
    const count = this.length();
    if (count <= 0 || count * EVENT_BYTES_MIN > record.length) return false;
    if (this.times.length < count * TIMES) {
      this.places = new Int32Array(count * PLACES);
      this.times = new Float64Array(count * TIMES);
    }
    for (let i = 0; i < count; i++) {
      if (!this.next() || !this.isText()) return false;
      this.keep(i);
    }
    this.count = count;
    return record[this.position] === 0 && this.position + 1 === record.length;
  }

  private keep(i: number): void {
    const { places, times } = this;
    const at = i * PLACES;
    places[at] = this.start;
    places[at + 1] = this.tenant;
    places[at + 2] = this.tenantEnd;
    places[at + 3] = this.source;
    places[at + 4] = this.sourceEnd;
    places[at + 5] = this.id;
    places[at + 6] = this.idEnd;
    places[at + 7] = this.type;
    places[at + 8] = this.typeEnd;
    places[at + 9] = this.subject;
    places[at + 10] = this.subjectEnd;
    places[at + 11] = this.data;
    places[at + 12] = this.dataEnd;
    places[at + 13] = this.isTimeGiven ? 1 : 0;
    times[i * TIMES] = this.receivedAt;
    times[i * TIMES + 1] = this.eventTime;
  }

  /** Where the i-th event of the record that was opened begins. */
  startOf(i: number): number {
    return this.places[i * PLACES]!;
  }

  /** Goes to the i-th event of the record that was opened. */
  select(i: number): void {
    const { places, times } = this;
    const at = i * PLACES;
    this.start = places[at]!;
    this.tenant = places[at + 1]!;
    this.tenantEnd = places[at + 2]!;
    this.source = places[at + 3]!;
    this.sourceEnd = places[at + 4]!;
    this.id = places[at + 5]!;
    this.idEnd = places[at + 6]!;
    this.type = places[at + 7]!;
    this.typeEnd = places[at + 8]!;
    this.subject = places[at + 9]!;
    this.subjectEnd = places[at + 10]!;
    this.data = places[at + 11]!;
    this.dataEnd = places[at + 12]!;
    this.isTimeGiven = places[at + 13] === 1;
    this.receivedAt = times[i * TIMES]!;
    this.eventTime = times[i * TIMES + 1]!;
  }

  /** Goes to the event that begins at `start` in a record that was opened before. */
  read(record: Buffer, start: number): void {
    if (record !== this.bytes) this.enter(record);
    this.position = start;
    this.next();
  }

  private enter(record: Buffer): void {
    this.bytes = record;
    this.view = new DataView(record.buffer, record.byteOffset, record.length);
  }

  /** Goes to the event at `position`. False: there is none, or it does not end within the record. */
  private next(): boolean {
    this.start = this.position;
    this.position += RECEIVED_AT;
    if (!this.time()) return false;
    this.receivedAt = this.passedTime;
    if (!this.time()) return false;
    this.eventTime = this.passedTime;
    const timeGiven = this.position < this.bytes.length ? this.bytes[this.position++]! : 2;
    this.isTimeGiven = timeGiven === 1;
    this.tenant = this.string();
    this.tenantEnd = this.position;
    this.source = this.string();
    this.sourceEnd = this.position;
    this.id = this.string();
    this.idEnd = this.position;
    this.type = this.string();
    this.typeEnd = this.position;
    this.subject = this.string();
    this.subjectEnd = this.position;
    this.data = this.string();
    this.dataEnd = this.position;
    // After a string that can't be read the position is at the record's end, where no other can be read. So the last
    // one tells.
    return timeGiven < 2 && this.data !== NONE;
  }

  /** Passes a zig-zag varint and reads it into `passedTime`; false where it is no safe integer. */
  private time(): boolean {
    const { bytes } = this;
    // The low 28 bits, then up to 28 above them: a half fits into a 32-bit number.
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.position >= bytes.length) return false;
      const byte = bytes[this.position++]!;
      low |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      this.passedTime = (low >>> 1) ^ -(low & 1);
      return true;
    }
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.position >= bytes.length) return false;
      const byte = bytes[this.position++]!;
      high |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const half = (low >>> 1) + high * 2 ** 27;
      this.passedTime = (low & 1) === 0 ? half : -half - 1;
      return high < 2 ** 25;
    }
    return false;
  }

  /** Passes the length of a string or an array and returns it; a number below 0 where it can't be one. */
  private length(): number {
    const { bytes } = this;
    let length = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.position >= bytes.length) return NONE;
      const byte = bytes[this.position++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (length >>> 1) ^ -(length & 1);
    }
    return NONE;
  }

  /**
   * Passes a string and returns where its text begins. Where it can't be read: NONE, and the position is the record's
   * end.
   */
  private string(): number {
    const length = this.length();
    const start = this.position;
    if (length < 0 || start + length > this.bytes.length) {
      this.position = this.bytes.length;
      return NONE;
    }
    this.position = start + length;
    return start;
  }

  /** Whether every string of the event is UTF-8. */
  private isText(): boolean {
    // In most events the names, and the lengths between them, are ASCII from end to end.
    if (this.isAscii(this.tenant, this.subjectEnd) && this.isAscii(this.data, this.dataEnd)) return true;
    const { bytes } = this;
    return (
      isUtf8(bytes.subarray(this.tenant, this.tenantEnd)) &&
      isUtf8(bytes.subarray(this.source, this.sourceEnd)) &&
      isUtf8(bytes.subarray(this.id, this.idEnd)) &&
      isUtf8(bytes.subarray(this.type, this.typeEnd)) &&
      isUtf8(bytes.subarray(this.subject, this.subjectEnd)) &&
      isUtf8(bytes.subarray(this.data, this.dataEnd))
    );
  }

  private isAscii(from: number, to: number): boolean {
    const { view, bytes } = this;
    let at = from;
    for (; at + 4 <= to; at += 4) if ((view.getInt32(at, true) & HIGH_BITS) !== 0) return false;
    for (; at < to; at++) if (bytes[at]! >= 0x80) return false;
    return true;
  }

  /** Words 0 to 3 of the dedup key, little-endian. */
  keyWord(index: number): number {
    return this.view.getInt32(this.start + index * 4, true);
  }

  get hashLow(): number {
    return this.view.getInt32(this.start + HASH + 4);
  }

  get hashHigh(): number {
    return this.view.getInt32(this.start + HASH);
  }

  /** The event, decoded. */
  usageEvent(): UsageEvent {
    const { bytes, start } = this;
    return {
      dedupKey: bytes.subarray(start, start + HASH),
      payloadHash: bytes.readBigUInt64BE(start + HASH),
      receivedAt: this.receivedAt,
      eventTime: this.eventTime,
      timeGiven: this.isTimeGiven,
      tenant: bytes.toString('utf8', this.tenant, this.tenantEnd),
      source: bytes.toString('utf8', this.source, this.sourceEnd),
      id: bytes.toString('utf8', this.id, this.idEnd),
      type: bytes.toString('utf8', this.type, this.typeEnd),
      subject: bytes.toString('utf8', this.subject, this.subjectEnd),
      data: bytes.toString('utf8', this.data, this.dataEnd),
    };
  }
}
