import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from './decimal.ts';
import { ExactNumber } from './exact-number.ts';
import {
  decimalQuantity,
  formatQuantity,
  isSurelyExact,
  parseQuantity,
  QUANTITY_ONE,
  quantityToDecimal,
  readQuantity,
} from './quantity.ts';

const LIMIT = 10n ** 38n;
const quantities = fc.bigInt({ min: -LIMIT + 1n, max: LIMIT - 1n });

describe('parseQuantity', () => {
  it.each([
    ['0', 0n],
    ['-0', 0n],
    ['0.0e400', 0n],
    ['1', QUANTITY_ONE],
    ['-1.5', -3n * (QUANTITY_ONE / 2n)],
    ['0.000000000001', 1n],
    ['1e-12', 1n],
    ['10e-13', 1n],
    ['1.000000000001000', QUANTITY_ONE + 1n],
    ['1e3', 1000n * QUANTITY_ONE],
    ['1E+3', 1000n * QUANTITY_ONE],
    ['12.5e1', 125n * QUANTITY_ONE],
    ['1e25', 10n ** 37n],
    ['99999999999999999999999999.999999999999', LIMIT - 1n],
    ['-99999999999999999999999999.999999999999', -LIMIT + 1n],
  ])('reads %s', (text, quantity) => {
    expect(parseQuantity(text)).toBe(quantity);
  });

  it.each([
    ['a 27th integer digit', '100000000000000000000000000'],
    ['a 13th fraction digit', '0.0000000000001'],
    ['the same by an exponent', '1e-13'],
    ['an exponent too large', '1e26'],
    ['an exponent beyond all bounds', '1e999'],
    ['an exponent that costs memory', '1e999999999'],
    ['no number', 'abc'],
    ['nothing', ''],
    ['a sign alone', '-'],
    ['a plus', '+1'],
    ['spaces', ' 1'],
    ['a bare point', '.5'],
    ['hexadecimal', '0x10'],
    ['a separator', '1_000'],
    ['a very long number', '1'.repeat(65)],
  ])('refuses %s', (_, text) => {
    expect(parseQuantity(text)).toBeNull();
  });
});

describe('readQuantity', () => {
  it.each<[unknown, bigint]>([
    [7, 7n * QUANTITY_ONE],
    [-0, 0n],
    [0.25, QUANTITY_ONE / 4n],
    [1e-7, 100_000n],
    [1e21, 10n ** 33n],
    [Number.MAX_SAFE_INTEGER, 9007199254740991n * QUANTITY_ONE],
    ['88', 88n * QUANTITY_ONE],
    ['-0.5', -(QUANTITY_ONE / 2n)],
    [new ExactNumber('12345678901234567890.5'), 123456789012345678905n * (QUANTITY_ONE / 10n)],
    [new ExactNumber('1e2'), 100n * QUANTITY_ONE],
  ])('reads %p', (value, quantity) => {
    expect(readQuantity(value)).toBe(quantity);
  });

  it.each<[unknown]>([
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [null],
    [undefined],
    [true],
    [''],
    ['abc'],
    ['1e2'],
    [' 1'],
    ['١'],
    [[1]],
    [{}],
    [{ value: '1' }],
    [{ value: '1', isLosslessNumber: true }],
    [5n],
  ])('refuses %p: what is no number never becomes a zero', (value) => {
    expect(readQuantity(value)).toBeNull();
  });

  it('reads every double that a JSON text can hold exactly as JavaScript prints it, or refuses it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const quantity = readQuantity(value);
        if (quantity === null) {
          const [, fraction = '', exponent = '0'] = /^-?\d+(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
          expect(fraction.length - Number(exponent) > 12 || Math.abs(value) >= 1e26).toBe(true);
        } else expect(Number(formatQuantity(quantity))).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});

describe('formatQuantity', () => {
  it('is the shortest text, and is read back', () => {
    fc.assert(
      fc.property(quantities, (quantity) => {
        const text = formatQuantity(quantity);
        expect(text).toMatch(/^(0|-?(0|[1-9]\d*)(\.\d*[1-9])?)$/);
        expect(parseQuantity(text)).toBe(quantity);
        expect(readQuantity(text)).toBe(quantity);
        expect(quantityToDecimal(quantity).equals(Decimal.parse(text))).toBe(true);
      }),
    );
  });

  it('also writes sums that are longer than any single value', () => {
    expect(formatQuantity((LIMIT - 1n) * 1000n)).toBe('99999999999999999999999999999.999999999');
  });
});

describe('a quantity as the world writes it', () => {
  it.each<[unknown, string | null, string | null]>([
    // The value, rounded, exact.
    [0.30000000000000004, '0.3', null],
    [1 / 3, '0.333333333333', null],
    ['1e-7', '0.0000001', '0.0000001'],
    [new ExactNumber('1e-7'), '0.0000001', '0.0000001'],
    ['2.50E+1', '25', '25'],
    ['007', '7', '7'],
    // Halves go to the even digit, and anything more than a half goes up.
    ['0.0000000000005', '0', null],
    ['0.0000000000015', '0.000000000002', null],
    ['0.0000000000025', '0.000000000002', null],
    ['-0.0000000000015', '-0.000000000002', null],
    ['0.00000000000050000000000000000000000000000000001', '0.000000000001', null],
    ['0.0000000000009999', '0.000000000001', null],
    ['9e-14', '0', null],
    ['-1e-999', '0', null],
    ['99999999999999999999999999.9999999999994', '99999999999999999999999999.999999999999', null],
    ['99999999999999999999999999.9999999999995', null, null],
    ['1e26', null, null],
    ['1e999', null, null],
    ['', null, null],
    [' 1', null, null],
    ['0x10', null, null],
    ['1e', null, null],
    [true, null, null],
  ])('%p is %s, exactly %s', (value, rounded, exact) => {
    const text = (quantity: bigint | null) => (quantity === null ? null : formatQuantity(quantity));
    expect(text(decimalQuantity(value, 'rounded'))).toBe(rounded);
    expect(text(decimalQuantity(value, 'exact'))).toBe(exact);
  });

  it('of a number is that of the text that prints it', () => {
    const few = fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 12 })).map(([n, places]) => n / 10 ** places);
    const any = fc.double({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(fc.oneof(few, any, fc.float({ noNaN: true, noDefaultInfinity: true })), (value) => {
        for (const precision of ['rounded', 'exact'] as const) {
          expect(decimalQuantity(value, precision)).toBe(decimalQuantity(String(value), precision));
        }
        if (isSurelyExact(value)) expect(decimalQuantity(String(value), 'exact')).not.toBeNull();
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    [0.1, true],
    [-0, true],
    [999_999_999.999_999, true],
    [2 ** 53 - 1, true],
    [0.1 + 0.2, false],
    [1e-7, false],
    [1e22, false],
    ['1', false],
  ])('of %p is surely exact: %s', (value, isExact) => {
    expect(isSurelyExact(value)).toBe(isExact);
  });

  it('is what it was before, wherever that was a quantity', () => {
    fc.assert(
      fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.float(), fc.integer()), (value) => {
        const before = readQuantity(value);
        expect(decimalQuantity(value, 'exact')).toBe(before);
        if (before !== null) expect(decimalQuantity(value, 'rounded')).toBe(before);
      }),
    );
  });
});
