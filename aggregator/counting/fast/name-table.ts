// Gives each byte string a small integer, its id, so that names are compared and kept as numbers. A name is found by a
// hash of its bytes, and is the same only if all its bytes are the same: names may be chosen by an attacker to have the
// same hash.
//
//   slots    [hash, id + 1] pairs, open addressing, at most half full; id + 1 = 0 marks a free one
//   bytes    the names, one behind the other; starts[id] to starts[id + 1] is a name

import { billedNameFault } from '../../core/partition-state.ts';
import { doubled } from './hash-slots.ts';
/** Stands between the values in the name of a group. No UTF-8 text holds this byte. */
export const GROUP_SEPARATOR = 0xff;

const SLOTS_MIN = 1 << 6;
const BYTES_MIN = 1 << 10;

const UNKNOWN = 0;
const PLAIN = 1;
const FAULTY = 2;

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export class NameTable {
  bytes = Buffer.allocUnsafe(BYTES_MIN);
  private view = viewOf(this.bytes);
  private starts = new Int32Array(SLOTS_MIN / 2 + 1);
  private slots = new Int32Array(SLOTS_MIN * 2);
  private faults = new Uint8Array(SLOTS_MIN / 2);
  /** How many ids were given, which is also the next one. */
  size = 0;

  start(id: number): number {
    return this.starts[id]!;
  }

  end(id: number): number {
    return this.starts[id + 1]!;
  }

  text(id: number): string {
    return this.bytes.toString('utf8', this.start(id), this.end(id));
  }

  /** Whether core/partition-state.ts finds no fault in this name of a tenant or subject. */
  isBillable(id: number): boolean {
    if (this.faults[id] === UNKNOWN) this.faults[id] = billedNameFault(this.text(id)) === null ? PLAIN : FAULTY;
    return this.faults[id] === PLAIN;
  }

  /** The id of the bytes from `from` to `to`. */
  intern(bytes: DataView, from: number, to: number): number {
    // Four bytes at a time, and what is left one by one: names are short, and looked up several times an event.
    let hash = to - from;
    let at = from;
    for (; at + 4 <= to; at += 4) hash = Math.imul(hash ^ bytes.getInt32(at, true), 0x9e3779b1) ^ (hash >>> 15);
    for (; at < to; at++) hash = Math.imul(hash ^ bytes.getUint8(at), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    hash ^= hash >>> 13;
    const { slots } = this;
    const mask = slots.length / 2 - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot * 2 + 1]! - 1;
      if (id === -1) return this.add(bytes, from, to, hash, slot);
      if (slots[slot * 2] === hash && this.equals(id, bytes, from, to)) return id;
    }
  }

  internBytes(bytes: Uint8Array): number {
    return this.intern(viewOf(bytes), 0, bytes.length);
  }

  private equals(id: number, bytes: DataView, from: number, to: number): boolean {
    let own = this.starts[id]!;
    if (this.starts[id + 1]! - own !== to - from) return false;
    let at = from;
    for (; at + 4 <= to; at += 4, own += 4)
      if (bytes.getInt32(at, true) !== this.view.getInt32(own, true)) return false;
    for (; at < to; at++, own++) if (bytes.getUint8(at) !== this.view.getUint8(own)) return false;
    return true;
  }

  private add(bytes: DataView, from: number, to: number, hash: number, slot: number): number {
    const id = this.size++;
    const start = this.starts[id]!;
    const end = start + to - from;
    if (end > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, end));
      this.bytes.copy(grown, 0, 0, start);
      this.bytes = grown;
      this.view = viewOf(grown);
    }
    for (let i = from, at = start; i < to; i++, at++) this.bytes[at] = bytes.getUint8(i);
    this.starts[id + 1] = end;
    this.slots[slot * 2] = hash;
    this.slots[slot * 2 + 1] = id + 1;
    if (this.size * 4 >= this.slots.length) this.grow();
    return id;
  }

  private grow(): void {
    const { slots, starts, faults } = this;
    this.slots = doubled(slots);
    this.starts = new Int32Array(slots.length / 2 + 1);
    this.starts.set(starts);
    this.faults = new Uint8Array(slots.length / 2);
    this.faults.set(faults);
  }
}
