// A run: keys that memory has no room for, in a file that holds each of them whole and is never changed. Memory keeps
// 1.75 bytes a key. They say where the key would be in the file, and whether the file has to be read for it.
//
// File, 32 bytes a key, ascending by the key's second word: the words of a slot (key-table.ts) | a check of them
//
//   starts   the place of the first key of each bucket; a bucket is a range of second words with 16 keys on average
//   prints   12 bits of each key's third word, by place
//
// A look-up compares its print with those of one bucket. Where one is equal, the key at the same place of the file is
// read. So a key that is in the file takes one read, and a key that is not takes one in 16 of 4,096 cases.

import { HASH, isLive, type KeyCursor, type Lookup, SLOT_WORDS } from './key-table.ts';
/** A file that one process writes for itself. It is gone when that closes it or ends. */
export interface KeyFile {
  append(bytes: Uint8Array): Promise<void>;
  /** Fills `into` with what stands at `position`. Throws where there is less. */
  readSync(into: Uint8Array, position: number): void;
  read(into: Uint8Array, position: number): Promise<void>;
  close(): void;
}

const CHECK = SLOT_WORDS;
const ENTRY_WORDS = CHECK + 1;
const ENTRY_BYTES = ENTRY_WORDS * 4;
const BUCKET_KEYS = 16;
const PRINT_BITS = 12;
const BLOCK_ENTRIES = 1 << 15;

/** How many of the `keys` that are left go into the next block. */
const blockEntries = (keys: number): number => Math.min(BLOCK_ENTRIES, keys);

const printOf = (k2: number): number => k2 >>> (32 - PRINT_BITS);

/** The check of the entry that begins at `at`. */
function checkOf(words: Int32Array, at: number): number {
  let check = 0x2545f491;
  for (let word = at; word < at + CHECK; word++) {
    check = Math.imul(check ^ words[word]!, 0x85ebca6b);
    check ^= check >>> 15;
  }
  return check;
}

function assertIntact(words: Int32Array, at: number, place: number): void {
  if (words[at + CHECK] !== checkOf(words, at))
    throw new Error(`key ${place} of a file of keys is not as it was written`);
}

/** Numbers of 12 bits, two in three bytes. */
class Prints {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get(place: number): number {
    const { bytes } = this;
    const at = (place * 3) >>> 1;
    const pair = bytes[at]! | (bytes[at + 1]! << 8);
    return (place & 1) === 0 ? pair & 0xfff : pair >>> 4;
  }

  /** Sets a number that is still 0. */
  set(place: number, print: number): void {
    const { bytes } = this;
    const at = (place * 3) >>> 1;
    const pair = (place & 1) === 0 ? print : print << 4;
    bytes[at]! |= pair & 0xff;
    bytes[at + 1]! |= pair >>> 8;
  }
}

const printBytes = (keys: number): number => Math.ceil((keys * 3) / 2) + 1;

export class KeyRun {
  /** Keys held. */
  readonly size: number;
  private readonly file: KeyFile;
  private readonly starts: Uint32Array;
  private readonly prints: Prints;
  private readonly entry = new Int32Array(ENTRY_WORDS);
  private readonly entryBytes = new Uint8Array(this.entry.buffer);
  /** Has no meaning. It keeps the compiler from leaving out a read whose value nobody uses. */
  private touched = 0;

  constructor(file: KeyFile, size: number, starts: Uint32Array, prints: Uint8Array) {
    this.file = file;
    this.size = size;
    this.starts = starts;
    this.prints = new Prints(prints);
  }

  /** The memory that it takes. */
  get bytes(): number {
    return this.starts.byteLength + this.prints.bytes.byteLength;
  }

  /** Reads the memory that `lookWords` of such a key will read; see `DedupIndex.touch`. */
  touch(k1: number): void {
    const { starts } = this;
    this.touched ^= this.prints.get(starts[bucketOf(k1, starts.length - 1)]!);
  }

  /** As `KeyTable.lookWords`. Throws where the file is damaged. */
  lookWords(
    k0: number,
    k1: number,
    k2: number,
    k3: number,
    low: number,
    high: number,
    deadBeforeSeconds: number,
  ): Lookup {
    const { starts, prints, entry } = this;
    const bucket = bucketOf(k1, starts.length - 1);
    const end = starts[bucket + 1]!;
    const print = printOf(k2);
    for (let place = starts[bucket]!; place < end; place++) {
      if (prints.get(place) !== print) continue;
      this.file.readSync(this.entryBytes, place * ENTRY_BYTES);
      assertIntact(entry, 0, place);
      if (entry[0] !== k0 || entry[1] !== k1 || entry[2] !== k2 || entry[3] !== k3) continue;
      if (!isLive(entry, 0, deadBeforeSeconds)) return 'new';
      return entry[HASH] === low && entry[HASH + 1] === high ? 'duplicate' : 'conflict';
    }
    return 'new';
  }

  cursor(): KeyCursor {
    return new RunCursor(this.file, this.size);
  }

  close(): void {
    this.file.close();
  }
}

const bucketOf = (k1: number, buckets: number): number => Math.floor((k1 / 2 ** 32 + 0.5) * buckets);

class RunCursor implements KeyCursor {
  readonly slots: Int32Array;
  at = 0;
  private readonly file: KeyFile;
  private readonly size: number;
  private loaded = 0;
  private end = 0;

  constructor(file: KeyFile, size: number) {
    this.file = file;
    this.size = size;
    this.slots = new Int32Array(blockEntries(size) * ENTRY_WORDS);
  }

  next(): boolean {
    this.at += ENTRY_WORDS;
    return this.at < this.end;
  }

  async more(): Promise<boolean> {
    const { slots, loaded } = this;
    const entries = blockEntries(this.size - loaded);
    if (entries === 0) return false;
    await this.file.read(new Uint8Array(slots.buffer, 0, entries * ENTRY_BYTES), loaded * ENTRY_BYTES);
    for (let i = 0; i < entries; i++) assertIntact(slots, i * ENTRY_WORDS, loaded + i);
    this.loaded += entries;
    this.at = 0;
    this.end = entries * ENTRY_WORDS;
    return true;
  }
}

/** Writes a run; keys have to come in ascending order of their second word. */
class RunWriter {
  private readonly file: KeyFile;
  private readonly buckets: number;
  private readonly starts: Uint32Array;
  private readonly prints: Prints;
  private readonly block: Int32Array;
  private inBlock = 0;
  private size = 0;
  /** Buckets whose start is known. */
  private started = 0;

  constructor(file: KeyFile, keysMax: number) {
    this.file = file;
    this.block = new Int32Array(blockEntries(keysMax) * ENTRY_WORDS);
    this.buckets = Math.max(1, Math.ceil(keysMax / BUCKET_KEYS));
    this.starts = new Uint32Array(this.buckets + 1);
    this.prints = new Prints(new Uint8Array(printBytes(keysMax)));
  }

  get isFull(): boolean {
    return this.inBlock * ENTRY_WORDS === this.block.length;
  }

  add(slots: Int32Array, at: number): void {
    const { block } = this;
    this.startBuckets(bucketOf(slots[at + 1]!, this.buckets));
    this.prints.set(this.size++, printOf(slots[at + 2]!));
    const to = this.inBlock++ * ENTRY_WORDS;
    for (let word = 0; word < SLOT_WORDS; word++) block[to + word] = slots[at + word]!;
    block[to + CHECK] = checkOf(block, to);
  }

  private startBuckets(last: number): void {
    while (this.started <= last) this.starts[this.started++] = this.size;
  }

  async write(): Promise<void> {
    await this.file.append(new Uint8Array(this.block.buffer, 0, this.inBlock * ENTRY_BYTES));
    this.inBlock = 0;
  }

  async finish(): Promise<KeyRun> {
    await this.write();
    this.startBuckets(this.buckets);
    return new KeyRun(this.file, this.size, this.starts, this.prints.bytes.slice(0, printBytes(this.size)));
  }
}

/** Writes the keys of all `cursors` that are alive, `keysMax` or less, as one run. Closes the file where it fails. */
export async function writeRun(
  file: KeyFile,
  cursors: Iterable<KeyCursor>,
  keysMax: number,
  deadBeforeSeconds: number,
): Promise<KeyRun> {
  try {
    const writer = new RunWriter(file, keysMax);
    const open: KeyCursor[] = [];
    for (const cursor of cursors) if (cursor.next() || (await cursor.more())) open.push(cursor);
    while (open.length > 0) {
      let least = open[0]!;
      for (const cursor of open) if (cursor.slots[cursor.at + 1]! < least.slots[least.at + 1]!) least = cursor;
      if (isLive(least.slots, least.at, deadBeforeSeconds)) writer.add(least.slots, least.at);
      if (writer.isFull) await writer.write();
      if (!least.next() && !(await least.more())) open.splice(open.indexOf(least), 1);
    }
    return await writer.finish();
  } catch (error) {
    file.close();
    throw error;
  }
}
