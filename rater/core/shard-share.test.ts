import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type HeldShard, SHARDS } from '../../domain/accounts/shard.ts';
import { shardsToMove } from './shard-share.ts';

/** Owners by shard, as raters see them one after the other, until none of them moves anything. */
function settle(owners: (number | null)[], raters: readonly number[]): number {
  for (let round = 0; round < 10; round++) {
    let moves = 0;
    for (const rater of raters) {
      const of = (isMeant: (owner: number | null) => boolean): HeldShard[] =>
        owners.flatMap((owner, shard) => (isMeant(owner) ? [{ shard, epoch: 0 }] : []));
      const isLive = (owner: number | null): boolean => owner !== null && raters.includes(owner);
      const { giveBack, take } = shardsToMove({
        own: of((owner) => owner === rater),
        free: of((owner) => !isLive(owner)),
        raters: raters.length,
      });
      for (const { shard } of giveBack) owners[shard] = null;
      for (const { shard } of take) owners[shard] = rater;
      moves += giveBack.length + take.length;
    }
    if (moves === 0) return round;
  }
  throw new Error('the shards never come to rest');
}

describe('the share of a rater', () => {
  it('comes to rest with every shard held, and nobody with more than the others and what is left over', () => {
    const owner = fc.option(fc.integer({ min: 0, max: 7 }), { nil: null });
    fc.assert(
      fc.property(
        fc.array(owner, { minLength: SHARDS, maxLength: SHARDS }),
        fc.integer({ min: 1, max: 8 }),
        (owners, count) => {
          const raters = Array.from({ length: count }, (_, i) => i);
          expect(settle(owners, raters)).toBeLessThanOrEqual(3);
          const held = raters.map((rater) => owners.filter((each) => each === rater).length);
          expect(held.reduce((sum, each) => sum + each, 0)).toBe(SHARDS);
          expect(Math.max(...held)).toBeLessThanOrEqual(Math.ceil(SHARDS / count));
        },
      ),
    );
  });

  it('is nothing for a rater that comes after 64 others', () => {
    expect(shardsToMove({ own: [], free: [], raters: 65 })).toEqual({ giveBack: [], take: [] });
  });
});
