import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonPath } from '../json/json-path.ts';
import { eventPathText } from './event-path.ts';
import type { Addend } from './meter.ts';
import { readValueExpression, valuePattern, valueText } from './value-expression.ts';

const n = (factor: string, ...path: string[]): Addend => ({ path, factor });

describe('what a meter reads', () => {
  it.each<[string, Addend[]]>([
    ['data.a', [n('1', 'a')]],
    ['data.input_tokens - data.cached_input_tokens', [n('1', 'input_tokens'), n('-1', 'cached_input_tokens')]],
    ['data.a + data.b.c - 0.50 * data["x - y"]', [n('1', 'a'), n('1', 'b', 'c'), n('-0.5', 'x - y')]],
    ['data.a * 1000 + 2 * data.b', [n('1000', 'a'), n('2', 'b')]],
    ['data.meta-data.input tokens - data.Token Count', [n('1', 'meta-data', 'input tokens'), n('-1', 'Token Count')]],
    ['000000001.0 * data.a', [n('1', 'a')]],
    [
      'data.items[*].n - data.items[0].n',
      [
        { path: ['items', null, 'n'], factor: '1' },
        { path: ['items', 0, 'n'], factor: '-1' },
      ],
    ],
    ["data['\\' + ']", [n('1', "' + ")]],
  ])('is %s', (text, addends) => {
    expect(readValueExpression(text)).toEqual({ ok: true, addends });
    expect(text).toMatch(new RegExp(valuePattern, 'u'));
  });

  // The character at which it is said, and part of the words.
  it.each<[string, number, string]>([
    ['data.a - b', 9, ''],
    ['data.a - data.b..c', 9, ''],
    ['data.a - data.b[x]', 9, 'in brackets'],
    ['data.a - data.b.__proto__', 9, 'must not name __proto__'],
    ['data.a - data.b +data.c', 9, 'arithmetic'],
    ['data.a  - data.b', 0, 'arithmetic'],
    ['data.a −  data.b', 0, 'arithmetic'],
    ['data.a / 1000', 0, 'arithmetic'],
    ['data.a - data.b / 1000', 9, 'arithmetic'],
    ['data.a/1000 - data.b', 0, 'arithmetic'],
    ['- data.a', 0, 'begins with an operator'],
    ['+ data.a - data.b', 0, 'begins with an operator'],
    ['data.a + 5', 9, 'is a number without a path'],
    ['5 * 6', 0, 'is a number without a path'],
    ['5', 0, ''],
    ['data.a * data.b', 9, 'multiplies two paths'],
    ['2 * data.a * 3', 13, 'multiplies twice'],
    ['data.a - 0 * data.b', 9, 'must be a number above 0'],
    ['data.a * 0.0', 9, 'must be a number above 0'],
    ['data.a - 1e3 * data.b', 9, 'must be a number above 0'],
    ['data.a - .5 * data.b', 9, 'must be a number above 0'],
    ['data.a - 1234567890 * data.b', 9, 'at most 9 digits'],
    ['data.a - 0.1234567890123 * data.b', 9, '12 behind the point'],
    ['data.a -', 0, ''],
    ['data.a * ', 9, ''],
    [Array(17).fill('data.a').join(' + '), 0, 'more than 16'],
  ])('is not %s, and says where', (text, at, words) => {
    const reading = readValueExpression(text);
    expect(reading).toEqual({ ok: false, at, isPath: expect.any(Boolean), message: expect.stringContaining(words) });
    expect(text).not.toMatch(new RegExp(valuePattern, 'u'));
  });

  it('has one text, which is read as the same', () => {
    const key = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
      fc.constantFrom('a.b', 'a - b', '" + "', "' * 2", 'a b', 'in/out', '-', '- data.b', 'x-y', '/data.c', '2'),
    );
    const name = key.filter((text) => text !== '__proto__' && !/[\p{Cc}\p{Cs}]/u.test(text));
    const path: fc.Arbitrary<JsonPath> = fc
      .array(fc.oneof(name, name, fc.integer({ min: -9, max: 9 }), fc.constant(null)), { minLength: 1, maxLength: 4 })
      .filter(([first]) => typeof first !== 'number');
    const factor = fc
      .tuple(fc.integer({ min: 1, max: 999_999_999 }), fc.constantFrom('', '.5', '.000000000001'), fc.boolean())
      .map(([whole, fraction, isTaken]) => `${isTaken ? '-' : ''}${whole}${fraction}`);
    const addend = fc.record({ path, factor });
    fc.assert(
      fc.property(fc.array(addend, { minLength: 1, maxLength: 16 }), (made) => {
        const addends = made.map((each, i) => (i === 0 ? { ...each, factor: each.factor.replace('-', '') } : each));
        const text = valueText({ valuePath: null, addends })!;
        expect(readValueExpression(text)).toEqual({ ok: true, addends });
        expect(text).toMatch(new RegExp(valuePattern, 'u'));
      }),
      { numRuns: 500 },
    );
  });

  it('is judged alike by the pattern of the JSON Schema', () => {
    const piece = fc.constantFrom(
      ...[
        'data.a',
        'data["a - b"]',
        'data.a b',
        'data.x-y',
        '2',
        '0',
        '0.5',
        'data',
        'data.a/2',
        'b',
        '',
        'data.a data.b',
      ],
      ...['data[*]', 'data[0]', "data['+']", 'data.__proto__', '-data.a', 'data.a minus data.b'],
    );
    const operator = fc.constantFrom(' - ', ' + ', ' * ', ' / ', '-', '+', '  - ', ' -', ' ');
    const text = fc
      .array(fc.tuple(operator, piece), { minLength: 1, maxLength: 4 })
      .map((pairs) => pairs.map(([sign, each], i) => (i === 0 ? each : sign + each)).join(''));
    fc.assert(
      fc.property(text, (written) => {
        const { ok } = readValueExpression(written);
        expect({ written, ok: new RegExp(valuePattern, 'u').test(written) }).toEqual({ written, ok });
      }),
      { numRuns: 2_000 },
    );
  });

  it('is a path alone, or nothing', () => {
    expect(valueText({ valuePath: ['a.b', 0] })).toBe(eventPathText(['a.b', 0]));
    expect(valueText({ valuePath: null })).toBeNull();
  });
});
