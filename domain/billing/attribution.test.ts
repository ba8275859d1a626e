import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from '../number/decimal.ts';
import { attributed } from './attribution.ts';

const shared = (amount: string, used: Readonly<Record<string, bigint>>) =>
  attributed(
    Decimal.parse(amount),
    Object.entries(used).map(([subject, quantity]) => ({ subject, quantity })),
  )?.map((each) => [each.subject, each.amount.toString()]) ?? null;

describe('attributed', () => {
  it('shares an amount by quantity, in the order of subjects, and cuts each part out exactly (G4, P7)', () => {
    expect(shared('1', { b: 1n, a: 1n, c: 1n })).toEqual([
      ['a', '0.333333333333'],
      ['b', '0.333333333334'],
      ['c', '0.333333333333'],
    ]);
  });

  it('leaves out whoever used nothing, and is null where nobody used anything', () => {
    expect(shared('5', { a: 0n, b: 2n })).toEqual([['b', '5']]);
    expect(shared('5', { a: 0n })).toBeNull();
    expect(shared('5', {})).toBeNull();
  });

  it('gives to whoever took back what that is worth, and shares by sizes what cancels out', () => {
    expect(shared('6', { a: 3n, b: -1n })).toEqual([
      ['a', '9'],
      ['b', '-3'],
    ]);
    expect(shared('6', { a: 3n, b: -3n })).toEqual([
      ['a', '3'],
      ['b', '3'],
    ]);
  });

  it('adds up to the amount, whatever was used', () => {
    const used = fc.dictionary(fc.string(), fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n }));
    const amounts = fc.tuple(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.nat(24));
    fc.assert(
      fc.property(used, amounts, (by, [coefficient, scale]) => {
        const amount = new Decimal(coefficient, scale);
        const parts = attributed(
          amount,
          Object.entries(by).map(([subject, quantity]) => ({ subject, quantity })),
        );
        if (parts === null) return;
        const sum = parts.reduce((all, part) => all.plus(part.amount), Decimal.zero);
        expect(sum.equals(amount)).toBe(true);
      }),
    );
  });
});
