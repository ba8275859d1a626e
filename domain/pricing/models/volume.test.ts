import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { tiersOf, usage } from '../../../test/support/arbitrary-prices.ts';
import { Decimal } from '../../number/decimal.ts';
import type { Tier } from '../tiers/tiers.ts';
import { volume } from './volume.ts';

const at = (tiers: readonly Tier[]) => ({
  tiers,
});

const tiers: readonly Tier[] = [
  { upTo: '1000', unitAmount: '0.10', flatAmount: '1' },
  { upTo: null, unitAmount: '0.05', flatAmount: '0' },
];

describe('volume', () => {
  it.each([
    ['0', '0'],
    ['1', '1.1'],
    ['1000', '101'],
    // One unit more is cheaper: the whole quantity is at the second rate.
    ['1000.5', '50.025'],
    ['1001', '50.05'],
    ['-10', '-1'],
  ])('%s units cost %s', (quantity, expected) => {
    expect(volume.amount(Decimal.parse(quantity), at(tiers)).toString()).toBe(expected);
  });

  it('is the whole quantity at exactly one tier, the first whose bound is not below it', () => {
    fc.assert(
      fc.property(tiersOf(true), usage, (someTiers, quantity) => {
        fc.pre(!quantity.isZero);
        const below = someTiers.filter(({ upTo }) => upTo !== null && Decimal.parse(upTo).compare(quantity) < 0).length;
        const tier = someTiers[below]!;
        const expected = quantity.times(Decimal.parse(tier.unitAmount)).plus(Decimal.parse(tier.flatAmount));
        expect(volume.amount(quantity, at(someTiers)).equals(expected)).toBe(true);
      }),
    );
  });

  it('refuses tiers that leave a quantity without a price', () => {
    expect(() => volume.amount(Decimal.parse('2'), at([{ upTo: '1', unitAmount: '1', flatAmount: '0' }]))).toThrow(
      'last tier',
    );
  });
});
