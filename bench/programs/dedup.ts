// The dedup index alone: keys of numbers from 0 on are added to as many indexes as an aggregator has partitions, then
// keys are looked up as the aggregator does it, the keys of a record touched ahead, and every answer is checked: none
// forgotten, none invented.
import { tmpdir } from 'node:os';
import { DedupIndex, highWord, type KeySpace, lowWord } from '../../aggregator/core/dedup-index.ts';
import { newKeyFile } from '../../aggregator/key-files.ts';
import { Random } from '../../domain/random.ts';
import { runAsProgram } from './program.ts';

export interface DedupInput {
  readonly keys: number;
  readonly partitions: number;
  readonly sample: number;
  /** For all keys; those beyond it go to files, and in the end all do. Null: there is enough. */
  readonly memoryBytes: number | null;
}

export interface DedupOutput {
  readonly indexBytes: number;
  readonly residentBytes: number;
  readonly addSeconds: number;
  readonly addCpuMicros: number;
  /** CPU time of a look-up, touching included. */
  readonly hotLookNanos: number;
  readonly newLookNanos: number;
  /** Of hot keys that nobody touched ahead. */
  readonly untouchedLookNanos: number;
  readonly checked: number;
}

/** Keys that are touched before they are looked up. */
const RECORD_EVENTS = 500;
/** key 4 words | payload hash 2 */
const ROW_WORDS = 6;
const RECORD_WORDS = RECORD_EVENTS * ROW_WORDS;
/** Keys that are added between two looks at how much memory is taken. */
const RELIEVED_KEYS = 100_000;
const LIVE_UNTIL_MS = 1_800_000_000_000;
const DEAD_BEFORE_SECONDS = 1_700_000_000;

/** Keys of one index. */
interface KeyRecord {
  readonly index: DedupIndex;
  readonly rows: Int32Array;
}

/** Spreads a counter over 32 bits (a step of murmur3); different words by different seeds. */
function mix(value: number, seed: number): number {
  let h = Math.imul(value ^ seed, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 16)) + seed, 0x27d4eb2f);
  return (h ^ (h >>> 15)) >>> 0;
}

function writeKey(key: Buffer, number: number): void {
  key.writeUInt32LE(mix(number, 0x9e3779b9), 0);
  key.writeUInt32LE(mix(number, 0x7f4a7c15), 4);
  key.writeUInt32LE(mix(number, 0x3c6ef372), 8);
  // Makes keys of different numbers different for certain.
  key.writeUInt32LE(number, 12);
}

const hashOf = (number: number): bigint => (BigInt(mix(number, 0x1b873593)) << 32n) | BigInt(number);

/** Puts the keys of every index into its files. */
async function emptyTables(indexes: readonly DedupIndex[]): Promise<void> {
  for (const [i, index] of indexes.entries()) {
    await index.relieve(DEAD_BEFORE_SECONDS);
    // With a key that is none of the others there is something to relieve again, which waits for what was begun.
    index.table.addWords(-1, -1, -1, i, 0, 0, LIVE_UNTIL_MS, DEAD_BEFORE_SECONDS);
    await index.relieve(DEAD_BEFORE_SECONDS);
  }
}

await runAsProgram<DedupInput, DedupOutput>(async ({ keys, partitions, sample, memoryBytes }) => ({
  async work() {
    const residentBefore = process.memoryUsage().rss;
    let bytes = (memoryBytes ?? 0) / partitions;
    const space: KeySpace = { bytes: () => bytes, newFile: () => newKeyFile(tmpdir()) };
    const indexes = Array.from({ length: partitions }, () => new DedupIndex(0, memoryBytes === null ? null : space));
    const key = Buffer.alloc(16);
    const partitionOf = (of: Buffer): number => of.readUInt32LE(0) % partitions;
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    for (let number = 0; number < keys; number++) {
      writeKey(key, number);
      indexes[partitionOf(key)]!.add(key, hashOf(number), LIVE_UNTIL_MS, DEAD_BEFORE_SECONDS);
      if (number % RELIEVED_KEYS === 0) for (const index of indexes) await index.relieve(DEAD_BEFORE_SECONDS);
    }
    if (memoryBytes !== null) {
      bytes = 0;
      await emptyTables(indexes);
    }
    const addSeconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    globalThis.gc?.();
    const residentBytes = process.memoryUsage().rss - residentBefore;

    // Made before the clock starts: an aggregator has these words in the record. The partitions' records take turns.
    const random = new Random(11);
    const remembered = Array.from({ length: sample }, () => random.below(keys));
    const recordsOf = (numbers: readonly number[]): KeyRecord[] => {
      const rows = indexes.map((): number[] => []);
      for (const number of numbers) {
        writeKey(key, number);
        const hash = hashOf(number);
        const words = [0, 4, 8, 12].map((at) => key.readInt32LE(at));
        rows[partitionOf(key)]!.push(...words, lowWord(hash), highWord(hash));
      }
      const records: (KeyRecord & { readonly from: number })[] = rows.flatMap((all, i) => {
        const starts = Array.from({ length: Math.ceil(all.length / RECORD_WORDS) }, (_, n) => n * RECORD_WORDS);
        return starts.map((from) => ({
          index: indexes[i]!,
          from,
          rows: Int32Array.from(all.slice(from, from + RECORD_WORDS)),
        }));
      });
      return records.sort((a, b) => a.from - b.from);
    };
    // By CPU time: a look-up that was interrupted took no longer.
    const rounds = Math.max(1, Math.ceil(2_000_000 / sample));
    const look = (
      records: readonly KeyRecord[],
      expected: string,
      { touched = true, otherPayload = 0 } = {},
    ): number => {
      const before = process.cpuUsage();
      for (let round = 0; round < rounds; round++) {
        for (const { index, rows } of records) {
          if (touched) for (let at = 0; at < rows.length; at += ROW_WORDS) index.touch(rows[at + 1]!);
          for (let at = 0; at < rows.length; at += ROW_WORDS) {
            const low = rows[at + 4]! ^ otherPayload;
            const [k0, k1, k2, k3] = [rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!];
            const high = rows[at + 5]!;
            let found = index.table.lookWords(k0, k1, k2, k3, low, high, DEAD_BEFORE_SECONDS);
            if (found === 'new' && index.isSplit)
              found = index.lookOlder(k0, k1, k2, k3, low, high, DEAD_BEFORE_SECONDS);
            if (found !== expected) throw new Error(`key ${k3} is ${found}, should be ${expected}`);
          }
        }
      }
      const used = process.cpuUsage(before);
      return ((used.user + used.system) * 1e3) / (rounds * sample);
    };
    const hot = recordsOf(remembered);
    const hotLookNanos = look(hot, 'duplicate');
    const untouchedLookNanos = look(hot, 'duplicate', { touched: false });
    const newLookNanos = look(recordsOf(remembered.map((_, i) => keys + i)), 'new');
    look(hot, 'conflict', { otherPayload: 1 });
    return {
      indexBytes: indexes.reduce((sum, index) => sum + index.bytes, 0),
      residentBytes,
      addSeconds,
      addCpuMicros: user + system,
      hotLookNanos,
      newLookNanos,
      untouchedLookNanos,
      checked: 3 * sample,
    };
  },
}));
