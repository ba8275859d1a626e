// Builds the body of an insert as a block in ClickHouse's Native format: column by column, as the server keeps rows in
// memory, so that it parses nothing. Rows are written one after the other all the same. Source: ClickHouse
// documentation, "Native: Data Formatting", and what the engine takes (native-block.test.ts).
//
//   block     columns | rows | column ... column           both numbers, and the lengths of texts, as unsigned LEB128
//   column    name | type | values                         texts are their length and UTF-8 (or any bytes)
//   values    fixed width, little-endian, or texts; an array's: where each row's elements end (64 bits) | elements
//
// Several blocks, one behind the other, are one body. Columns of low cardinality are sent as their values.

import { pagePool } from '../page-pool.ts';

/** Bytes of a value; 0: they vary. */
const widths = {
  Bool: 1,
  UInt16: 2,
  UInt32: 4,
  "DateTime('UTC')": 4,
  UInt64: 8,
  Int64: 8,
  "DateTime64(3, 'UTC')": 8,
  'FixedString(16)': 16,
  'Decimal(76, 12)': 32,
  String: 0,
  'Array(String)': 0,
} as const;

export type ColumnType = keyof typeof widths;

/** A column of a table as an insert names it. */
export interface TableColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** The bytes of an insert, in parts, some of them pages of `pagePool`. */
export type InsertBody = readonly Buffer[];

export const bodyBytes = (body: InsertBody): number => body.reduce((bytes, part) => bytes + part.length, 0);

/** Columns by their names, in order. */
export const tableColumns = (types: Readonly<Record<string, ColumnType>>): readonly TableColumn[] =>
  Object.entries(types).map(([name, type]) => ({ name, type }));

const MILLIS_MIN = Date.UTC(1900, 0, 1);
const MILLIS_MAX = Date.UTC(2299, 11, 31);
const SECONDS_END = 2 ** 32;
const WORD = 2 ** 32;

const ROWS_EXPECTED = 16;
const TEXT_BYTES_EXPECTED = 16;
/** From here on a copy by the runtime is cheaper than one by byte. */
const LONG_BYTES = 64;
const SCRATCH_BYTES = 1 << 10;
const PAGE_BYTES_MIN = 1 << 8;

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;

/** What a character of ASCII is written as in a JSON text. */
const jsonEscapes = Array.from({ length: 128 }, (_, code) => JSON.stringify(String.fromCharCode(code)).slice(1, -1));

// 10^12 in two limbs of 24 bits, for products of whole numbers with it.
const LIMB = 2 ** 24;
const ONE_LOW = 1e12 % LIMB;
const ONE_HIGH = Math.floor(1e12 / LIMB);

/** Its bytes lie in pages, so that none is copied into more room. */
class Column {
  readonly type: ColumnType;
  /** Of a value; 0: it varies. */
  readonly width: number;
  /** The last page. A value may begin in the one before. */
  bytes: Buffer;
  view: DataView;
  position = 0;
  private readonly full: Buffer[] = [];
  private fullBytes = 0;
  /** Where the values begin that `rowBytes` has not given, from the first page on. */
  private given = 0;
  /** Elements of an array column's rows, `offsets` says where each row's end. */
  elements = 0;
  readonly offsets: Column | null;

  constructor(type: ColumnType, rowsExpected: number) {
    this.type = type;
    this.width = widths[type];
    const page = pagePool.take(Math.max(1, rowsExpected) * (this.width || TEXT_BYTES_EXPECTED));
    this.bytes = page.bytes;
    this.view = page.view;
    this.offsets = type === 'Array(String)' ? new Column('UInt64', rowsExpected) : null;
  }

  /** Where that many more bytes go. */
  take(count: number): number {
    if (this.position + count > this.bytes.length) this.turnPage(count);
    const at = this.position;
    this.position = at + count;
    return at;
  }

  private turnPage(count: number): void {
    const { bytes, position } = this;
    this.full.push(bytes.subarray(0, position));
    this.fullBytes += position;
    const page = pagePool.take(Math.max(bytes.length, count, PAGE_BYTES_MIN));
    this.bytes = page.bytes;
    this.view = page.view;
    this.position = 0;
  }

  get ungiven(): number {
    return this.fullBytes + this.position - this.given;
  }

  /** Copies what was not given yet; returns where it ends. */
  give(target: Buffer, to: number): number {
    const { bytes, position, fullBytes, given } = this;
    let at = to;
    if (given < fullBytes) at += Buffer.concat(this.full).copy(target, at, given);
    for (let from = Math.max(0, given - fullBytes); from < position; from++) target[at++] = bytes[from]!;
    this.given = fullBytes + position;
    return at;
  }

  /** A whole number of the column's width, negative ones as two's complement. */
  whole(value: number): void {
    const at = this.take(this.width);
    const { view } = this;
    switch (this.width) {
      case 8:
        // A shift takes a number modulo 2^32, whatever its size.
        view.setInt32(at, value | 0, true);
        view.setInt32(at + 4, Math.floor(value / WORD), true);
        return;
      case 4:
        view.setInt32(at, value | 0, true);
        return;
      case 2:
        view.setInt16(at, value, true);
        return;
      default:
        view.setInt8(at, value);
    }
  }

  integer(value: bigint): void {
    const at = this.take(this.width);
    for (let word = 0; word * 8 < this.width; word++) {
      this.view.setBigUint64(at + word * 8, BigInt.asUintN(64, value >> BigInt(word * 64)), true);
    }
  }

  varint(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest >>>= 7) {
      const at = this.take(1);
      this.bytes[at] = (rest & 0x7f) | 0x80;
    }
    const at = this.take(1);
    this.bytes[at] = rest;
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.varint(length);
    const at = this.take(length);
    this.bytes.write(value, at, length, 'utf8');
  }

  copy(from: Uint8Array, start: number, end: number): void {
    const at = this.take(end - start);
    const { bytes } = this;
    if (end - start >= LONG_BYTES) bytes.set(from.subarray(start, end), at);
    else for (let i = start, to = at; i < end; i++, to++) bytes[to] = from[i]!;
  }

  values(): Buffer[] {
    const values = [...this.full, this.bytes.subarray(0, this.position)];
    return this.offsets === null ? values : [...this.offsets.values(), ...values];
  }
}

function filled(length: number, value: Buffer): Buffer {
  return pagePool.take(length).bytes.subarray(0, length).fill(value);
}

const isPlainInJson = (byte: number): boolean => byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH;

/** Write the values of a row in the order of its columns, then `endRow`. */
export class NativeBlock {
  rows = 0;
  private readonly head: readonly TableColumn[];
  private readonly constants: ReadonlyMap<TableColumn, Buffer>;
  /** Those that are no constants. */
  private readonly columns: Column[] = [];
  private at = 0;
  private scratch = Buffer.allocUnsafe(0);

  /**
   * `constants`, by name: what those of the columns have in all rows, which is not written again; 0 of an array column:
   * no elements. Other names are passed over.
   */
  constructor(
    columns: readonly TableColumn[],
    constants: Readonly<Record<string, number | bigint>> = {},
    rowsExpected = ROWS_EXPECTED,
  ) {
    this.head = columns;
    const values = new Map<TableColumn, Buffer>();
    for (const column of columns) {
      const constant = constants[column.name];
      const made = new Column(column.type, constant === undefined ? rowsExpected : 1);
      if (constant === undefined) {
        this.columns.push(made);
        continue;
      }
      const numbers = made.offsets ?? made;
      if (typeof constant === 'bigint') numbers.integer(constant);
      else numbers.whole(constant);
      values.set(column, numbers.bytes.subarray(0, numbers.position));
    }
    this.constants = values;
  }

  private next(): Column {
    return this.columns[this.at++]!;
  }

  /** A String column. */
  text(value: string): void {
    this.next().text(value);
  }

  /** A String or FixedString column of arbitrary bytes. */
  bytes(value: Uint8Array): void {
    this.slice(value, 0, value.length);
  }

  /** The same of the bytes from `from` to `to`, without a view of them. */
  slice(bytes: Uint8Array, from: number, to: number): void {
    const column = this.next();
    if (column.width === 0) column.varint(to - from);
    column.copy(bytes, from, to);
  }

  /** An integer column: a whole number within the safe ones. */
  whole(value: number): void {
    this.next().whole(value);
  }

  /** An integer or decimal column; of a decimal, its unscaled value. */
  integer(value: bigint): void {
    this.next().integer(value);
  }

  /** An integer column of 64 bits, from its two words. */
  words(high: number, low: number): void {
    const column = this.next();
    const at = column.take(8);
    column.view.setInt32(at, low, true);
    column.view.setInt32(at + 4, high, true);
  }

  /** A Decimal(76, 12) column: a whole number from 0 to 2^52. */
  wholeDecimal(value: number): void {
    const column = this.next();
    const at = column.take(32);
    // Every product and sum is below 2^53.
    const valueLow = value % LIMB;
    const valueHigh = Math.floor(value / LIMB);
    const bottom = valueLow * ONE_LOW;
    const middle = valueLow * ONE_HIGH + valueHigh * ONE_LOW + Math.floor(bottom / LIMB);
    const top = valueHigh * ONE_HIGH + Math.floor(middle / LIMB);
    // 48 bits, and `top` above them.
    const low = (bottom % LIMB) + (middle % LIMB) * LIMB;
    const { view } = column;
    view.setInt32(at, low | 0, true);
    view.setInt32(at + 4, Math.floor(low / WORD) | (top << 16), true);
    view.setInt32(at + 8, Math.floor(top / 2 ** 16), true);
    for (let word = 12; word < 32; word += 4) view.setInt32(at + word, 0, true);
  }

  boolean(value: boolean): void {
    this.next().whole(value ? 1 : 0);
  }

  /** A DateTime64(3) column from milliseconds since the epoch, kept within what such a column holds. */
  millis(value: number): void {
    this.next().whole(Math.min(Math.max(value, MILLIS_MIN), MILLIS_MAX));
  }

  /** A DateTime column from milliseconds since the epoch. Throws where it can't hold them. */
  seconds(value: number): void {
    const seconds = Math.floor(value / 1000);
    if (seconds < 0 || seconds >= SECONDS_END) throw new RangeError(`${value} ms are no time of a DateTime column`);
    this.next().whole(seconds);
  }

  /** An Array(String) column. */
  texts(values: readonly string[]): void {
    const column = this.next();
    for (const value of values) column.text(value);
    column.elements += values.length;
    column.offsets!.whole(column.elements);
  }

  /** A String column that holds a JSON array of texts. */
  jsonTexts(values: readonly string[]): void {
    this.text(JSON.stringify(values));
  }

  /**
   * `jsonTexts` of `count` UTF-8 texts from `from` to `to`, with a `separator`, which is none of their bytes, between
   * each and the next.
   */
  joinedJsonTexts(bytes: Uint8Array, from: number, to: number, separator: number, count: number): void {
    let length = count > 0 ? 4 : 2;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      length += byte === separator ? 3 : isPlainInJson(byte) ? 1 : jsonEscapes[byte]!.length;
    }
    const column = this.next();
    column.varint(length);
    let at = column.take(length);
    const { bytes: target } = column;
    target[at++] = BRACKET_OPEN;
    if (count > 0) target[at++] = QUOTE;
    for (let i = from; i < to; i++) {
      const byte = bytes[i]!;
      if (byte === separator) {
        target[at++] = QUOTE;
        target[at++] = COMMA;
        target[at++] = QUOTE;
      } else if (isPlainInJson(byte)) {
        target[at++] = byte;
      } else {
        at += target.write(jsonEscapes[byte]!, at, 'latin1');
      }
    }
    if (count > 0) target[at++] = QUOTE;
    target[at] = BRACKET_CLOSE;
  }

  /** What was written of the row since `rowBytes` was last asked, value by value. Valid until it is asked again. */
  rowBytes(): Buffer {
    const { columns, at } = this;
    let length = 0;
    for (let i = 0; i < at; i++) length += columns[i]!.ungiven;
    if (length > this.scratch.length) this.scratch = Buffer.allocUnsafe(Math.max(length, SCRATCH_BYTES));
    const { scratch } = this;
    let to = 0;
    for (let i = 0; i < at; i++) to = columns[i]!.give(scratch, to);
    return scratch.subarray(0, length);
  }

  endRow(): void {
    if (this.at !== this.columns.length)
      throw new Error(`a row of ${this.at} values in ${this.columns.length} columns`);
    this.at = 0;
    this.rows++;
  }

  /** The block; empty where it has no rows. It must not be written to afterwards. */
  finish(): InsertBody {
    const { head, rows, constants, columns } = this;
    if (rows === 0) return [];
    const parts: Buffer[] = [];
    const say = (write: (to: Column) => void): void => {
      const said = new Column('String', 1);
      write(said);
      parts.push(...said.values());
    };
    say((to) => {
      to.varint(head.length);
      to.varint(rows);
    });
    let written = 0;
    for (const column of head) {
      say((to) => {
        to.text(column.name);
        to.text(column.type);
      });
      const constant = constants.get(column);
      if (constant === undefined) parts.push(...columns[written++]!.values());
      else parts.push(filled(rows * constant.length, constant));
    }
    return parts;
  }
}
