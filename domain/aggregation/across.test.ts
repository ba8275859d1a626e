import { describe, expect, it } from '@jest/globals';
import { valueAcross } from './across.ts';

describe('valueAcross', () => {
  it.each([
    ['sum', [3n, -5n, 4n], 2n],
    ['max', [3n, -5n, 4n], 4n],
    ['max', [-3n, -5n], -3n],
    ['sum', [], 0n],
    ['max', [], 0n],
    ['union', [7n], 7n],
    ['pooled', [7n], 7n],
  ] as const)('%s of %p is %p', (across, values, expected) => {
    expect(valueAcross(across, values)).toBe(expected);
  });

  it.each(['union', 'pooled'] as const)(
    'takes no second value of %s: it would count twice what both have',
    (across) => {
      expect(() => valueAcross(across, [1n, 2n])).toThrow('one value together');
    },
  );
});
