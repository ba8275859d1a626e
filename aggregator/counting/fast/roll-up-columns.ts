// The roll-ups of one chunk as numbers in one block of memory. For each (tenant, subject, group values, family, window)
// there is a cell with the rows of all meters of the family, so that one look-up finds them.
//
//   slots    [hash, cell + 1] pairs, open addressing, at most half full; cell + 1 = 0 marks a free one
//   cell     8 words: tenant, subject, group, family, window's minute, changed, total + 1, unused | a row for each
//            member
//   row      4 doubles: whole, fraction, events, and the hash of the row as it was last written (64 bits)
//
// `cell` and `row` count doubles (8 bytes) from the beginning of the memory, which is also read as 32-bit words and as
// 64-bit integers. A member without events has no row. The value of a row is whole + fraction * 10^-12. Before `whole`
// becomes larger than a double holds exactly, it is moved to `overflow`, which is then added to the value.

import { QUANTITY_ONE, type Quantity } from '../../../domain/number/quantity.ts';
import { doubled } from './hash-slots.ts';
import type { Family } from './metered-types.ts';
export const MINUTE_MS = 60_000;
/** A window that begins further from 1970 than so many minutes has no cell. */
export const MINUTE_MAX = 2 ** 31 - 1;

const TENANT = 0;
const SUBJECT = 1;
const GROUP = 2;
const FAMILY = 3;
const MINUTE = 4;
/** The word with one bit for each member. */
const CHANGED = 5;
/** The cell of the totals (total-columns.ts) that this one is a part of, and 1; 0: none is known. */
const TOTAL = 6;
const CELL_DOUBLES = 4;

const FRACTION = 1;
const EVENTS = 2;
const HASH = 3;
const ROW_DOUBLES = 4;

const SLOTS_MIN = 1 << 6;
const DOUBLES_MIN = 1 << 9;
const FRACTIONS_OF_ONE = Number(QUANTITY_ONE);
/** Far enough below 2^53 that one more event, of at most 15 digits, is still added exactly. */
const WHOLE_MAX = 2 ** 52;
const ADDEND_END = 10n ** 15n;

/** Where the row of a member begins. */
export const rowOf = (cell: number, member: number): number => cell + CELL_DOUBLES + member * ROW_DOUBLES;
const cellDoubles = (family: Family): number => rowOf(0, family.members.length);

export class RollUpColumns {
  private slots = new Int32Array(SLOTS_MIN * 2);
  private doubles = new Float64Array(DOUBLES_MIN);
  private words = new Int32Array(this.doubles.buffer);
  private integers = new BigUint64Array(this.doubles.buffer);
  private used = 0;
  private cells = 0;
  private changed: number[] = [];
  private readonly overflow = new Map<number, Quantity>();

  get isEmpty(): boolean {
    return this.cells === 0;
  }

  tenant(cell: number): number {
    return this.words[cell * 2 + TENANT]!;
  }

  subject(cell: number): number {
    return this.words[cell * 2 + SUBJECT]!;
  }

  group(cell: number): number {
    return this.words[cell * 2 + GROUP]!;
  }

  family(cell: number): number {
    return this.words[cell * 2 + FAMILY]!;
  }

  minute(cell: number): number {
    return this.words[cell * 2 + MINUTE]!;
  }

  /** What `setTotal` was told; -1: nothing. */
  total(cell: number): number {
    return this.words[cell * 2 + TOTAL]! - 1;
  }

  setTotal(cell: number, total: number): void {
    this.words[cell * 2 + TOTAL] = total + 1;
  }

  /** Whether the row of a member has changed since the last `takeChanged`. */
  isChanged(cell: number, member: number): boolean {
    return (this.words[cell * 2 + CHANGED]! & (1 << member)) !== 0;
  }

  events(row: number): number {
    return this.doubles[row + EVENTS]!;
  }

  /** The value if it is a whole number and all of it is in `whole`; otherwise NaN, and `quantity` must be asked. */
  wholeValue(row: number): number {
    return this.doubles[row + FRACTION] === 0 && !this.overflow.has(row) ? this.doubles[row]! : Number.NaN;
  }

  quantity(row: number): Quantity {
    const whole = BigInt(this.doubles[row]!) * QUANTITY_ONE + BigInt(this.doubles[row + FRACTION]!);
    return whole + (this.overflow.get(row) ?? 0n);
  }

  setHash(row: number, hash: bigint): void {
    this.integers[row + HASH] = hash;
  }

  hash(row: number): bigint {
    return this.integers[row + HASH]!;
  }

  hashLow(row: number): number {
    return this.words[(row + HASH) * 2]! >>> 0;
  }

  hashHigh(row: number): number {
    return this.words[(row + HASH) * 2 + 1]! >>> 0;
  }

  /** The cell of these names; it is made if there is none. `minute`: the window's start, in minutes since the epoch. */
  cell(tenant: number, subject: number, group: number, family: Family, minute: number): number {
    let hash = Math.imul(subject ^ Math.imul(group, 0x85ebca6b), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15) ^ minute ^ Math.imul(tenant ^ (family.id << 16), 0x27d4eb2f), 0xc2b2ae35);
    hash ^= hash >>> 14;
    const { slots, words } = this;
    const mask = slots.length / 2 - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const cell = slots[slot * 2 + 1]! - 1;
      if (cell === -1) return this.add(tenant, subject, group, family, minute, hash, slot);
      if (slots[slot * 2] !== hash) continue;
      const at = cell * 2;
      if (
        words[at + SUBJECT] === subject &&
        words[at + GROUP] === group &&
        words[at + MINUTE] === minute &&
        words[at + TENANT] === tenant &&
        words[at + FAMILY] === family.id
      )
        return cell;
    }
  }

  private add(
    tenant: number,
    subject: number,
    group: number,
    family: Family,
    minute: number,
    hash: number,
    slot: number,
  ): number {
    const cell = this.used;
    this.used += cellDoubles(family);
    this.cells++;
    if (this.used > this.doubles.length) this.growMemory();
    this.doubles.fill(0, cell, this.used);
    const { words, slots } = this;
    const at = cell * 2;
    words[at + TENANT] = tenant;
    words[at + SUBJECT] = subject;
    words[at + GROUP] = group;
    words[at + FAMILY] = family.id;
    words[at + MINUTE] = minute;
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = cell + 1;
    if (this.cells * 4 >= slots.length) this.slots = doubled(slots);
    return cell;
  }

  /** Adds an event to the row of a member: `whole`, of at most 15 digits, and `fraction` in units of 10^-12. */
  count(cell: number, member: number, whole: number, fraction: number): void {
    const { doubles } = this;
    const row = rowOf(cell, member);
    const sum = doubles[row]! + whole;
    doubles[row] = sum;
    doubles[row + EVENTS]! += 1;
    if (fraction !== 0) this.addFraction(row, fraction);
    if (sum > WHOLE_MAX || sum < -WHOLE_MAX) this.spillOver(row);
    this.markChanged(cell, member);
  }

  /** `count`, for any quantity. */
  countQuantity(cell: number, member: number, quantity: Quantity): void {
    const whole = quantity / QUANTITY_ONE;
    const isShort = whole < ADDEND_END && whole > -ADDEND_END;
    this.count(cell, member, isShort ? Number(whole) : 0, isShort ? Number(quantity % QUANTITY_ONE) : 0);
    if (isShort) return;
    const row = rowOf(cell, member);
    this.overflow.set(row, (this.overflow.get(row) ?? 0n) + quantity);
  }

  private addFraction(row: number, fraction: number): void {
    const { doubles } = this;
    const sum = doubles[row + FRACTION]! + fraction;
    const carry = Math.trunc(sum / FRACTIONS_OF_ONE);
    doubles[row + FRACTION] = sum - carry * FRACTIONS_OF_ONE;
    doubles[row]! += carry;
  }

  private spillOver(row: number): void {
    this.overflow.set(row, (this.overflow.get(row) ?? 0n) + BigInt(this.doubles[row]!) * QUANTITY_ONE);
    this.doubles[row] = 0;
  }

  private markChanged(cell: number, member: number): void {
    const at = cell * 2 + CHANGED;
    const before = this.words[at]!;
    if (before === 0) this.changed.push(cell);
    this.words[at] = before | (1 << member);
  }

  get changedCells(): number {
    return this.changed.length;
  }

  /** Calls `each` with every cell that changed since the last call and was not emptied. */
  takeChanged(each: (cell: number) => void): void {
    const { changed } = this;
    this.changed = [];
    for (const cell of changed) {
      if (this.words[cell * 2 + CHANGED] !== 0) each(cell);
      this.words[cell * 2 + CHANGED] = 0;
    }
  }

  /** Calls `each` with every row. `families` are in the order of their ids. */
  forEachRow(families: readonly Family[], each: (row: number, cell: number, member: number) => void): void {
    this.forEachCell(families, (cell, family) => {
      for (let member = 0; member < family.members.length; member++) {
        const row = rowOf(cell, member);
        if (this.events(row) > 0) each(row, cell, member);
      }
    });
  }

  forEachCell(families: readonly Family[], each: (cell: number, family: Family) => void): void {
    for (let cell = 0; cell < this.used; ) {
      const family = families[this.family(cell)]!;
      each(cell, family);
      cell += cellDoubles(family);
    }
  }

  /** Forgets the rows of a cell, which stays empty until all are cleared. */
  empty(cell: number, family: Family): void {
    for (let member = 0; member < family.members.length; member++) {
      const row = rowOf(cell, member);
      this.doubles.fill(0, row, row + ROW_DOUBLES);
      this.overflow.delete(row);
    }
    this.words[cell * 2 + CHANGED] = 0;
  }

  clear(): void {
    if (this.cells > 0) this.slots.fill(0);
    this.used = 0;
    this.cells = 0;
    this.changed = [];
    this.overflow.clear();
  }

  private growMemory(): void {
    const { doubles } = this;
    this.doubles = new Float64Array(Math.max(doubles.length * 2, this.used));
    this.doubles.set(doubles);
    this.words = new Int32Array(this.doubles.buffer);
    this.integers = new BigUint64Array(this.doubles.buffer);
  }
}
