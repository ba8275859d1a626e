// Builds the body of an insert as TabSeparated bytes. Binary columns are raw bytes with TabSeparated's own escapes, which is
// several times cheaper than hex text on both sides.
// Source: ClickHouse documentation, "TabSeparated: Data Formatting".

const NEEDS_ESCAPE = /[\t\n\r\\]/;
const ARRAY_NEEDS_ESCAPE = /[\t\n\r\\']/;
const escapes: Readonly<Record<string, string>> = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\\': '\\\\', "'": "\\'" };
const escapeOf = (char: string): string => escapes[char]!;

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;
const DOT = 0x2e;
const ZERO = 0x30;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

const MILLIS_MIN = Date.UTC(1900, 0, 1);
const MILLIS_MAX = Date.UTC(2299, 11, 31);

const INITIAL_BYTES = 1024;

/** What each byte is written as behind a backslash; 0: it stands for itself. */
const escapedByte = new Uint8Array(256);
for (const [char, code] of [
  [TAB, 't'],
  [NEWLINE, 'n'],
  [CARRIAGE_RETURN, 'r'],
  [BACKSLASH, '\\'],
] as const)
  escapedByte[char] = code.charCodeAt(0);

/** What a character of ASCII is written as in a JSON text, whose backslashes are escaped once more. */
const jsonEscapes = Array.from({ length: 128 }, (_, code) =>
  JSON.stringify(String.fromCharCode(code)).slice(1, -1).replaceAll('\\', '\\\\'),
);
const JSON_ESCAPE_BYTES_MAX = Math.max(...jsonEscapes.map(({ length }) => length));

// Times of rows that are written together lie in few minutes, whose text is kept: "2026-11-20 10:00:".
const MINUTE_MS = 60_000;
const MINUTE_BYTES = 17;
const MINUTES_KEPT = 256;
const keptMinutes = new Float64Array(MINUTES_KEPT).fill(Number.NaN);
const keptMinuteTexts = Buffer.alloc(MINUTES_KEPT * MINUTE_BYTES);

/** Where the text of a minute since the epoch begins in `keptMinuteTexts`. */
function textOfMinute(minute: number): number {
  const kept = minute & (MINUTES_KEPT - 1);
  const at = kept * MINUTE_BYTES;
  if (keptMinutes[kept] !== minute) {
    keptMinutes[kept] = minute;
    keptMinuteTexts.write(new Date(minute * MINUTE_MS).toISOString().slice(0, MINUTE_BYTES).replace('T', ' '), at);
  }
  return at;
}

/** A growing buffer of rows: write the columns of a row in order, then `endRow`. */
export class TabSeparatedBody {
  private buffer: Buffer;
  private position = 0;
  rows = 0;

  constructor(bytesExpected = INITIAL_BYTES) {
    this.buffer = Buffer.allocUnsafe(bytesExpected);
  }

  get byteLength(): number {
    return this.position;
  }

  private reserve(bytes: number): void {
    if (this.position + bytes <= this.buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.position + bytes));
    this.buffer.copy(grown, 0, 0, this.position);
    this.buffer = grown;
  }

  private raw(text: string): void {
    this.reserve(text.length * 3 + 1);
    this.position += this.buffer.write(text, this.position, 'utf8');
    this.buffer[this.position++] = TAB;
  }

  /** A String column. */
  text(value: string): void {
    this.raw(NEEDS_ESCAPE.test(value) ? value.replace(/[\t\n\r\\]/g, escapeOf) : value);
  }

  /** An integer or decimal column: text without anything to escape. */
  number(value: number | bigint | string): void {
    this.raw(String(value));
  }

  /** `count` digits of a whole number below 10^9, where there is room for them. */
  private digits(value: number, count: number): void {
    let rest = value | 0;
    for (let at = this.position + count - 1; at >= this.position; at--) {
      const tenth = (rest / 10) | 0;
      this.buffer[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.position += count;
  }

  /** `number`, of a whole number from 0 to 2^53 - 1. */
  whole(value: number): void {
    this.reserve(17);
    if (value < 1e9) {
      this.digits(value, digitCount(value));
    } else {
      const billions = Math.floor(value / 1e9);
      this.digits(billions, digitCount(billions));
      this.digits(value - billions * 1e9, 9);
    }
    this.buffer[this.position++] = TAB;
  }

  /** `number`, of an unsigned 64-bit integer in two words of 32 bits. */
  words(high: number, low: number): void {
    // Long division by 10^10, 48 bits and then 16, so that every step is exact in a double.
    const first = (high >>> 0) * 65_536 + (low >>> 16);
    const firstQuotient = Math.floor(first / 1e10);
    const second = (first - firstQuotient * 1e10) * 65_536 + (low & 0xffff);
    const secondQuotient = Math.floor(second / 1e10);
    const upper = firstQuotient * 65_536 + secondQuotient;
    const lower = second - secondQuotient * 1e10;
    if (upper === 0) {
      this.whole(lower);
      return;
    }
    this.whole(upper);
    const middle = Math.floor(lower / 1e5);
    this.reserve(11);
    this.position--;
    this.digits(middle, 5);
    this.digits(lower - middle * 1e5, 5);
    this.buffer[this.position++] = TAB;
  }

  /** Columns that were written before, each with the tab behind it. */
  columns(written: Uint8Array): void {
    this.reserve(written.length);
    const { buffer, position } = this;
    for (let i = 0; i < written.length; i++) buffer[position + i] = written[i]!;
    this.position += written.length;
  }

  boolean(value: boolean): void {
    this.reserve(2);
    this.buffer[this.position++] = ZERO + (value ? 1 : 0);
    this.buffer[this.position++] = TAB;
  }

  /** A DateTime64(3) column from milliseconds since the epoch, kept within what such a column holds. */
  millis(value: number): void {
    const kept = Math.min(Math.max(value, MILLIS_MIN), MILLIS_MAX);
    const minute = Math.floor(kept / MINUTE_MS);
    const millis = kept - minute * MINUTE_MS;
    const from = textOfMinute(minute);
    this.reserve(MINUTE_BYTES + 7);
    const { buffer, position } = this;
    for (let i = 0; i < MINUTE_BYTES; i++) buffer[position + i] = keptMinuteTexts[from + i]!;
    this.position += MINUTE_BYTES;
    this.digits(Math.floor(millis / 1000), 2);
    buffer[this.position++] = DOT;
    this.digits(millis % 1000, 3);
    buffer[this.position++] = TAB;
  }

  /** A DateTime column from milliseconds since the epoch. */
  seconds(value: number): void {
    const seconds = Math.floor(value / 1000);
    if (seconds >= 0) this.whole(seconds);
    else this.number(seconds);
  }

  /** A FixedString or String column of arbitrary bytes. */
  bytes(value: Buffer): void {
    this.slice(value, 0, value.length);
  }

  /** The same of the bytes from `from` to `to`, without a view of them. */
  slice(bytes: Uint8Array, from: number, to: number): void {
    this.reserve((to - from) * 2 + 1);
    const { buffer } = this;
    let at = this.position;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      const code = escapedByte[byte]!;
      if (code === 0) {
        buffer[at++] = byte;
      } else {
        buffer[at++] = BACKSLASH;
        buffer[at++] = code;
      }
    }
    buffer[at++] = TAB;
    this.position = at;
  }

  /** An Array(String) column. */
  texts(values: readonly string[]): void {
    let text = '[';
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      text += i === 0 ? "'" : ",'";
      text += ARRAY_NEEDS_ESCAPE.test(value) ? value.replace(/[\t\n\r\\']/g, escapeOf) : value;
      text += "'";
    }
    this.raw(`${text}]`);
  }

  /** A String column that holds a JSON array of texts. */
  jsonTexts(values: readonly string[]): void {
    this.text(JSON.stringify(values));
  }

  /** `jsonTexts` of `count` UTF-8 texts from `from` to `to`, with a `separator`, which is none of their bytes, between each and the next. */
  joinedJsonTexts(bytes: Uint8Array, from: number, to: number, separator: number, count: number): void {
    this.reserve((to - from) * JSON_ESCAPE_BYTES_MAX + 5);
    const { buffer } = this;
    let at = this.position;
    buffer[at++] = BRACKET_OPEN;
    if (count > 0) buffer[at++] = QUOTE;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      if (byte === separator) {
        buffer[at++] = QUOTE;
        buffer[at++] = COMMA;
        buffer[at++] = QUOTE;
      } else if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) {
        buffer[at++] = byte;
      } else {
        at += buffer.write(jsonEscapes[byte]!, at, 'latin1');
      }
    }
    if (count > 0) buffer[at++] = QUOTE;
    buffer[at++] = BRACKET_CLOSE;
    buffer[at++] = TAB;
    this.position = at;
  }

  endRow(): void {
    this.buffer[this.position - 1] = NEWLINE;
    this.rows++;
  }

  /** The bytes of the columns written since `from`, a former `byteLength`. Valid until the next write. */
  since(from: number): Buffer {
    return this.buffer.subarray(from, this.position);
  }

  /** All rows. The body must not be written to afterwards. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.position);
  }
}

/** How many digits a whole number below 10^9 has. */
function digitCount(value: number): number {
  let count = 1;
  for (let bound = 10; bound <= value; bound *= 10) count++;
  return count;
}
