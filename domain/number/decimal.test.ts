import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Decimal } from './decimal.ts';

const decimals = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }))
  .map(([coefficient, scale]) => new Decimal(coefficient, scale));

/** Both at one scale, as integers: the arithmetic that every operation must agree with. */
function aligned(a: Decimal, b: Decimal): [a: bigint, b: bigint, scale: number] {
  const scale = Math.max(a.scale, b.scale);
  const at = (value: Decimal) => value.coefficient * 10n ** BigInt(scale - value.scale);
  return [at(a), at(b), scale];
}

describe('Decimal.parse', () => {
  it.each([
    ['0', '0'],
    ['-0', '0'],
    ['-0.000', '0'],
    ['007', '7'],
    ['1.500', '1.5'],
    ['-12.50', '-12.5'],
    ['0.000003', '0.000003'],
    ['-0.5', '-0.5'],
    ['100', '100'],
    ['100.00', '100'],
    [`${'9'.repeat(400)}.${'9'.repeat(400)}`, `${'9'.repeat(400)}.${'9'.repeat(400)}`],
  ])('reads %s', (text, shortest) => {
    expect(Decimal.isDecimal(text)).toBe(true);
    expect(Decimal.parse(text).toString()).toBe(shortest);
  });

  it.each([
    '',
    ' ',
    '1 ',
    '+1',
    '.5',
    '5.',
    '1e3',
    '1,5',
    '0x10',
    'NaN',
    'Infinity',
    '--1',
    '1.2.3',
    '１',
    '1\n',
    '9'.repeat(401),
  ])('refuses %j', (text) => {
    expect(Decimal.isDecimal(text)).toBe(false);
    expect(() => Decimal.parse(text)).toThrow(RangeError);
  });

  it('is the reverse of toString, which is the shortest text of a value', () => {
    fc.assert(
      fc.property(decimals, (value) => {
        const text = value.toString();
        expect(Decimal.parse(text).equals(value)).toBe(true);
        expect(text).toMatch(/^(0|-?(0|[1-9]\d*)(\.\d*[1-9])?)$/);
        expect(new Decimal(value.coefficient * 1000n, value.scale + 3).toString()).toBe(text);
        expect(JSON.stringify(value)).toBe(`"${text}"`);
      }),
    );
  });
});

describe('arithmetic', () => {
  it('is exact', () => {
    fc.assert(
      fc.property(decimals, decimals, (a, b) => {
        const [x, y, scale] = aligned(a, b);
        expect(a.plus(b).equals(new Decimal(x + y, scale))).toBe(true);
        expect(a.minus(b).equals(new Decimal(x - y, scale))).toBe(true);
        expect(a.times(b).equals(new Decimal(x * y, 2 * scale))).toBe(true);
        expect(a.negated().plus(a).isZero).toBe(true);
        expect(Math.sign(a.compare(b))).toBe(x < y ? -1 : x > y ? 1 : 0);
        expect(Decimal.min(a, b).equals(x < y ? a : b)).toBe(true);
        expect(a.isNegative).toBe(x < 0n);
      }),
    );
  });

  it('adds up what doubles do not', () => {
    const tenth = Decimal.parse('0.1');
    expect(tenth.plus(Decimal.parse('0.2')).toString()).toBe('0.3');
    let sum = Decimal.zero;
    for (let i = 0; i < 1000; i += 1) sum = sum.plus(tenth);
    expect(sum.toString()).toBe('100');
  });

  it('does not change its operands', () => {
    const one = Decimal.parse('1.0');
    one.plus(Decimal.parse('0.001'));
    expect([one.coefficient, one.scale]).toEqual([10n, 1]);
  });
});

describe('dividedUp', () => {
  it.each([
    ['0', '100', 0n],
    ['0.000000000001', '100', 1n],
    ['100', '100', 1n],
    ['100.5', '100', 2n],
    ['1', '0.3', 4n],
    ['-1', '100', 0n],
    ['-100', '100', -1n],
    ['-150', '100', -1n],
  ])('%s in packages of %s', (value, size, packages) => {
    expect(Decimal.parse(value).dividedUp(Decimal.parse(size))).toBe(packages);
  });

  it('is the smallest whole number of sizes that covers the value', () => {
    const sizes = decimals.filter((size) => !size.isZero && !size.isNegative);
    fc.assert(
      fc.property(decimals, sizes, (value, size) => {
        const count = value.dividedUp(size);
        expect(size.times(new Decimal(count)).compare(value)).toBeGreaterThanOrEqual(0);
        expect(size.times(new Decimal(count - 1n)).compare(value)).toBeLessThan(0);
      }),
    );
  });

  it.each(['0', '-1'])('refuses a size of %s', (size) => {
    expect(() => Decimal.parse('1').dividedUp(Decimal.parse(size))).toThrow(RangeError);
  });
});
