import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { tiersOf, usage } from '../../../test/support/arbitrary-prices.ts';
import { Decimal } from '../../number/decimal.ts';
import type { Tier } from '../tiers/tiers.ts';
import { graduated } from './graduated.ts';

const at = (tiers: readonly Tier[]) => ({
  tiers,
});

const tiers: readonly Tier[] = [
  { upTo: '100', unitAmount: '0.10', flatAmount: '0' },
  { upTo: '1000', unitAmount: '0.05', flatAmount: '2' },
  { upTo: null, unitAmount: '0.01', flatAmount: '5' },
];

describe('graduated', () => {
  it.each([
    ['0', '0'],
    ['1', '0.1'],
    ['100', '10'],
    // The second tier is reached above 100, and its flatAmount with it.
    ['100.5', '12.025'],
    ['101', '12.05'],
    ['1000', '57'],
    ['1001', '62.01'],
    ['11000', '162'],
    ['-10', '-1'],
  ])('%s units cost %s', (quantity, expected) => {
    expect(graduated.amount(Decimal.parse(quantity), at(tiers)).toString()).toBe(expected);
  });

  it('charges the flatAmount of a first tier once there is usage', () => {
    const price = at([{ upTo: null, unitAmount: '0', flatAmount: '3' }]);
    expect(graduated.amount(Decimal.zero, price).toString()).toBe('0');
    expect(graduated.amount(Decimal.parse('0.000000000001'), price).toString()).toBe('3');
    expect(graduated.amount(Decimal.parse('-1'), price).toString()).toBe('0');
  });

  it('never falls while usage grows, for rates that are not negative', () => {
    fc.assert(
      fc.property(tiersOf(true), usage, usage, (someTiers, a, b) => {
        const [less, more] = a.compare(b) <= 0 ? [a, b] : [b, a];
        expect(
          graduated.amount(less, at(someTiers)).compare(graduated.amount(more, at(someTiers))),
        ).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('has no jump without flat amounts: a step costs at most the step at the highest rate', () => {
    fc.assert(
      fc.property(tiersOf(false), usage, usage, (someTiers, start, step) => {
        const highest = someTiers
          .map(({ unitAmount }) => Decimal.parse(unitAmount))
          .reduce((a, b) => (a.compare(b) >= 0 ? a : b));
        const rise = graduated.amount(start.plus(step), at(someTiers)).minus(graduated.amount(start, at(someTiers)));
        expect(rise.compare(step.times(highest))).toBeLessThanOrEqual(0);
      }),
    );
  });

  it('costs what its units cost one by one, each in the tier that it falls in', () => {
    fc.assert(
      fc.property(tiersOf(true), fc.integer({ min: 0, max: 3000 }), (someTiers, units) => {
        let amount = Decimal.zero;
        let reached: Tier | undefined;
        for (let unit = 1; unit <= units; unit += 1) {
          const tier = someTiers.find(({ upTo }) => upTo === null || unit <= Number(upTo))!;
          if (tier !== reached) amount = amount.plus(Decimal.parse(tier.flatAmount));
          reached = tier;
          amount = amount.plus(Decimal.parse(tier.unitAmount));
        }
        expect(graduated.amount(new Decimal(BigInt(units)), at(someTiers)).equals(amount)).toBe(true);
      }),
    );
  });

  it('is a per-unit price where it has one tier', () => {
    fc.assert(
      fc.property(usage, (quantity) => {
        const price = at([{ upTo: null, unitAmount: '0.25', flatAmount: '0' }]);
        expect(graduated.amount(quantity, price).equals(quantity.times(Decimal.parse('0.25')))).toBe(true);
      }),
    );
  });
});
