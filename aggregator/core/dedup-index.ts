// The keys of a partition's accepted events, remembered for as long as a copy of the event could still be counted.
// An open-addressing table on typed arrays (linear probing): 28 bytes a slot, because a Map of strings costs five times
// that and ends at 16.7 M entries. Whether a key is alive is compared at look-up, with the log's time, so that every owner
// of the partition decides alike; dead keys are only dropped when the table is rebuilt, which no look-up can notice.
//
// Slot: key 4 x u32 | payload hash 2 x u32 | liveUntil u32 (seconds since the epoch, rounded up; 0 marks a free slot).

const KEY_WORDS = 4;
const CAPACITY_MIN = 1 << 12;
const LOAD_MAX = 0.7;

export type Lookup = 'new' | 'duplicate' | 'conflict';

export class DedupIndex {
  private capacity = 0;
  private used = 0;
  private keys = new Uint32Array(0);
  private hashes = new Uint32Array(0);
  private liveUntil = new Uint32Array(0);

  constructor(expectedKeys = 0) {
    this.allocate(capacityFor(expectedKeys));
  }

  /** Keys held, dead ones that were not yet dropped included. */
  get size(): number {
    return this.used;
  }

  get bytes(): number {
    return this.keys.byteLength + this.hashes.byteLength + this.liveUntil.byteLength;
  }

  private allocate(capacity: number): void {
    this.capacity = capacity;
    this.used = 0;
    this.keys = new Uint32Array(capacity * KEY_WORDS);
    this.hashes = new Uint32Array(capacity * 2);
    this.liveUntil = new Uint32Array(capacity);
  }

  /** The slot that holds the key, or the free slot where it belongs. */
  private slotOf(k0: number, k1: number, k2: number, k3: number): number {
    const mask = this.capacity - 1;
    // The first word also chose the partition, so the second one spreads.
    let slot = k1 & mask;
    for (;;) {
      if (this.liveUntil[slot] === 0) return slot;
      const at = slot * KEY_WORDS;
      const { keys } = this;
      if (keys[at] === k0 && keys[at + 1] === k1 && keys[at + 2] === k2 && keys[at + 3] === k3) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /**
   * What an event with this key and payload is. `deadBeforeSeconds` is T minus the horizon, in seconds, rounded down: a key
   * lives while that is not beyond its liveUntil.
   */
  look(key: Buffer, payloadHash: bigint, deadBeforeSeconds: number): Lookup {
    const slot = this.slotOf(key.readUInt32LE(0), key.readUInt32LE(4), key.readUInt32LE(8), key.readUInt32LE(12));
    const liveUntil = this.liveUntil[slot]!;
    if (liveUntil === 0 || liveUntil < deadBeforeSeconds) return 'new';
    const low = Number(payloadHash & 0xffffffffn);
    const high = Number(payloadHash >> 32n);
    return this.hashes[slot * 2] === low && this.hashes[slot * 2 + 1] === high ? 'duplicate' : 'conflict';
  }

  /** Remembers a key; an entry of the same key (a dead one) is overwritten. `liveUntilMs` must be after 1970. */
  add(key: Buffer, payloadHash: bigint, liveUntilMs: number, deadBeforeSeconds: number): void {
    if (this.used >= this.capacity * LOAD_MAX) this.rebuild(deadBeforeSeconds);
    this.put(
      key.readUInt32LE(0),
      key.readUInt32LE(4),
      key.readUInt32LE(8),
      key.readUInt32LE(12),
      Number(payloadHash & 0xffffffffn),
      Number(payloadHash >> 32n),
      Math.max(1, Math.ceil(liveUntilMs / 1000)),
    );
  }

  private put(k0: number, k1: number, k2: number, k3: number, h0: number, h1: number, liveUntil: number): void {
    const slot = this.slotOf(k0, k1, k2, k3);
    if (this.liveUntil[slot] === 0) this.used++;
    const at = slot * KEY_WORDS;
    this.keys[at] = k0;
    this.keys[at + 1] = k1;
    this.keys[at + 2] = k2;
    this.keys[at + 3] = k3;
    this.hashes[slot * 2] = h0;
    this.hashes[slot * 2 + 1] = h1;
    this.liveUntil[slot] = liveUntil;
  }

  /** Moves the live keys into a table that is at most half full. */
  private rebuild(deadBeforeSeconds: number): void {
    const { capacity, keys, hashes, liveUntil } = this;
    let live = 0;
    for (let slot = 0; slot < capacity; slot++)
      if (liveUntil[slot]! > 0 && liveUntil[slot]! >= deadBeforeSeconds) live++;
    this.allocate(capacityFor(live));
    for (let slot = 0; slot < capacity; slot++) {
      const until = liveUntil[slot]!;
      if (until === 0 || until < deadBeforeSeconds) continue;
      const at = slot * KEY_WORDS;
      this.put(keys[at]!, keys[at + 1]!, keys[at + 2]!, keys[at + 3]!, hashes[slot * 2]!, hashes[slot * 2 + 1]!, until);
    }
  }
}

function capacityFor(keys: number): number {
  let capacity = CAPACITY_MIN;
  while (capacity < keys * 2) capacity *= 2;
  return capacity;
}
