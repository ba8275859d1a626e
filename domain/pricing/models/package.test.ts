import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { nonNegative } from '../../../test/support/arbitrary-prices.ts';
import { Decimal } from '../../number/decimal.ts';
import { packaged } from './package.ts';

const at = (packageSize: string, packageAmount: string) => ({
  packageSize,
  packageAmount,
});

describe('package', () => {
  it.each([
    ['0', '0'],
    ['0.000000000001', '4'],
    ['1', '4'],
    ['100', '4'],
    ['100.000000000001', '8'],
    ['101', '8'],
    ['1000', '40'],
    ['-1', '0'],
    ['-250', '0'],
  ])('%s units in packages of 100 at 4.00 cost %s', (quantity, expected) => {
    expect(packaged.amount(Decimal.parse(quantity), at('100', '4.00')).toString()).toBe(expected);
  });

  it('takes packages of a fraction', () => {
    expect(packaged.amount(Decimal.parse('1'), at('0.3', '0.1')).toString()).toBe('0.4');
  });

  it('sells the smallest whole number of packages that covers the usage', () => {
    fc.assert(
      fc.property(nonNegative, fc.integer({ min: 1, max: 1_000_000 }), (quantity, size) => {
        const packages = packaged.amount(quantity, at(String(size), '1'));
        const sizeOfOne = new Decimal(BigInt(size));
        expect(packages.times(sizeOfOne).compare(quantity)).toBeGreaterThanOrEqual(0);
        expect(packages.times(sizeOfOne).minus(quantity).compare(sizeOfOne)).toBeLessThan(0);
      }),
    );
  });
});
