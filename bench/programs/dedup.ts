// The dedup index alone: keys of numbers from 0 on are added to as many indexes as an aggregator has partitions, then hot keys
// are looked up, and a sample is checked: none forgotten, none invented.
import { DedupIndex, highWord, lowWord } from '../../aggregator/core/dedup-index.ts';
import { Random } from '../workload/random.ts';
import { runAsProgram } from './program.ts';

export interface DedupInput {
  readonly keys: number;
  readonly partitions: number;
  readonly sample: number;
}

export interface DedupOutput {
  readonly indexBytes: number;
  readonly residentBytes: number;
  readonly addSeconds: number;
  readonly addCpuMicros: number;
  readonly hotLookNanos: number;
  readonly newLookNanos: number;
  readonly checked: number;
}

const LIVE_UNTIL_MS = 1_800_000_000_000;
const DEAD_BEFORE_SECONDS = 1_700_000_000;

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

await runAsProgram<DedupInput, DedupOutput>(async ({ keys, partitions, sample }) => ({
  work() {
    const residentBefore = process.memoryUsage().rss;
    const indexes = Array.from({ length: partitions }, () => new DedupIndex());
    const key = Buffer.alloc(16);
    const indexOf = (of: Buffer): DedupIndex => indexes[of.readUInt32LE(0) % partitions]!;
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    for (let number = 0; number < keys; number++) {
      writeKey(key, number);
      indexOf(key).add(key, hashOf(number), LIVE_UNTIL_MS, DEAD_BEFORE_SECONDS);
    }
    const addSeconds = (performance.now() - startedAt) / 1_000;
    const { user, system } = process.cpuUsage(cpuBefore);
    globalThis.gc?.();
    const residentBytes = process.memoryUsage().rss - residentBefore;

    // Made before the clock starts: an aggregator has keys and hashes at hand as well.
    const random = new Random(11);
    const remembered = Array.from({ length: sample }, () => random.below(keys));
    const made = (number: number) => {
      const own = Buffer.alloc(16);
      writeKey(own, number);
      const words = [own.readInt32LE(0), own.readInt32LE(4), own.readInt32LE(8), own.readInt32LE(12)] as const;
      const hash = hashOf(number);
      return { key: own, words, hash, low: lowWord(hash), high: highWord(hash), index: indexOf(own) };
    };
    const hot = remembered.map(made);
    const fresh = remembered.map((_, i) => made(keys + i));
    const rounds = Math.max(1, Math.ceil(2_000_000 / sample));
    // By CPU time: a look-up that was interrupted took no longer.
    const look = (all: typeof hot, expected: string): number => {
      const before = process.cpuUsage();
      for (let round = 0; round < rounds; round++) {
        for (const one of all) {
          const [k0, k1, k2, k3] = one.words;
          const found = one.index.lookWords(k0, k1, k2, k3, one.low, one.high, DEAD_BEFORE_SECONDS);
          if (found !== expected) throw new Error(`key ${one.key.toString('hex')} is ${found}, should be ${expected}`);
        }
      }
      const used = process.cpuUsage(before);
      return ((used.user + used.system) * 1e3) / (rounds * all.length);
    };
    const hotLookNanos = look(hot, 'duplicate');
    const newLookNanos = look(fresh, 'new');
    for (const one of hot) {
      if (one.index.look(one.key, one.hash ^ 1n, DEAD_BEFORE_SECONDS) !== 'conflict') {
        throw new Error(`key ${one.key.toString('hex')} with another payload is no conflict`);
      }
    }
    return {
      indexBytes: indexes.reduce((sum, index) => sum + index.bytes, 0),
      residentBytes,
      addSeconds,
      addCpuMicros: user + system,
      hotLookNanos,
      newLookNanos,
      checked: 2 * sample,
    };
  },
}));
