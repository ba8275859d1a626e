// The keys of a partition's accepted events, remembered for as long as a copy of the event could still be counted. A
// look-up compares the key's last moment with the log's time, so every owner of the partition decides alike. Dead keys
// are dropped when a table is rebuilt or a file is written; no look-up can notice that.
//
// Keys are in a table in memory. Where memory is limited, a table that became too large is written to a file (a run),
// and a new table takes the keys that come. Until the file is written, look-ups go through both tables. When a run is
// written, older runs that are not much larger are merged into it, so that there are few. No answer depends on where a
// key is.
//
//   add -> table -> unwritten -> runs[0] -> runs[1] ...          newest first: the order of a look-up

import { type KeyFile, type KeyRun, writeRun } from './key-run.ts';
import { highWord, KeyTable, keysIn, type Lookup, lowWord } from './key-table.ts';

export { highWord, type Lookup, lowWord } from './key-table.ts';

/** How much memory there is for keys, and files for the others. */
export interface KeySpace {
  /** The memory that one index may take now. */
  bytes(): number;
  newFile(): Promise<KeyFile>;
}

/** An older run is merged into the new one if it has at most this many times as many keys. */
const MERGE_FACTOR = 2;

export class DedupIndex {
  private readonly space: KeySpace | null;
  /** The newest keys. `table.addWords` remembers a key that was looked up and is new. */
  table: KeyTable;
  /** Whether some keys are outside of `table`, so that a look-up must go on to `lookOlder`. */
  isSplit = false;
  private unwritten: KeyTable | null = null;
  private runs: readonly KeyRun[] = [];
  private writing: Promise<void> | null = null;
  private isClosed = false;

  /** Without `space` all keys stay in memory. */
  constructor(expectedKeys = 0, space: KeySpace | null = null) {
    this.space = space;
    this.table = new KeyTable(space === null ? expectedKeys : Math.min(expectedKeys, keysIn(space.bytes() / 2)));
  }

  /** How many keys are held. Dead ones that were not dropped yet are counted too. */
  get size(): number {
    return this.parts().reduce((sum, part) => sum + part.size, 0);
  }

  /** The memory that they take. */
  get bytes(): number {
    return this.parts().reduce((sum, part) => sum + part.bytes, 0);
  }

  private parts(): readonly (KeyTable | KeyRun)[] {
    return [this.table, ...(this.unwritten === null ? [] : [this.unwritten]), ...this.runs];
  }

  /**
   * Reads the memory that a look-up of a key with this second word will read, so that it is in the processor's cache by
   * then. Call it for all keys of a record before they are looked up: the processor then loads them at the same time,
   * not one after another.
   */
  touch(k1: number): void {
    this.table.touch(k1);
    if (this.isSplit) this.touchOlder(k1);
  }

  /** `touch` without `table`. */
  touchOlder(k1: number): void {
    const { unwritten, runs } = this;
    if (unwritten !== null) unwritten.touch(k1);
    for (let i = 0; i < runs.length; i++) runs[i]!.touch(k1);
  }

  /**
   * Says what an event with this key and payload is. `deadBeforeSeconds` is T minus the horizon, in seconds, rounded
   * down. A key is alive as long as that is not greater than its liveUntil.
   */
  look(key: Buffer, payloadHash: bigint, deadBeforeSeconds: number): Lookup {
    const [k0, k1, k2, k3] = wordsOf(key);
    const [low, high] = [lowWord(payloadHash), highWord(payloadHash)];
    const found = this.table.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);
    return found === 'new' && this.isSplit ? this.lookOlder(k0, k1, k2, k3, low, high, deadBeforeSeconds) : found;
  }

  /** The second half of a look-up, for a key that `table.lookWords` called new: whether it is in an older place. */
  lookOlder(
    k0: number,
    k1: number,
    k2: number,
    k3: number,
    low: number,
    high: number,
    deadBeforeSeconds: number,
  ): Lookup {
    const { unwritten, runs } = this;
    // A dead key in a newer place is taken for new there, and the search goes on. It finds nothing else: the key was
    // accepted again only because its older entry was dead already.
    let found: Lookup = 'new';
    if (unwritten !== null) found = unwritten.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);
    for (let i = 0; found === 'new' && i < runs.length; i++) {
      found = runs[i]!.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);
    }
    return found;
  }

  /** Remembers a key that was looked up and is new. `liveUntilMs` must be after 1970. */
  add(key: Buffer, payloadHash: bigint, liveUntilMs: number, deadBeforeSeconds: number): void {
    const [k0, k1, k2, k3] = wordsOf(key);
    const [low, high] = [lowWord(payloadHash), highWord(payloadHash)];
    this.table.addWords(k0, k1, k2, k3, low, high, liveUntilMs, deadBeforeSeconds);
  }

  /**
   * Keeps memory within its bounds: where the table has become too large, it starts to write the table's keys to a
   * file. It waits only while the table before it is still being written. Rejects where that write failed; nothing is
   * lost then, and the next call tries again.
   */
  async relieve(deadBeforeSeconds: number): Promise<void> {
    const { space } = this;
    if (space === null || this.isClosed || this.table.size === 0) return;
    const inRuns = this.runs.reduce((sum, run) => sum + run.bytes, 0);
    if (this.table.bytesSoon <= (space.bytes() - inRuns) / 2) return;
    if (this.unwritten !== null) {
      this.writing ??= this.write(space, this.unwritten, deadBeforeSeconds);
      await this.writing;
      if (this.isClosed) return;
    }
    this.unwritten = this.table;
    this.isSplit = true;
    this.table = new KeyTable();
    this.writing = this.write(space, this.unwritten, deadBeforeSeconds);
    // A failure is thrown by the next call, which waits for this write or makes it again.
    this.writing.catch(() => {});
  }

  private async write(space: KeySpace, table: KeyTable, deadBeforeSeconds: number): Promise<void> {
    try {
      const merged: KeyRun[] = [];
      let keys = table.size;
      for (const run of this.runs) {
        if (run.size > MERGE_FACTOR * keys) break;
        merged.push(run);
        keys += run.size;
      }
      const cursors = [table, ...merged].map((part) => part.cursor());
      const run = await writeRun(await space.newFile(), cursors, keys, deadBeforeSeconds);
      if (this.isClosed) {
        run.close();
        return;
      }
      this.runs = [run, ...this.runs.slice(merged.length)];
      this.unwritten = null;
      for (const old of merged) old.close();
    } finally {
      this.writing = null;
    }
  }

  /** Closes the files. The index must not be used afterwards. */
  close(): void {
    this.isClosed = true;
    for (const run of this.runs) run.close();
  }
}

const wordsOf = (key: Buffer): [number, number, number, number] => [
  key.readInt32LE(0),
  key.readInt32LE(4),
  key.readInt32LE(8),
  key.readInt32LE(12),
];
