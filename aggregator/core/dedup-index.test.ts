import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { idealDisk, MemoryKeyFile } from '../../test/simulation/stores/memory-key-file.ts';
import { DedupIndex, type KeySpace } from './dedup-index.ts';

const keyOf = (id: number): Buffer => createHash('sha256').update(String(id)).digest().subarray(0, 16);

// Few second words, and the least and the greatest: keys that belong to the same slots and to the table's ends.
const crowdedKeyOf = (id: number): Buffer => {
  const key = keyOf(id);
  key.writeInt32LE([-(2 ** 31), -1, 0, 2 ** 31 - 2, 2 ** 31 - 1][id % 5]!, 4);
  return key;
};

describe('dedup index', () => {
  it.each([
    ['spread', keyOf],
    ['crowded', crowdedKeyOf],
  ])('agrees with a plain map over any sequence of events with %s keys, while the clock moves on', (_, keyOf) => {
    const step = fc.record({
      id: fc.nat(300),
      hash: fc.bigInt({ min: 0n, max: 2n }),
      seconds: fc.nat(40),
      ahead: fc.nat(100),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const index = new DedupIndex();
        const model = new Map<number, { hash: bigint; liveUntil: number }>();
        let now = 1_000;
        for (const { id, hash, seconds, ahead } of steps) {
          now += seconds;
          const known = model.get(id);
          const expected =
            known === undefined || known.liveUntil < now ? 'new' : known.hash === hash ? 'duplicate' : 'conflict';
          expect(index.look(keyOf(id), hash, now)).toBe(expected);
          if (expected !== 'new') continue;
          model.set(id, { hash, liveUntil: now + ahead });
          index.add(keyOf(id), hash, (now + ahead) * 1000, now);
        }
      }),
    );
  });

  it('keeps every live key and drops dead ones when it grows', () => {
    const index = new DedupIndex();
    for (let id = 0; id < 20_000; id++) index.add(keyOf(id), BigInt(id), 50_000 + id, 1);
    expect(index.size).toBe(20_000);
    for (let id = 0; id < 20_000; id++) expect(index.look(keyOf(id), BigInt(id), 50)).toBe('duplicate');
    for (let id = 20_000; id < 60_000; id++) index.add(keyOf(id), BigInt(id), 1_000_000, 100);
    expect(index.size).toBeLessThan(60_000);
    for (let id = 20_000; id < 60_000; id++) expect(index.look(keyOf(id), 0n, 100)).toBe('conflict');
    expect(index.look(keyOf(0), 0n, 100)).toBe('new');
  });

  it('has room for any number of keys that belong to its last slot', () => {
    const index = new DedupIndex();
    const key = Buffer.alloc(16);
    const numbered = (id: number): Buffer => {
      key.writeInt32LE(2 ** 31 - 1, 4);
      key.writeInt32LE(id, 8);
      return key;
    };
    for (let id = 0; id < 2_000; id++) index.add(numbered(id), BigInt(id), 1_000, 0);
    for (let id = 0; id < 2_000; id++) expect(index.look(numbered(id), BigInt(id), 0)).toBe('duplicate');
    expect(index.look(numbered(2_000), 0n, 0)).toBe('new');
    expect(index.bytes).toBeLessThan(8_192 * 28);
  });

  it('rounds the end of a key’s life up to the second', () => {
    const index = new DedupIndex();
    index.add(keyOf(1), 1n, 5_001, 0);
    expect(index.look(keyOf(1), 1n, 6)).toBe('duplicate');
    expect(index.look(keyOf(1), 1n, 7)).toBe('new');
  });
});

describe('dedup index with little memory', () => {
  /** The files of an index, and what is done to them. */
  class TestDisk {
    readonly files: MemoryKeyFile[] = [];
    reads = 0;
    isFull = false;
    private readonly waiting: (() => void)[] = [];

    /** `isHeld`: writes wait for `letGo`. */
    spaceOf(bytes: number, isHeld = false): KeySpace {
      const wait = isHeld ? () => new Promise<void>((resolve) => this.waiting.push(resolve)) : idealDisk.wait;
      return {
        bytes: () => bytes,
        newFile: async () => {
          const file = new MemoryKeyFile({ wait, isFull: () => this.isFull });
          const { readSync } = file;
          file.readSync = (into, position) => {
            this.reads++;
            readSync.call(file, into, position);
          };
          this.files.push(file);
          return file;
        },
      };
    }

    async letGo(): Promise<void> {
      do {
        for (const resolve of this.waiting.splice(0)) resolve();
        await new Promise(setImmediate);
      } while (this.waiting.length > 0);
    }

    get open(): number {
      return this.files.filter(({ isClosed }) => !isClosed).length;
    }
  }

  it.each([
    ['spread', keyOf],
    ['crowded', crowdedKeyOf],
  ])(
    'agrees with a plain map whenever %s keys go to files, and however long that takes or often it fails',
    async (_, keyOf) => {
      const step = fc.record({
        id: fc.nat(300),
        hash: fc.bigInt({ min: 0n, max: 2n }),
        seconds: fc.nat(40),
        ahead: fc.nat(400),
        after: fc.constantFrom('nothing', 'nothing', 'relieve', 'relieve', 'let go', 'full', 'free'),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 300 }), fc.boolean(), async (steps, isHeld) => {
          const disk = new TestDisk();
          const index = new DedupIndex(0, disk.spaceOf(1, isHeld));
          const model = new Map<number, { hash: bigint; liveUntil: number }>();
          let now = 1_000;
          let relieving: Promise<unknown> | null = null;
          for (const { id, hash, seconds, ahead, after } of steps) {
            now += seconds;
            const known = model.get(id);
            const expected =
              known === undefined || known.liveUntil < now ? 'new' : known.hash === hash ? 'duplicate' : 'conflict';
            expect(index.look(keyOf(id), hash, now)).toBe(expected);
            if (expected === 'new') {
              model.set(id, { hash, liveUntil: now + ahead });
              index.add(keyOf(id), hash, (now + ahead) * 1000, now);
            }
            if (after === 'full' || after === 'free') disk.isFull = after === 'full';
            if (after === 'let go') await disk.letGo();
            if (after === 'relieve' && relieving === null) {
              relieving = index
                .relieve(now)
                .catch(({ name }: Error) => expect(name).toBe('KeyFileError'))
                .finally(() => {
                  relieving = null;
                });
              if (!isHeld) await relieving;
            }
          }
          disk.isFull = false;
          await disk.letGo();
          for (const [id, { hash, liveUntil }] of model) {
            expect(index.look(keyOf(id), hash, now)).toBe(liveUntil < now ? 'new' : 'duplicate');
          }
          index.close();
          await disk.letGo();
          expect(disk.open).toBe(0);
        }),
      );
    },
  );

  const KEYS = 60_000;
  const spaceFor = (bytes: number) => {
    const disk = new TestDisk();
    return { disk, index: new DedupIndex(KEYS, disk.spaceOf(bytes)) };
  };
  const fill = async (index: DedupIndex, from: number, to: number, liveUntil = 1_000_000): Promise<void> => {
    for (let id = from; id < to; id++) {
      index.add(keyOf(id), BigInt(id), liveUntil, 0);
      if (id % 1_000 === 999) await index.relieve(0);
    }
  };

  it('keeps within its memory, takes less than two bytes of it for a key in a file, and rarely reads for a new one', async () => {
    const bytes = 700_000;
    const { disk, index } = spaceFor(bytes);
    await fill(index, 0, KEYS);
    await new Promise(setImmediate);
    expect(index.size).toBe(KEYS);
    expect(index.bytes).toBeLessThan(bytes);
    const inFiles = disk.files
      .filter(({ isClosed }) => !isClosed)
      .reduce((sum, file) => sum + file.bytes.length / 32, 0);
    expect(inFiles).toBeGreaterThan(KEYS * 0.8);
    expect(disk.open).toBeLessThan(6);
    const indexOfFiles = new DedupIndex(0, disk.spaceOf(1));
    await fill(indexOfFiles, 0, KEYS);
    await indexOfFiles.relieve(0);
    await new Promise(setImmediate);
    expect(indexOfFiles.bytes / KEYS).toBeLessThan(2);

    disk.reads = 0;
    for (let id = KEYS; id < 2 * KEYS; id++) expect(index.look(keyOf(id), 0n, 0)).toBe('new');
    // 16 in 4,096 of each file, and there are up to five.
    expect(disk.reads).toBeGreaterThan(0);
    expect(disk.reads).toBeLessThan(KEYS * 0.02);
    for (let id = 0; id < KEYS; id += 7) {
      expect(index.look(keyOf(id), BigInt(id), 0)).toBe('duplicate');
      expect(index.look(keyOf(id), 1n << 63n, 0)).toBe('conflict');
      expect(index.look(keyOf(id), BigInt(id), 1_001)).toBe('new');
    }
  }, 300_000);

  it('leaves dead keys out of a file', async () => {
    const { disk, index } = spaceFor(1);
    await fill(index, 0, 10_000, 5_000);
    await fill(index, 10_000, 20_000, 50_000);
    await index.relieve(10);
    await new Promise(setImmediate);
    index.add(keyOf(-1), 0n, 50_000, 10);
    for (let id = 20_000; id < 60_000; id++) index.add(keyOf(id), BigInt(id), 50_000, 10);
    await index.relieve(10);
    await new Promise(setImmediate);
    expect(index.size).toBe(50_001);
    expect(disk.open).toBe(1);
  });

  it('does not take damage in a file for an answer', async () => {
    const { disk, index } = spaceFor(1);
    await fill(index, 0, 1_000);
    await new Promise(setImmediate);
    const { bytes } = disk.files.findLast(({ isClosed }) => !isClosed)!;
    for (let at = 0; at < bytes.length; at += 32) bytes[at + 20]! ^= 1;
    expect(() => index.look(keyOf(1), 1n, 0)).toThrow('is not as it was written');
    // A merge reads them all.
    await fill(index, 1_000, 2_000);
    await expect(index.relieve(0)).resolves.toBeUndefined();
    index.add(keyOf(5_000), 1n, 1_000_000, 0);
    await expect(index.relieve(0)).rejects.toThrow('is not as it was written');
  });
});
