import { describe, expect, it } from '@jest/globals';
import { SHARDS, shardOf } from './shard.ts';

describe('shardOf', () => {
  it('is what it was when the first rows were written', () => {
    const known = [
      ['acme', 'cus_1'],
      ['acme', 'cus_2'],
      ['umbrella', 'cus_1'],
      ['', ''],
      ['ünïcode', '"\\\u2028'],
    ] as const;
    expect(known.map(([tenant, customer]) => shardOf(tenant, customer))).toEqual([10, 44, 9, 3, 62]);
  });

  it('does not take a part of one name for a part of the other', () => {
    const shards = Array.from({ length: 64 }, (_, i) => [shardOf(`a${i}b`, 'c'), shardOf(`a${i}`, 'bc')]);
    expect(shards.some(([one, other]) => one !== other)).toBe(true);
  });

  it('spreads customers evenly, whatever they are called', () => {
    for (const nameOf of [(i: number) => `cus_${i}`, (i: number) => `${i}`.padStart(12, '0')]) {
      const sizes = Array<number>(SHARDS).fill(0);
      for (let i = 0; i < 64_000; i++) sizes[shardOf('acme', nameOf(i))]! += 1;
      expect(Math.min(...sizes)).toBeGreaterThan(800);
      expect(Math.max(...sizes)).toBeLessThan(1_200);
    }
  });
});
