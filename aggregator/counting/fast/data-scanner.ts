// Finds the values that meters read in the JSON text of an event's data: in one pass over its bytes, without building
// anything. A scan that returns true has found what parseExactJson would find. `false` means: not certain, ask
// parseExactJson. That is so for invalid JSON, and also for what is rare: escapes, exponents, deep nesting, a key twice
// in one object, and values of another kind than the meters expect at their place.

import type { JsonPath } from '../../../domain/json/json-path.ts';
import { NAME_LENGTH_MAX } from '../../../domain/name-text.ts';
import { QUANTITY_FRACTION_DIGITS } from '../../../domain/number/quantity.ts';

/** One key on the way to the values that are read. */
interface PathNode {
  readonly key: Buffer;
  readonly children: PathNode[];
  /** The slot that the value goes to; -1 where only values below it are read. */
  slot: number;
  /**
   * The number of the scan that found this key last: a key that is found twice in one scan is left to parseExactJson.
   */
  scan: number;
}

/** What is known of a value: `UNCERTAIN` is a question for the plain rules. */
export const NO = 0;
const YES = 1;
export const UNCERTAIN = 2;
type Answer = typeof NO | typeof YES | typeof UNCERTAIN;

const ABSENT = 0;
const NULL = 1;
const STRING = 2;
const NUMBER = 3;
const BOOLEAN = 4;

/** The paths that are read, as a tree of keys; each path has a slot of the scanner. */
export class DataPaths {
  readonly root: PathNode = { key: Buffer.alloc(0), children: [], slot: -1, scan: 0 };
  size = 0;

  /** The slot of a path; -1 for one that can't be found by its bytes, or that leads into an array. */
  slotOf(path: JsonPath): number {
    const names = path.filter((segment) => typeof segment === 'string');
    if (path.length === 0 || names.length < path.length || !names.every((name) => name.isWellFormed())) return -1;
    let node = this.root;
    for (const name of names) {
      const key = Buffer.from(name, 'utf8');
      let child = node.children.find((each) => each.key.equals(key));
      if (child === undefined) {
        child = { key, children: [], slot: -1, scan: 0 };
        node.children.push(child);
      }
      node = child;
    }
    if (node.slot === -1) node.slot = this.size++;
    return node.slot;
  }
}

/** A path of a sum: its value x `times` / `divisor`. */
export interface ScannedAddend {
  readonly slot: number;
  /** Below 0 where it is taken away. */
  readonly times: number;
  /** A power of ten. */
  readonly divisor: number;
  /** 10^12 / `divisor`: so many units are the least part of a product. */
  readonly units: number;
}

/** The texts that a value of a filter is compared with, and where it stands. */
export interface ScannedCondition {
  readonly slot: number;
  readonly texts: readonly Buffer[];
  readonly isNot: boolean;
}

const DEPTH_MAX = 32;
/** A double holds every number of so many digits exactly. */
const DIGITS_MAX = 15;
const WHOLE_END = 10 ** DIGITS_MAX;
/** Two whole numbers up to this are added exactly. */
const ADDED_MAX = 2 ** 52;

// Each scanner has these by itself: a constant that is imported is read from memory every time, and scanning took a
// third more CPU time with them in one file (docs/lab/performance.md).
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BRACKET_OPEN = 0x5b;
const BACKSLASH = 0x5c;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

const words = ['true', 'false', 'null'].map((word) => Buffer.from(word));
const powersOfTen = Float64Array.from({ length: QUANTITY_FRACTION_DIGITS + 1 }, (_, n) => 10 ** n);

export class DataScanner {
  // What was found for each slot: its kind, and where its text is.
  private kinds = new Uint8Array(16);
  private starts = new Int32Array(16);
  private ends = new Int32Array(16);
  private bytes: Uint8Array = this.kinds;
  private at = 0;
  private end = 0;
  private scans = 0;
  /** The value that `decimal` read: whole units, and 10^-12 units beside them, of the same sign. */
  whole = 0;
  fraction = 0;

  /** Scans the JSON object from `from` to `to`. */
  scan(bytes: Uint8Array, from: number, to: number, paths: DataPaths): boolean {
    if (paths.size > this.kinds.length) this.grow(paths.size);
    for (let slot = 0; slot < paths.size; slot++) this.kinds[slot] = ABSENT;
    this.bytes = bytes;
    this.at = from;
    this.end = to;
    this.scans = (this.scans + 1) | 0;
    return this.next() === BRACE_OPEN && this.object(paths.root, DEPTH_MAX) && this.next() === -1;
  }

  private grow(size: number): void {
    this.kinds = new Uint8Array(size);
    this.starts = new Int32Array(size);
    this.ends = new Int32Array(size);
  }

  /** Passes white space over; the next byte, or -1 at the end. */
  private next(): number {
    for (; this.at < this.end; this.at++) {
      const byte = this.bytes[this.at]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
    }
    return -1;
  }

  /** Passes an object and reads the members that are children of `node`. */
  private object(node: PathNode | null, levelsLeft: number): boolean {
    if (levelsLeft === 0) return false;
    this.at++;
    if (this.next() === BRACE_CLOSE) {
      this.at++;
      return true;
    }
    // Most senders write their keys in the same order, so each key is first compared with the child after the last one
    // found.
    let behind = 0;
    for (;;) {
      if (this.next() !== QUOTE) return false;
      const start = this.at + 1;
      if (!this.string()) return false;
      let member: PathNode | null = null;
      if (node !== null) {
        const found = this.memberOf(node, start, this.at - 1, behind);
        if (found !== -1) {
          member = node.children[found]!;
          behind = found + 1;
          if (member.scan === this.scans) return false;
          member.scan = this.scans;
        }
      }
      if (this.next() !== COLON) return false;
      this.at++;
      if (!this.value(member, levelsLeft - 1)) return false;
      const byte = this.next();
      this.at++;
      if (byte === BRACE_CLOSE) return true;
      if (byte !== COMMA) return false;
    }
  }

  /** Which of the node's children the key from `from` to `to` names; -1: none. */
  private memberOf({ children }: PathNode, from: number, to: number, behind: number): number {
    for (let tried = 0; tried < children.length; tried++) {
      const child = (behind + tried) % children.length;
      if (this.isAt(children[child]!.key, from, to)) return child;
    }
    return -1;
  }

  private isAt(name: Buffer, from: number, to: number): boolean {
    if (name.length !== to - from) return false;
    for (let i = 0; i < name.length; i++) if (this.bytes[from + i] !== name[i]) return false;
    return true;
  }

  private array(levelsLeft: number): boolean {
    if (levelsLeft === 0) return false;
    this.at++;
    if (this.next() === BRACKET_CLOSE) {
      this.at++;
      return true;
    }
    for (;;) {
      if (!this.value(null, levelsLeft - 1)) return false;
      const byte = this.next();
      this.at++;
      if (byte === BRACKET_CLOSE) return true;
      if (byte !== COMMA) return false;
    }
  }

  /** Passes a value, and keeps where it is if `node` has a slot for it. */
  private value(node: PathNode | null, levelsLeft: number): boolean {
    const first = this.next();
    const start = this.at;
    if (first === QUOTE) return this.string() && this.keep(node, STRING, start + 1, this.at - 1);
    if (first === MINUS || (first >= ZERO && first <= NINE)) {
      return this.number() && this.keep(node, NUMBER, start, this.at);
    }
    if (first === BRACE_OPEN) return (node === null || node.slot === -1) && this.object(node, levelsLeft);
    if (first === BRACKET_OPEN) return node === null && this.array(levelsLeft);
    for (let word = 0; word < words.length; word++) {
      const { length } = words[word]!;
      if (start + length > this.end || !this.isAt(words[word]!, start, start + length)) continue;
      this.at += length;
      return this.keep(node, word === 2 ? NULL : BOOLEAN, start, this.at);
    }
    return false;
  }

  private keep(node: PathNode | null, kind: number, start: number, end: number): boolean {
    if (node === null) return true;
    // Nothing can be read below null. Whether something can be read below a text or a number is left to readMeters.
    if (kind !== NULL && node.children.length > 0) return false;
    if (node.slot !== -1) {
      this.kinds[node.slot] = kind;
      this.starts[node.slot] = start;
      this.ends[node.slot] = end;
    }
    return true;
  }

  /** Passes a string without escapes, from its opening quote. */
  private string(): boolean {
    const { bytes, end } = this;
    for (let at = this.at + 1; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.at = at + 1;
        return true;
      }
      if (byte === BACKSLASH || byte < 0x20) return false;
    }
    return false;
  }

  /** Passes a number without an exponent. */
  private number(): boolean {
    if (this.bytes[this.at] === MINUS) this.at++;
    const start = this.at;
    if (!this.digits() || (this.at > start + 1 && this.bytes[start] === ZERO)) return false;
    if (this.at >= this.end) return true;
    const behind = this.bytes[this.at]!;
    if (behind === DOT) {
      this.at++;
      if (!this.digits()) return false;
    }
    // An exponent, or anything else that may not follow, is found by the caller: it is no comma and no bracket.
    return true;
  }

  private digits(): boolean {
    const start = this.at;
    while (this.at < this.end && this.bytes[this.at]! >= ZERO && this.bytes[this.at]! <= NINE) this.at++;
    return this.at > start;
  }

  /** Whether the slot's value is missing or null. */
  isMissing(slot: number): boolean {
    return this.kinds[slot]! <= NULL;
  }

  /** Reads a slot's value as a quantity into `whole` and `fraction`; false where it takes readQuantity to do so. */
  decimal(slot: number): boolean {
    const kind = this.kinds[slot];
    if (kind !== NUMBER && kind !== STRING) return false;
    const { bytes } = this;
    const end = this.ends[slot]!;
    let at = this.starts[slot]!;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at++;
    const start = at;
    let whole = 0;
    for (; at < end; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      whole = whole * 10 + digit;
    }
    let digits = at - start;
    if (digits === 0 || digits > DIGITS_MAX) return false;
    let fraction = 0;
    if (at < end) {
      if (bytes[at] !== DOT) return false;
      at++;
      const places = end - at;
      digits += places;
      if (places === 0 || places > QUANTITY_FRACTION_DIGITS || digits > DIGITS_MAX) return false;
      for (; at < end; at++) {
        const digit = bytes[at]! - ZERO;
        if (digit < 0 || digit > 9) return false;
        fraction = fraction * 10 + digit;
      }
      fraction *= powersOfTen[QUANTITY_FRACTION_DIGITS - places]!;
    }
    this.whole = isNegative ? -whole : whole;
    this.fraction = isNegative ? -fraction : fraction;
    return true;
  }

  /** Whether a slot's text, as that of a group, is one of these. */
  private isOneOf(slot: number, texts: readonly Buffer[]): Answer {
    const kind = this.kinds[slot]!;
    if (kind === NUMBER && !this.isPlainNumber(slot)) return UNCERTAIN;
    const start = this.starts[slot]!;
    const end = this.ends[slot]!;
    for (let i = 0; i < texts.length; i++) {
      if (kind <= NULL ? texts[i]!.length === 0 : this.isAt(texts[i]!, start, end)) return YES;
    }
    return NO;
  }

  /** As `passesFilter` (domain/metering). */
  passes(where: readonly ScannedCondition[]): Answer {
    for (let i = 0; i < where.length; i++) {
      const { slot, texts, isNot } = where[i]!;
      const found = this.isOneOf(slot, texts);
      if (found === UNCERTAIN) return UNCERTAIN;
      if ((found === YES) === isNot) return NO;
    }
    return YES;
  }

  /** Adds up into `whole` and `fraction`, as readSum does (domain/metering). `NO`: no value that is added is there. */
  sum(addends: readonly ScannedAddend[]): Answer {
    let whole = 0;
    let fraction = 0;
    let isThere: Answer = NO;
    for (let i = 0; i < addends.length; i++) {
      const { slot, times, divisor, units } = addends[i]!;
      if (this.isMissing(slot)) continue;
      if (!this.decimal(slot)) return UNCERTAIN;
      if (times > 0) isThere = YES;
      if (divisor === 1 && (times === 1 || times === -1)) {
        whole += times * this.whole;
        fraction += times * this.fraction;
      } else {
        const product = times * this.whole;
        if (this.fraction !== 0 || !Number.isSafeInteger(product)) return UNCERTAIN;
        const rest = product % divisor;
        whole += (product - rest) / divisor;
        fraction += rest * units;
      }
      if (whole > ADDED_MAX || whole < -ADDED_MAX) return UNCERTAIN;
    }
    if (isThere === YES && (whole >= WHOLE_END || whole <= -WHOLE_END)) return UNCERTAIN;
    this.whole = whole;
    this.fraction = fraction;
    return isThere;
  }

  /** Whether a number's text is the one that it has as a group. Others may be written in another form than here. */
  private isPlainNumber(slot: number): boolean {
    const { bytes } = this;
    const start = this.starts[slot]!;
    const end = this.ends[slot]!;
    if (end - start > DIGITS_MAX || (bytes[start] === MINUS && bytes[start + 1] === ZERO)) return false;
    for (let at = start; at < end; at++) if (bytes[at] === DOT) return false;
    return true;
  }

  /**
   * Writes a slot's value as the text of a group to `target` and returns where it ends there; -1 where it may be none.
   * A missing value is the empty text. Takes at most NAME_LENGTH_MAX bytes.
   */
  writeGroup(slot: number, target: Uint8Array, to: number): number {
    const kind = this.kinds[slot]!;
    if (kind <= NULL) return to;
    const { bytes } = this;
    const start = this.starts[slot]!;
    const end = this.ends[slot]!;
    if (kind === NUMBER && !this.isPlainNumber(slot)) return -1;
    if (end - start > NAME_LENGTH_MAX) return -1;
    for (let at = start; at < end; at++) target[to + at - start] = bytes[at]!;
    return to + end - start;
  }
}
