import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { numberText } from './number-text.ts';

describe('the text of a number', () => {
  it.each([
    ['30', '30'],
    ['30.0', '30'],
    ['3E+1', '30'],
    ['0.3e2', '30'],
    ['-0', '0'],
    ['0e999999', '0'],
    ['-0.50', '-0.5'],
    ['1e-7', '0.0000001'],
    ['12345678901234567890', '12345678901234567890'],
    ['1e63', `1${'0'.repeat(63)}`],
    ['1e64', '1e64'],
    ['100e-66', `0.${'0'.repeat(63)}1`],
    ['1e-65', '1e-65'],
    // Beyond any use: only compared with itself.
    [`1e${'9'.repeat(30)}`, `1e${'9'.repeat(30)}`],
  ])('of %s is %s', (token, text) => expect(numberText(token)).toBe(text));

  it('is one for every way to write it, and another for every other number', () => {
    const digits = fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n });
    fc.assert(
      fc.property(digits, fc.nat(30), fc.nat(30), digits, (value, zeros, shift, other) => {
        const plain = numberText(String(value));
        expect(numberText(`${value}.${'0'.repeat(zeros + 1)}`)).toBe(plain);
        expect(numberText(`${value}${'0'.repeat(shift)}E-${shift}`)).toBe(plain);
        expect(numberText(String(other)) === plain).toBe(other === value);
      }),
    );
  });

  it('takes time in proportion to the digits', () => {
    const token = `1${'0'.repeat(250_000)}1`;
    const before = process.cpuUsage();
    expect(numberText(token)).toBe(`${token}e0`);
    expect(process.cpuUsage(before).user).toBeLessThan(500_000);
  });
});
