import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decimals } from '../../../test/support/arbitrary-prices.ts';
import { Decimal } from '../../number/decimal.ts';
import { perUnit } from './per-unit.ts';

const at = (unitAmount: string) => ({
  unitAmount,
});
const priced = (usage: string, unitAmount: string) => perUnit.amount(Decimal.parse(usage), at(unitAmount)).toString();

describe('per_unit', () => {
  it.each([
    ['0', '0.003', '0'],
    ['1', '0.003', '0.003'],
    ['1204', '0.000003', '0.003612'],
    ['0.5', '3', '1.5'],
    ['-2', '0.25', '-0.5'],
    ['10', '-0.1', '-1'],
    // Far beyond what a double keeps.
    ['99999999999999999999999999.999999999999', '0.000000000000000001', '99999999.999999999999999999999999999999'],
  ])('%s units at %s cost %s', (usage, unitAmount, expected) => {
    expect(priced(usage, unitAmount)).toBe(expected);
  });

  it('costs the same split as whole', () => {
    fc.assert(
      fc.property(decimals, decimals, decimals, (a, b, unitAmount) => {
        const price = at(unitAmount.toString());
        expect(
          perUnit
            .amount(a, price)
            .plus(perUnit.amount(b, price))
            .equals(perUnit.amount(a.plus(b), price)),
        ).toBe(true);
      }),
    );
  });
});
