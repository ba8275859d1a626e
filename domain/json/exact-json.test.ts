import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ExactNumber } from '../number/exact-number.ts';
import { readQuantity } from '../number/quantity.ts';
import { canonicalJson, canonicalNumber, NestingError } from './canonical-json.ts';
import { parseExactJson, stringifyExactJson } from './exact-json.ts';
import { parseKeepingDigits } from './exact-json-parser.ts';
import { pick } from './json-path.ts';

const digits = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max });

/** Number tokens of every length a quantity may have, and longer. */
const numberToken = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.integer({ min: 1, max: 9 }),
    digits(0, 24),
    fc.option(digits(1, 12), { nil: undefined }),
  )
  .map(([sign, first, rest, fraction]) => `${sign}${first}${rest}${fraction === undefined ? '' : `.${fraction}`}`);

describe('parseExactJson', () => {
  it('keeps the value of every number to its last digit, read and written again', () => {
    fc.assert(
      fc.property(numberToken, (token) => {
        const exact = readQuantity(token);
        expect(exact).not.toBeNull();
        const parsed = parseExactJson(`{"n":${token}}`);
        expect(readQuantity(pick(parsed, ['n']))).toBe(exact);
        expect(readQuantity(pick(parseExactJson(stringifyExactJson(parsed)), ['n']))).toBe(exact);
      }),
    );
  });

  it('agrees with JSON.parse on any value, whichever parser reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false, maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        const beside = parseExactJson(`[12345678901234567890,${text}]`) as [unknown, unknown];
        expect(beside[0]).toBeInstanceOf(ExactNumber);
        expect(JSON.parse(stringifyExactJson(beside[1]))).toEqual(JSON.parse(text));
        expect(canonicalJson(beside[1], 64)).toBe(canonicalJson(parseExactJson(text), 64));
      }),
    );
  });

  it.each(['{"a":1,"a":2}', '{"a":{"b":1},"a":2}', '{"__proto__":{"a":1},"a":2}'])(
    'reads %s alike in both parsers',
    (text) => {
      const beside = (parseExactJson(`[1e2,${text}]`) as unknown[])[1];
      expect(pick(beside, ['a'])).toBe(2);
      expect(pick(parseExactJson(text), ['a'])).toBe(2);
      expect(Object.getPrototypeOf(beside)).toBe(Object.prototype);
      expect(stringifyExactJson(beside)).toBe(JSON.stringify(JSON.parse(text)));
    },
  );
});

describe('parseKeepingDigits', () => {
  const plain = (text: string): unknown => {
    try {
      return JSON.stringify(JSON.parse(text));
    } catch {
      return 'refused';
    }
  };
  const keeping = (text: string): unknown => {
    try {
      return JSON.stringify(JSON.parse(stringifyExactJson(parseKeepingDigits(text))));
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError);
      return 'refused';
    }
  };

  it('reads and refuses what JSON.parse reads and refuses', () => {
    const unit = fc.constantFrom(
      ...'{}[]:,"\\/ueE+-.0129 \n\tabtrfnl\u0000\u007f\ud800é',
      'true',
      'false',
      'null',
      '\\u00e9',
      '\\n',
      '"a"',
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), (text) => {
        expect(keeping(text)).toEqual(plain(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it('reads JSON that was damaged in one place as JSON.parse does', () => {
    const damage = fc.constantFrom('', ',', '"', '}', ']', '\\', '0', '-', '.', 'e', ' ', '\u0001', 'null');
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), fc.nat(), damage, (text, place, inserted) => {
        const at = place % (text.length + 1);
        const damaged = text.slice(0, at) + inserted + text.slice(at + 1);
        expect(keeping(damaged)).toEqual(plain(damaged));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a number of millions of digits', () => {
  const digits = '7'.repeat(5_600_000);

  it.each([
    ['before the point', digits],
    ['behind it', `0.${digits}`],
    ['in the exponent', `1e${digits}`],
    ['everywhere', `-${digits}.${digits}E-${digits}`],
  ])('%s is read, and written again', (_, token) => {
    const parsed = parseExactJson(`{"n":${token}}`);
    expect(pick(parsed, ['n'])).toEqual(new ExactNumber(token));
    expect(stringifyExactJson(parsed) === `{"n":${token}}`).toBe(true);
    expect(canonicalJson(parsed, 64).length).toBeGreaterThan(digits.length);
    expect(readQuantity(pick(parsed, ['n']))).toBeNull();
  });

  it('beside no other is no reason for a plain text to be read slowly', () => {
    expect(parseExactJson(JSON.stringify({ text: digits }))).toEqual({ text: digits });
  });
});

describe('canonicalNumber', () => {
  it.each([
    ['0', '0'],
    ['-0', '0'],
    ['0.000', '0'],
    ['0e5', '0'],
    ['1', '1'],
    ['1.0', '1'],
    ['1e0', '1'],
    ['100e-2', '1'],
    ['1E+2', '100'],
    ['1e00002', '100'],
    ['0.1', '0.1'],
    ['-1.50', '-1.5'],
    ['12345678901234567890', '1234567890123456789e1'],
    ['1234567890123456789.0', '1234567890123456789e0'],
    ['0.00000012345678901234567', '12345678901234567e-23'],
    ['1e999', '1e999'],
    ['10e998', '1e999'],
    ['1e-999', '1e-999'],
  ])('%s is %s', (token, canonical) => {
    expect(canonicalNumber(token)).toBe(canonical);
  });

  it('reads a number of 10,000 digits and an exponent of as many in no time', () => {
    expect(canonicalNumber('7'.repeat(10_000))).toBe(`${'7'.repeat(10_000)}e0`);
    expect(canonicalNumber(`1e${'9'.repeat(10_000)}`)).toBe(`1e${'9'.repeat(10_000)}`);
  });

  it('is the same for equal quantities and different for others', () => {
    fc.assert(
      fc.property(numberToken, numberToken, (a, b) => {
        expect(canonicalNumber(a) === canonicalNumber(b)).toBe(readQuantity(a) === readQuantity(b));
        expect(canonicalNumber(a)).toBe(canonicalNumber(a.includes('.') ? `${a}00` : `${a}.0`));
      }),
    );
  });
});

describe('canonicalJson', () => {
  /** The same value with its keys in another order at every level. */
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, member]) => [key, reversed(member)]),
    );
  };

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(canonicalJson(reversed(value), 64)).toBe(canonicalJson(value, 64));
      }),
    );
  });

  it('depends on everything else', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
        const same =
          JSON.stringify(JSON.parse(canonicalJson(a, 64))) === JSON.stringify(JSON.parse(canonicalJson(b, 64)));
        expect(canonicalJson(a, 64) === canonicalJson(b, 64)).toBe(same);
      }),
    );
    expect(canonicalJson([1, 2], 64)).not.toBe(canonicalJson([2, 1], 64));
    expect(canonicalJson({ a: '1' }, 64)).not.toBe(canonicalJson({ a: 1 }, 64));
    expect(canonicalJson({ a: null }, 64)).not.toBe(canonicalJson({}, 64));
  });

  it('refuses what is nested deeper than asked for, however deep', () => {
    const nested = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
    expect(canonicalJson(nested(64), 64)).toBe('['.repeat(64) + ']'.repeat(64));
    expect(() => canonicalJson(nested(65), 64)).toThrow(NestingError);
    expect(() => canonicalJson(nested(100_000), 64)).toThrow(NestingError);
  });

  it('does not take an object for a number kept as text', () => {
    expect(canonicalJson(JSON.parse('{"isLosslessNumber":true,"value":"1"}'), 64)).toBe(
      '{"isLosslessNumber":true,"value":"1"}',
    );
  });
});
