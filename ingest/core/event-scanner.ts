// Finds where one JSON value ends in the bytes of a body, checks its grammar (RFC 8259) and counts what reading it
// would cost: before anything is built of it. There is no recursion and no pattern in it, a byte is looked at once, and
// what it keeps is a byte for each level that is open. A value may be as long as its body, so it can be scanned a part
// at a time.

import { DEPTH_MAX } from '../../domain/json/exact-json-parser.ts';
import { Rejection } from '../../domain/rejection.ts';
/** Of an event as it is written: four times the data it may hold, which leaves room for white space and escapes. */
export const EVENT_BYTES_MAX = 1024 * 1024;
/** Members and elements at every level. */
export const EVENT_VALUES_MAX = 65_536;
/** No deeper than the parser reads. What `data` may have is far below; `admit` says so, and in which field. */
export const EVENT_DEPTH_MAX = DEPTH_MAX;

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** Stands for a byte behind the last one. */
const END = -1;
const FAULT = -1;

/** What may stand where the scanner is: it stops before a value, behind a bracket, and behind a value. */
const VALUE = 0;
const FIRST_OR_CLOSE = 1;
const COMMA_OR_CLOSE = 2;

const ARRAY = 0;
const OBJECT = 1;
const LEVELS_AT_FIRST = 64;

/** A number of as many digits, its point counted, is not what a double gives back for certain. */
const EXACT_LENGTH = 16;

const WORDS = ['true', 'false', 'null'].map((word) => Buffer.from(word));

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE;
const isSpace = (byte: number): boolean =>
  byte === SPACE || byte === NEWLINE || byte === CARRIAGE_RETURN || byte === TAB;
const isHexDigit = (byte: number | undefined): boolean =>
  isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
/** 1 for a byte that stands for itself in a string. */
const IN_STRING = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < SPACE || byte === QUOTE || byte === BACKSLASH ? 0 : 1,
);
/** Of "bfnrt/\ and the quote: what may stand behind a backslash, beside u and its four digits. */
const ESCAPABLE = new Set(Buffer.from('"\\/bfnrt'));

/** The place of the first byte that is no white space, or `end`. */
export function passSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && isSpace(bytes[at]!)) at++;
  return at;
}

/** What stands at a place where it may not, in words. */
export function unexpectedAt(bytes: Buffer, at: number, end: number): string {
  if (at >= end) return 'the end comes too early';
  const [character] = bytes.toString('utf8', at, Math.min(at + 4, end));
  return `unexpected ${JSON.stringify(character)} at byte ${at}`;
}

const NO_BYTES = new Uint8Array(0);

export class EventScanner {
  private bytes: Uint8Array = NO_BYTES;
  private end = 0;
  private start = 0;
  private expected: typeof VALUE | typeof FIRST_OR_CLOSE | typeof COMMA_OR_CLOSE = VALUE;
  private level = 0;
  private kinds = NO_BYTES;
  private values = 0;
  private depth = 0;
  /** Behind the value once it is whole; where the fault is, if there is one. */
  at = 0;
  /** True where a number was met that JSON.parse may not give back. */
  isExact = false;

  /** A value begins at `start`, and nothing of it stands at `end` or behind. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.at = start;
    this.expected = VALUE;
    this.level = 0;
    this.values = 0;
    this.depth = 0;
    this.isExact = false;
  }

  /** Goes on to the end of the value, or to the first member or element that begins at or behind `until`. */
  advance(until: number): 'whole' | 'more' | 'fault' {
    for (;;) {
      const at = passSpace(this.bytes, this.at, this.end);
      this.at = at;
      if (at >= until && at < this.end) return 'more';
      const behind = this.expected === VALUE ? this.value(at) : this.goOn(at);
      if (behind === FAULT) return 'fault';
      this.at = behind;
      if (this.level === 0) return 'whole';
    }
  }

  /** Why the whole value costs too much to be read, or null. */
  excess(): Rejection | null {
    if (this.at - this.start > EVENT_BYTES_MAX) {
      return new Rejection('data_too_large', `the event is larger than ${EVENT_BYTES_MAX / 1024} KiB of JSON text`);
    }
    if (this.depth > EVENT_DEPTH_MAX) {
      return new Rejection('nested_too_deep', `the event is nested deeper than ${EVENT_DEPTH_MAX} levels`);
    }
    if (this.values > EVENT_VALUES_MAX) {
      return new Rejection('too_many_values', `the event holds more than ${EVENT_VALUES_MAX} values`);
    }
    return null;
  }

  // Each of these passes something that begins at a place: they return the place behind it, or FAULT with `this.at` at
  // the fault.

  /** In an array or object: its end, or its next element or member. */
  private goOn(from: number): number {
    const isObject = this.kinds[this.level - 1] === OBJECT;
    let at = from;
    if (at < this.end && this.bytes[at] === (isObject ? BRACE_CLOSE : BRACKET_CLOSE)) {
      this.level--;
      this.expected = COMMA_OR_CLOSE;
      return at + 1;
    }
    if (this.expected === COMMA_OR_CLOSE) {
      if (at >= this.end || this.bytes[at] !== COMMA) return FAULT;
      at = passSpace(this.bytes, at + 1, this.end);
    }
    return isObject ? this.member(at) : this.value(at);
  }

  private member(at: number): number {
    this.at = at;
    if (at >= this.end || this.bytes[at] !== QUOTE) return FAULT;
    const behind = this.string(at);
    if (behind === FAULT) return FAULT;
    const colon = passSpace(this.bytes, behind, this.end);
    this.at = colon;
    if (colon >= this.end || this.bytes[colon] !== COLON) return FAULT;
    return this.value(passSpace(this.bytes, colon + 1, this.end));
  }

  /** A value, or the bracket it begins with. */
  private value(at: number): number {
    this.at = at;
    this.values++;
    const byte = at < this.end ? this.bytes[at]! : END;
    if (byte === BRACE_OPEN) return this.enter(OBJECT, at);
    if (byte === BRACKET_OPEN) return this.enter(ARRAY, at);
    this.expected = COMMA_OR_CLOSE;
    if (byte === QUOTE) return this.string(at);
    if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return this.number(at);
    return this.word(at);
  }

  private enter(kind: number, at: number): number {
    if (this.level === this.kinds.length) {
      const larger = new Uint8Array(Math.max(LEVELS_AT_FIRST, 2 * this.level));
      larger.set(this.kinds);
      this.kinds = larger;
    }
    this.kinds[this.level++] = kind;
    if (this.level > this.depth) this.depth = this.level;
    this.expected = FIRST_OR_CLOSE;
    return at + 1;
  }

  private word(at: number): number {
    for (const word of WORDS) {
      let length = 0;
      while (length < word.length && at + length < this.end && this.bytes[at + length] === word[length]) length++;
      if (length === word.length) return at + length;
    }
    return FAULT;
  }

  private string(from: number): number {
    const { bytes, end } = this;
    for (let at = from + 1; at < end; at++) {
      if (IN_STRING[bytes[at]!] === 1) continue;
      if (bytes[at] === QUOTE) return at + 1;
      this.at = at;
      if (bytes[at] !== BACKSLASH) return FAULT;
      at = this.escape(at + 1);
      if (at === FAULT) return FAULT;
    }
    this.at = end;
    return FAULT;
  }

  /** What stands behind a backslash; its last byte, or FAULT. */
  private escape(at: number): number {
    const { bytes, end } = this;
    this.at = at;
    if (at < end && ESCAPABLE.has(bytes[at]!)) return at;
    if (at >= end || bytes[at] !== LOWER_U) return FAULT;
    for (let digit = at + 1; digit <= at + 4; digit++) {
      if (digit < end && isHexDigit(bytes[digit])) continue;
      this.at = digit;
      return FAULT;
    }
    return at + 4;
  }

  private number(from: number): number {
    const { bytes, end } = this;
    const first = bytes[from] === MINUS ? from + 1 : from;
    let at = first < end && bytes[first] === ZERO ? first + 1 : this.digits(first);
    if (at !== FAULT && at < end && bytes[at] === DOT) at = this.digits(at + 1);
    if (at === FAULT) return FAULT;
    if (at - first >= EXACT_LENGTH) this.isExact = true;
    if (at >= end || (bytes[at] !== LOWER_E && bytes[at] !== UPPER_E)) return at;
    this.isExact = true;
    at++;
    return this.digits(at < end && (bytes[at] === PLUS || bytes[at] === MINUS) ? at + 1 : at);
  }

  /** One digit or more. */
  private digits(from: number): number {
    const { bytes, end } = this;
    let at = from;
    while (at < end && bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
    this.at = at;
    return at === from ? FAULT : at;
  }
}
