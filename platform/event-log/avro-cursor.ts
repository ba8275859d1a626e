// Reads and writes Avro's primitive encodings in one buffer, every read checked against the end: a truncated or forged
// record becomes a MalformedRecord, never a hang, never a value made of bytes that are not there.
// Source: Apache Avro 1.11 specification, "Binary Encoding".
import { isUtf8 } from 'node:buffer';

/** The bytes are not what their header says. Decided by the bytes alone, so every reader decides alike. */
export class MalformedRecord extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'MalformedRecord';
  }
}

export class AvroReader {
  private readonly bytes: Buffer;
  private position: number;

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  private take(length: number, what: string): number {
    const start = this.position;
    if (length < 0 || start + length > this.bytes.length) {
      throw new MalformedRecord(
        `${what} of ${length} bytes at ${start} runs past the record's end at ${this.bytes.length}`,
      );
    }
    this.position = start + length;
    return start;
  }

  /** A zig-zag varint within the safe integers. */
  long(what: string): number {
    let low = 0;
    let shift = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.bytes[this.take(1, what)]!;
      low += (byte & 0x7f) * shift;
      if (byte < 0x80) {
        const value = low % 2 === 0 ? low / 2 : -(low + 1) / 2;
        if (!Number.isSafeInteger(low)) break;
        return value;
      }
      shift *= 128;
    }
    throw new MalformedRecord(`${what} before byte ${this.position} is beyond 53 bits`);
  }

  fixed(length: number, what: string): Buffer {
    const start = this.take(length, what);
    return this.bytes.subarray(start, start + length);
  }

  boolean(what: string): boolean {
    const byte = this.bytes[this.take(1, what)]!;
    if (byte > 1) throw new MalformedRecord(`${what} is neither true nor false but ${byte}`);
    return byte === 1;
  }

  string(what: string): string {
    const length = this.long(what);
    const start = this.take(length, what);
    const text = this.bytes.toString('utf8', start, start + length);
    // Damage reads as U+FFFD. It may also have been written; and two names must not become one.
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, start + length))) {
      throw new MalformedRecord(`${what} at ${start} is not UTF-8`);
    }
    return text;
  }

  /**
   * Calls `item` for each element of an array; an element takes at least `itemBytesMin` bytes, which bounds the count.
   */
  array(what: string, itemBytesMin: number, item: () => void): void {
    for (;;) {
      let count = this.long(what);
      if (count === 0) return;
      let blockEnd = -1;
      if (count < 0) {
        count = -count;
        const blockBytes = this.long(what);
        blockEnd = this.position + blockBytes;
      }
      if (count * itemBytesMin > this.bytes.length - this.position) {
        throw new MalformedRecord(`${what} announces ${count} elements in ${this.bytes.length - this.position} bytes`);
      }
      for (let i = 0; i < count; i++) item();
      // A reader that does not need the array jumps by this size: a wrong one, worse a negative one, would send it
      // astray.
      if (blockEnd !== -1 && this.position !== blockEnd) {
        throw new MalformedRecord(`${what} has a block that ends at ${this.position}, not at ${blockEnd} as it says`);
      }
    }
  }

  end(): void {
    if (this.position !== this.bytes.length) {
      throw new MalformedRecord(`${this.bytes.length - this.position} bytes follow the record`);
    }
  }
}

/**
 * Up to here a text of one byte a character has its length in one byte, and is copied faster than it is handed to
 * native code.
 */
const SHORT_MAX = 63;

/** Writes into a buffer that the caller made large enough. */
export class AvroWriter {
  readonly bytes: Buffer;
  position: number;

  constructor(bytes: Buffer, position: number) {
    this.bytes = bytes;
    this.position = position;
  }

  long(value: number): void {
    let rest = value >= 0 ? value * 2 : -value * 2 - 1;
    while (rest >= 0x80) {
      this.bytes[this.position++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.bytes[this.position++] = rest;
  }

  fixed(value: Buffer): void {
    this.position += value.copy(this.bytes, this.position);
  }

  boolean(value: boolean): void {
    this.bytes[this.position++] = value ? 1 : 0;
  }

  string(value: string): void {
    if (value.length <= SHORT_MAX && this.short(value)) return;
    const length = Buffer.byteLength(value, 'utf8');
    this.long(length);
    this.bytes.write(value, this.position, length, 'utf8');
    this.position += length;
  }

  /** A short ASCII text, as most names are; false, and nothing is written, where it is none. */
  private short(value: string): boolean {
    const { bytes } = this;
    const { length } = value;
    const start = this.position + 1;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[start + i] = unit;
    }
    bytes[start - 1] = length * 2;
    this.position = start + length;
    return true;
  }
}
