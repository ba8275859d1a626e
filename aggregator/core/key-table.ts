// Keys in memory, exactly: an open-addressing table on one typed array (linear probing), because a Map of strings costs five
// times as much and ends at 16.7 M entries.
//
// Slot, 28 bytes that mostly lie in one cache line: key 4 words | payload hash 2 words | liveUntil (seconds since the epoch,
// rounded up; 0 marks a free slot). Words are little-endian and signed: V8 keeps a signed 32-bit number without allocating.
//
// A key belongs where its second word, as a fraction of the range of words, points into the table, or else to the right of it
// before the next free slot. (The first word also chose the partition.) The keys of the whole table ascend by that word:
//
//   - a look-up ends at the first greater one, so that a new key, which most are, is no dearer than a known one;
//   - an addition moves those that are greater, up to the next free slot, by one;
//   - a rebuild reads and writes from left to right.
//
// A table does not wrap round: keys that belong at its end go on into a tail, and its last slot is always free. A large table
// grows by a fourteenth, so it is between 85 and 91 % full; a small one doubles.

const KEY_WORDS = 4;
export const HASH = KEY_WORDS;
export const LIVE_UNTIL = HASH + 2;
export const SLOT_WORDS = LIVE_UNTIL + 1;
const SLOT_BYTES = SLOT_WORDS * 4;
/** Of a cache line of 64 bytes. */
const LINE_WORDS = 16;
const CAPACITY_MIN = 1 << 8;
const TAIL_MIN = 1 << 6;
const LOAD_MAX = 0.91;
const LOAD_REBUILT = 0.85;
const LARGE = 1 << 21;
const LOAD_REBUILT_SMALL = 0.45;
/** Of the keys at which a table grows. */
const NEARLY = 7 / 8;

export type Lookup = 'new' | 'duplicate' | 'conflict';

/** Goes through slots in ascending order of their second word. */
export interface KeyCursor {
  /** The slots at hand. */
  readonly slots: Int32Array;
  /** Where the current one begins. */
  readonly at: number;
  /** Goes on to the next; false: none is at hand. */
  next(): boolean;
  /** `next`, of slots that are brought to hand; false: there are no more. */
  more(): Promise<boolean>;
}

export class KeyTable {
  private capacity = 0;
  private used = 0;
  private usedMax = 0;
  private tail = TAIL_MIN;
  private slots = new Int32Array(0);
  /** Of no meaning: a read whose value goes nowhere might be left out. */
  private touched = 0;

  constructor(expectedKeys = 0) {
    this.allocate(capacityFor(expectedKeys));
  }

  /** Keys held, dead ones that were not yet dropped included. */
  get size(): number {
    return this.used;
  }

  get bytes(): number {
    return this.slots.byteLength;
  }

  /** What `bytes` will be after some more keys, if none of these is dead. */
  get bytesSoon(): number {
    const { used, usedMax, tail } = this;
    return used < usedMax * NEARLY ? this.bytes : (capacityFor(usedMax) + tail) * SLOT_BYTES;
  }

  /** The keys there are; nothing may be added until they were gone through. */
  cursor(): KeyCursor {
    return new TableCursor(this.slots);
  }

  private allocate(capacity: number): void {
    this.capacity = capacity;
    this.used = 0;
    this.usedMax = Math.floor(capacity * LOAD_MAX);
    this.slots = new Int32Array((capacity + this.tail) * SLOT_WORDS);
  }

  /** Where the slots begin in which keys of this second word are. */
  private homeOf(k1: number): number {
    return Math.floor((k1 / 2 ** 32 + 0.5) * this.capacity) * SLOT_WORDS;
  }

  /**
   * Reads where a key of this second word belongs and the two cache lines after it, and nothing more: look-ups of many keys that
   * follow then wait for memory together and not one after the other.
   */
  touch(k1: number): void {
    const { slots } = this;
    const at = this.homeOf(k1);
    this.touched ^= slots[at]! ^ slots[at + LINE_WORDS]! ^ slots[at + 2 * LINE_WORDS]!;
  }

  /** Where the slot begins that holds the key; if none does, -1 minus where it has to go. */
  private find(k0: number, k1: number, k2: number, k3: number): number {
    const { slots } = this;
    for (let at = this.homeOf(k1); ; at += SLOT_WORDS) {
      const word = slots[at + 1]!;
      if (slots[at + LIVE_UNTIL] === 0 || word > k1) return -1 - at;
      if (word === k1 && slots[at] === k0 && slots[at + 2] === k2 && slots[at + 3] === k3) return at;
    }
  }

  /** Frees a slot for a key that has to go there; false, and nothing is changed, where the tail has no room for it. */
  private open(at: number): boolean {
    const { slots } = this;
    let free = at;
    while (slots[free + LIVE_UNTIL] !== 0) free += SLOT_WORDS;
    if (free === slots.length - SLOT_WORDS) return false;
    slots.copyWithin(at + SLOT_WORDS, at, free);
    return true;
  }

  /**
   * What an event with this key (of words k0 to k3) and this hash of its payload (of its low and its high word) is.
   * `deadBeforeSeconds` is T minus the horizon, in seconds, rounded down: a key lives while that is not beyond its liveUntil.
   */
  lookWords(
    k0: number,
    k1: number,
    k2: number,
    k3: number,
    low: number,
    high: number,
    deadBeforeSeconds: number,
  ): Lookup {
    const { slots } = this;
    const at = this.find(k0, k1, k2, k3);
    if (at < 0) return 'new';
    const liveUntil = slots[at + LIVE_UNTIL]! >>> 0;
    if (liveUntil < deadBeforeSeconds) return 'new';
    return slots[at + HASH] === low && slots[at + HASH + 1] === high ? 'duplicate' : 'conflict';
  }

  /** Remembers a key; an entry of the same key (a dead one) is overwritten. `liveUntilMs` must be after 1970. */
  addWords(
    k0: number,
    k1: number,
    k2: number,
    k3: number,
    low: number,
    high: number,
    liveUntilMs: number,
    deadBeforeSeconds: number,
  ): void {
    if (this.used >= this.usedMax) this.rebuild(deadBeforeSeconds);
    let at = this.find(k0, k1, k2, k3);
    if (at < 0) {
      while (!this.open(-1 - at)) {
        this.tail *= 2;
        this.rebuild(deadBeforeSeconds);
        at = this.find(k0, k1, k2, k3);
      }
      at = -1 - at;
      this.used++;
    }
    const { slots } = this;
    slots[at] = k0;
    slots[at + 1] = k1;
    slots[at + 2] = k2;
    slots[at + 3] = k3;
    slots[at + HASH] = low;
    slots[at + HASH + 1] = high;
    slots[at + LIVE_UNTIL] = Math.max(1, Math.ceil(liveUntilMs / 1000));
  }

  /** Moves the live keys into a table with room for more. */
  private rebuild(deadBeforeSeconds: number): void {
    const { slots } = this;
    let live = 0;
    for (let at = 0; at < slots.length; at += SLOT_WORDS) if (isLive(slots, at, deadBeforeSeconds)) live++;
    while (!this.fill(capacityFor(live), slots, deadBeforeSeconds)) this.tail *= 2;
  }

  /** Begins a table of this capacity with the live keys of another; false where the tail has no room for them. */
  private fill(capacity: number, others: Int32Array, deadBeforeSeconds: number): boolean {
    this.allocate(capacity);
    const { slots } = this;
    const last = slots.length - SLOT_WORDS;
    let next = 0;
    for (let from = 0; from < others.length; from += SLOT_WORDS) {
      if (!isLive(others, from, deadBeforeSeconds)) continue;
      const to = Math.max(next, this.homeOf(others[from + 1]!));
      if (to === last) return false;
      for (let word = 0; word < SLOT_WORDS; word++) slots[to + word] = others[from + word]!;
      next = to + SLOT_WORDS;
      this.used++;
    }
    return true;
  }
}

export function isLive(slots: Int32Array, at: number, deadBeforeSeconds: number): boolean {
  const liveUntil = slots[at + LIVE_UNTIL]! >>> 0;
  return liveUntil > 0 && liveUntil >= deadBeforeSeconds;
}

class TableCursor implements KeyCursor {
  readonly slots: Int32Array;
  at = -SLOT_WORDS;

  constructor(slots: Int32Array) {
    this.slots = slots;
  }

  next(): boolean {
    const { slots } = this;
    do this.at += SLOT_WORDS;
    while (this.at < slots.length && slots[this.at + LIVE_UNTIL] === 0);
    return this.at < slots.length;
  }

  more(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

export const lowWord = (hash: bigint): number => Number(BigInt.asIntN(32, hash));
export const highWord = (hash: bigint): number => Number(BigInt.asIntN(32, hash >> 32n));

/** For how many keys a table of so many bytes is made. */
export function keysIn(bytes: number): number {
  const slots = Math.max(0, bytes / SLOT_BYTES - TAIL_MIN);
  const keys = Math.floor(slots * LOAD_REBUILT);
  return keys < LARGE ? Math.floor(slots * LOAD_REBUILT_SMALL) : keys;
}

const capacityFor = (keys: number): number =>
  Math.max(CAPACITY_MIN, Math.ceil(keys / (keys < LARGE ? LOAD_REBUILT_SMALL : LOAD_REBUILT)));
