// Keys in memory, each of them whole: an open-addressing table on one typed array (linear probing), because a Map of
// strings costs five times as much and ends at 16.7 M entries.
//
//   slot   key 4 words | payload hash 2 words | liveUntil 1 word: seconds since the epoch, rounded up; 0: the slot is
//          free
//
// Most slots, of 28 bytes, lie in one cache line. Words are little-endian and signed: V8 keeps a signed 32-bit number
// without allocating.
//
// The second word of a key, as a fraction of all words, points to the key's slot. (The first word has also chosen the
// partition.) Where that slot is taken, the key is to the right of it, before the next free slot. The keys of the whole
// table ascend by that word:
//
//   - a look-up ends at the first greater key. So a new key, and most are new, costs no more than a known one;
//   - an addition moves the greater keys, up to the next free slot, by one slot;
//   - a rebuild reads and writes from left to right.
//
// A table does not wrap round: behind its slots there is a tail for keys that belong at the end, and the last slot is
// always free. A large table grows by a fourteenth, so it is between 85 and 91 % full; a small one doubles.

const KEY_WORDS = 4;
export const HASH = KEY_WORDS;
const LIVE_UNTIL = HASH + 2;
export const SLOT_WORDS = LIVE_UNTIL + 1;
const SLOT_BYTES = SLOT_WORDS * 4;
/** A cache line has 64 bytes. */
const LINE_WORDS = 16;
const CAPACITY_MIN = 1 << 8;
const TAIL_MIN = 1 << 6;
const LOAD_MAX = 0.91;
const LOAD_REBUILT = 0.85;
const LARGE = 1 << 21;
const LOAD_REBUILT_SMALL = 0.45;
/** The part of `usedMax` from which on a table will soon grow. */
const NEARLY = 7 / 8;

export type Lookup = 'new' | 'duplicate' | 'conflict';

/**
 * Goes through keys in ascending order of their second word. They may have to be read first, so it holds some at a
 * time.
 */
export interface KeyCursor {
  /** The slots that are in memory. */
  readonly slots: Int32Array;
  /** Where the current slot begins. */
  readonly at: number;
  /** Goes on to the next slot in memory; false: there is none. */
  next(): boolean;
  /** Reads more slots into memory and goes to the first of them; false: there are no more. */
  more(): Promise<boolean>;
}

export class KeyTable {
  private capacity = 0;
  private used = 0;
  private usedMax = 0;
  private tail = TAIL_MIN;
  private slots = new Int32Array(0);
  /** Has no meaning. It keeps the compiler from leaving out a read whose value nobody uses. */
  private touched = 0;

  constructor(expectedKeys = 0) {
    this.allocate(capacityFor(expectedKeys));
  }

  /** How many keys are held. Dead ones that were not dropped yet are counted too. */
  get size(): number {
    return this.used;
  }

  get bytes(): number {
    return this.slots.byteLength;
  }

  /** What `bytes` will be after some more keys, if all keys are alive then. */
  get bytesSoon(): number {
    const { used, usedMax, tail } = this;
    return used < usedMax * NEARLY ? this.bytes : (capacityFor(usedMax) + tail) * SLOT_BYTES;
  }

  /** Goes through all keys. None may be added before that has ended. */
  cursor(): KeyCursor {
    return new TableCursor(this.slots);
  }

  private allocate(capacity: number): void {
    this.capacity = capacity;
    this.used = 0;
    this.usedMax = Math.floor(capacity * LOAD_MAX);
    this.slots = new Int32Array((capacity + this.tail) * SLOT_WORDS);
  }

  /** Where the slot begins that keys of this second word belong to. */
  private homeOf(k1: number): number {
    return Math.floor((k1 / 2 ** 32 + 0.5) * this.capacity) * SLOT_WORDS;
  }

  /**
   * Reads the slot that a key of this second word belongs to and the two cache lines after it, so that they are in the
   * processor's cache at the look-up; see `DedupIndex.touch`.
   */
  touch(k1: number): void {
    const { slots } = this;
    const at = this.homeOf(k1);
    this.touched ^= slots[at]! ^ slots[at + LINE_WORDS]! ^ slots[at + 2 * LINE_WORDS]!;
  }

  /** Where the slot begins that holds the key. If none does: -1 minus the place that the key has to go to. */
  private find(k0: number, k1: number, k2: number, k3: number): number {
    const { slots } = this;
    for (let at = this.homeOf(k1); ; at += SLOT_WORDS) {
      const word = slots[at + 1]!;
      if (slots[at + LIVE_UNTIL] === 0 || word > k1) return -1 - at;
      if (word === k1 && slots[at] === k0 && slots[at + 2] === k2 && slots[at + 3] === k3) return at;
    }
  }

  /** Frees the slot at `at`. False where the tail has no room for that; nothing is changed then. */
  private open(at: number): boolean {
    const { slots } = this;
    let free = at;
    while (slots[free + LIVE_UNTIL] !== 0) free += SLOT_WORDS;
    if (free === slots.length - SLOT_WORDS) return false;
    slots.copyWithin(at + SLOT_WORDS, at, free);
    return true;
  }

  /**
   * Says what an event is that has this key (words k0 to k3) and this hash of its payload (its low and its high word).
   * `deadBeforeSeconds` is T minus the horizon, in seconds, rounded down. A key is alive as long as that is not greater
   * than its liveUntil.
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

  /** Remembers a key. A dead entry of the same key is overwritten. `liveUntilMs` must be after 1970. */
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

  /**
   * Makes the slots anew, with this capacity and the live keys of `others`. False where the tail has no room for them.
   */
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

/** How many keys a table of so many bytes is made for. */
export function keysIn(bytes: number): number {
  const slots = Math.max(0, bytes / SLOT_BYTES - TAIL_MIN);
  const keys = Math.floor(slots * LOAD_REBUILT);
  return keys < LARGE ? Math.floor(slots * LOAD_REBUILT_SMALL) : keys;
}

const capacityFor = (keys: number): number =>
  Math.max(CAPACITY_MIN, Math.ceil(keys / (keys < LARGE ? LOAD_REBUILT_SMALL : LOAD_REBUILT)));
