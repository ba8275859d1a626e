// Arbitrary prices and quantities for the property tests of the pricers.
import fc from 'fast-check';
import { Decimal } from '../../domain/number/decimal.ts';
import type { Tier } from '../../domain/pricing/tiers/tiers.ts';

const decimalBetween = (min: bigint, max: bigint) =>
  fc
    .tuple(fc.bigInt({ min, max }), fc.integer({ min: 0, max: 12 }))
    .map(([coefficient, scale]) => new Decimal(coefficient, scale));

export const decimals = decimalBetween(-(10n ** 30n), 10n ** 30n);
export const nonNegative = decimalBetween(0n, 10n ** 30n);
/** Small enough to fall into every tier of `tiersOf`. */
export const usage = decimalBetween(0n, 20_000n);

/** Ascending tiers up to about 10,000 with rates that are not negative; `withFlat` false: every flatAmount is zero. */
export const tiersOf = (withFlat: boolean): fc.Arbitrary<readonly Tier[]> =>
  fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 1, max: 10_000 }), { maxLength: 5 }),
      fc.array(fc.tuple(nonNegative, nonNegative), { minLength: 6, maxLength: 6 }),
    )
    .map(([bounds, rates]) => {
      const ascending: (string | null)[] = [...bounds.sort((a, b) => a - b).map(String), null];
      return ascending.map((upTo, index) => {
        const [unitAmount, flatAmount] = rates[index]!;
        return { upTo, unitAmount: unitAmount.toString(), flatAmount: withFlat ? flatAmount.toString() : '0' };
      });
    });
