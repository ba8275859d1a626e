import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DedupIndex } from './dedup-index.ts';

const keyOf = (id: number): Buffer => createHash('sha256').update(String(id)).digest().subarray(0, 16);

describe('dedup index', () => {
  // Few second words, and the least and the greatest: keys that belong to the same slots and to the table's ends.
  const closeKeyOf = (id: number): Buffer => {
    const key = keyOf(id);
    key.writeInt32LE([-(2 ** 31), -1, 0, 2 ** 31 - 2, 2 ** 31 - 1][id % 5]!, 4);
    return key;
  };

  it.each([
    ['spread', keyOf],
    ['crowded', closeKeyOf],
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
