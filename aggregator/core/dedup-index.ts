// The keys of a partition's accepted events, remembered for as long as a copy of the event could still be counted. Whether a
// key is alive is compared at look-up, with the log's time, so that every owner of the partition decides alike; dead keys are
// only dropped when a table is rebuilt or a file is written, which no look-up can notice.
//
// Keys are in a table in memory. Where memory is limited, a table that became too large is written to a file (a run), while a
// new one takes the keys that come; until the file is there, both tables are looked at. A run is merged with smaller and
// equal ones before it, so that there are few. No answer depends on which keys are where.
//
//   add -> table -> unwritten -> runs[0] -> runs[1] ...          newest first, as look-ups go
import { type KeyFile, type KeyRun, writeRun } from './key-run.ts';
import { highWord, KeyTable, keysIn, type Lookup, lowWord } from './key-table.ts';

export { highWord, type Lookup, lowWord } from './key-table.ts';

/** Where keys go that memory has no room for. */
export interface KeySpace {
  /** Of memory, for one index, as things are now. */
  bytes(): number;
  newFile(): Promise<KeyFile>;
}

/** Runs that have no more keys than this many times those which are newer are merged with them. */
const MERGE_FACTOR = 2;

export class DedupIndex {
  private readonly space: KeySpace | null;
  /** Takes the keys that come: `table.addWords` remembers a key that was looked up and is new. */
  table: KeyTable;
  /** Whether there are keys that are not in the table. */
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

  /** Keys held, dead ones that were not yet dropped included. */
  get size(): number {
    return this.parts().reduce((sum, part) => sum + part.size, 0);
  }

  /** Of memory. */
  get bytes(): number {
    return this.parts().reduce((sum, part) => sum + part.bytes, 0);
  }

  private parts(): readonly (KeyTable | KeyRun)[] {
    return [this.table, ...(this.unwritten === null ? [] : [this.unwritten]), ...this.runs];
  }

  /** Reads, and nothing more, what look-ups of a key of this second word will read: many that follow wait for memory together. */
  touch(k1: number): void {
    this.table.touch(k1);
    if (this.isSplit) this.touchOlder(k1);
  }

  /** `touch`, but for the table. */
  touchOlder(k1: number): void {
    const { unwritten, runs } = this;
    if (unwritten !== null) unwritten.touch(k1);
    for (let i = 0; i < runs.length; i++) runs[i]!.touch(k1);
  }

  /**
   * What an event with this key and payload is. `deadBeforeSeconds` is T minus the horizon, in seconds, rounded down: a key
   * lives while that is not beyond its liveUntil.
   */
  look(key: Buffer, payloadHash: bigint, deadBeforeSeconds: number): Lookup {
    const [k0, k1, k2, k3] = wordsOf(key);
    const [low, high] = [lowWord(payloadHash), highWord(payloadHash)];
    const found = this.table.lookWords(k0, k1, k2, k3, low, high, deadBeforeSeconds);
    return found === 'new' && this.isSplit ? this.lookOlder(k0, k1, k2, k3, low, high, deadBeforeSeconds) : found;
  }

  /** What `table.lookWords` has found to be new, if the key is not in the table but elsewhere. */
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
    // A key that is dead in a newer place is dead in every older one: it was accepted again because it was.
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
   * Keeps to the bounds of memory: where the table has become too large, its keys begin to be written to a file. Waits only while
   * the table before it is still being written. Rejects where that failed; nothing is lost then, and the next call tries again.
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
    // Whoever relieves next is told.
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

  /** Gives up its files. It must not be used afterwards. */
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
