import { describe, expect, it } from '@jest/globals';
import { Random, WeightedIndex } from './random.ts';

const draws = (random: Random, count = 20_000): number[] => Array.from({ length: count }, () => random.next());

describe('Random', () => {
  it('is mulberry32: the same numbers for a seed, for ever', () => {
    const random = new Random(1);
    // Of the reference implementation (Tommy Ettinger, 2017).
    expect([random.uint32(), random.uint32(), random.uint32()]).toEqual([2693262067, 11749833, 2265367787]);
  });

  it('forks streams that do not move each other', () => {
    const [one, other] = [new Random(7), new Random(7)];
    one.next();
    expect(draws(one.fork('load'), 5)).toEqual(draws(other.fork('load'), 5));
    expect(draws(one.fork('load'), 5)).not.toEqual(draws(one.fork('chaos'), 5));
  });

  it('draws within its bounds, and all of them', () => {
    const random = new Random(2);
    const drawn = new Set(Array.from({ length: 1_000 }, () => random.int(-2, 3)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3]);
    expect(draws(random).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  it('has the mean and the spread that it is asked for', () => {
    const random = new Random(3);
    const normal = Array.from({ length: 20_000 }, () => random.normal());
    const mean = normal.reduce((sum, value) => sum + value, 0) / normal.length;
    const variance = normal.reduce((sum, value) => sum + (value - mean) ** 2, 0) / normal.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });

  it('permutes', () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = new Random(4).shuffled(items);
    expect(shuffled).not.toEqual(items);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
  });
});

describe('WeightedIndex', () => {
  it('picks in proportion to the weights, and never what has none', () => {
    const random = new Random(5);
    const index = new WeightedIndex([1, 0, 3]);
    const picked = Array.from({ length: 8_000 }, () => index.pick(random));
    expect(picked).not.toContain(1);
    expect(picked.filter((each) => each === 2).length / picked.length).toBeCloseTo(0.75, 1);
  });
});
