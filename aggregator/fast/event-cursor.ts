// Steps through the events of a batch record of the current schema (schemas/avro/event-batch.v1.avsc) and says where each field
// lies, without making anything of it. Every step is checked against the record's end. `false` means: not a batch as gateways
// write it; platform/event-log/record-codec.ts then says whether it can be read at all, and why not.
//
//   C3 01 | fingerprint 8 | count | event ... event | 0
//   event: dedupKey 16 | payloadHash 8 | receivedAt | eventTime | timeGiven 1 | tenant | source | id | type | subject | data
//
// Numbers are zig-zag varints; a string is its length in bytes and UTF-8.
import { isUtf8 } from 'node:buffer';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { HEADER_BYTES } from '../../platform/event-log/avro-registry.ts';
import { batchHeader, EVENT_BYTES_MIN } from '../../platform/event-log/record-codec.ts';

const HASH = 16;
const RECEIVED_AT = HASH + 8;
const HIGH_BITS = 0x80808080 | 0;

export class EventCursor {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Events in the record. */
  count = 0;
  private position = 0;
  private number = 0;

  /** Where the current event begins: its dedup key, and the payload hash behind it. */
  start = 0;
  receivedAt = 0;
  eventTime = 0;
  isTimeGiven = false;
  // Each string from its first byte to the one past its last.
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

  /** Goes before the first event of a record, if it is a batch as gateways write it and can be read to its end. */
  open(record: Buffer): boolean {
    if (record.length < HEADER_BYTES || batchHeader.compare(record, 0, HEADER_BYTES) !== 0) return false;
    this.enter(record);
    this.position = HEADER_BYTES;
    if (!this.long() || this.number <= 0) return false;
    const first = this.position;
    const count = this.number;
    if (count * EVENT_BYTES_MIN > record.length - first) return false;
    for (let i = 0; i < count; i++) if (!this.next() || !this.isText()) return false;
    if (record[this.position] !== 0 || this.position + 1 !== record.length) return false;
    this.position = first;
    this.count = count;
    return true;
  }

  /** Reads one event of a record that was opened before. */
  read(record: Buffer, start: number): void {
    if (record !== this.bytes) this.enter(record);
    this.position = start;
    this.next();
  }

  private enter(record: Buffer): void {
    this.bytes = record;
    this.view = new DataView(record.buffer, record.byteOffset, record.length);
  }

  /** Goes to the next event. */
  next(): boolean {
    this.start = this.position;
    this.position += RECEIVED_AT;
    if (!this.long()) return false;
    this.receivedAt = this.number;
    if (!this.long()) return false;
    this.eventTime = this.number;
    const timeGiven = this.bytes[this.position++];
    if (timeGiven === undefined || timeGiven > 1) return false;
    this.isTimeGiven = timeGiven === 1;
    if (!this.string()) return false;
    this.tenant = this.number;
    this.tenantEnd = this.position;
    if (!this.string()) return false;
    this.source = this.number;
    this.sourceEnd = this.position;
    if (!this.string()) return false;
    this.id = this.number;
    this.idEnd = this.position;
    if (!this.string()) return false;
    this.type = this.number;
    this.typeEnd = this.position;
    if (!this.string()) return false;
    this.subject = this.number;
    this.subjectEnd = this.position;
    if (!this.string()) return false;
    this.data = this.number;
    this.dataEnd = this.position;
    return true;
  }

  /** Passes a zig-zag varint within the safe integers; it is `number` then. */
  private long(): boolean {
    let low = 0;
    let shift = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.bytes[this.position++];
      if (byte === undefined) return false;
      low += (byte & 0x7f) * shift;
      if (byte < 0x80) {
        this.number = low % 2 === 0 ? low / 2 : -(low + 1) / 2;
        return Number.isSafeInteger(low);
      }
      shift *= 128;
    }
    return false;
  }

  /** Passes a string; `number` is where it begins then. */
  private string(): boolean {
    const byte = this.bytes[this.position]!;
    let length = byte >> 1;
    if (byte < 0x80 && (byte & 1) === 0) {
      this.position++;
    } else {
      if (!this.long()) return false;
      length = this.number;
    }
    const start = this.position;
    if (length < 0 || start + length > this.bytes.length) return false;
    this.number = start;
    this.position = start + length;
    return true;
  }

  /** Whether every string of the event is UTF-8. */
  private isText(): boolean {
    // The names and the lengths between them are ASCII together, mostly.
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

  /** The event as it is decoded everywhere else. */
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
