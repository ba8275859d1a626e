import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonPath } from '../json/json-path.ts';
import { eventPathText, readEventPath } from './event-path.ts';

describe('a path below data', () => {
  it.each([
    ['data.input_tokens', ['input_tokens']],
    ['data.usage.model', ['usage', 'model']],
    ['data.meta-data.tokens', ['meta-data', 'tokens']],
    ['data.data.n', ['data', 'n']],
    ['data.Token Count', ['Token Count']],
    ['data.in/out', ['in/out']],
    ['data.$n', ['$n']],
    ['data.größe', ['größe']],
    ['data.0', ['0']],
    ['data.constructor', ['constructor']],
    ['data["gen_ai.usage.input_tokens"]', ['gen_ai.usage.input_tokens']],
    ["data['gen_ai.usage.input_tokens']", ['gen_ai.usage.input_tokens']],
    ['data.usage["in.put"].n', ['usage', 'in.put', 'n']],
    ['data["a - b"]["/data.c"]', ['a - b', '/data.c']],
    ['data["\\"\\\\\'"]', ['"\\\'']],
    ["data['\\'\\\\\"']", ['\'\\"']],
    ['data["[*]"]', ['[*]']],
    ['data.items[0].n', ['items', 0, 'n']],
    ['data.items[-1]', ['items', -1]],
    ['data.items[*].n', ['items', null, 'n']],
    ['data[*]', [null]],
    ['data.a[*][12]["b"]', ['a', null, 12, 'b']],
  ])('is %s', (text, path) => {
    expect(readEventPath(text)).toEqual({ ok: true, path });
  });

  it.each([
    'data.input_tokens - data.cached_input_tokens',
    'data.input_tokens − data.cached_input_tokens',
    'data.input_tokens minus data.cached_input_tokens',
    'data.input_tokens + 0',
    'data.input_tokens+0',
    'data.input_tokens - 1',
    'data.bytes/1024',
    'data.bytes / 1024',
    'data.a/data.b',
    'data.a * 2',
    '(data.a + data.b)',
    'data.a ?? data.b',
    'data.a | data.b',
    'data.a == 1',
    'data.a, data.b',
    '-data.a',
    'data["a"] - data["b"]',
    'data.items[0].n + data.items[1].n',
    'data.a/data["b"]',
  ])('is not %s, an expression', (text) => {
    expect(readEventPath(text)).toEqual({ ok: false, reason: 'no_path', hint: expect.stringContaining('arithmetic') });
  });

  it.each([
    'data."a.b"',
    'data[a]',
    'data["a]',
    'data[\'a"]',
    'data[""]',
    'data["a\\n"]',
    'data.a[01]',
    'data.a[-0]',
    'data.a[1:3]',
    'data.a[0,1]',
    'data.a[?@.b]',
    'data.a[]',
    'data["a" ]',
  ])('is not %s, which has no such thing in its brackets', (text) => {
    expect(readEventPath(text)).toEqual({ ok: false, reason: 'no_path', hint: expect.stringContaining('in brackets') });
  });

  it.each([
    ['data[0].n', 'element of data'],
    ['data.a.__proto__', '__proto__'],
    ['data["__proto__"].a', '__proto__'],
    [`data${'.a'.repeat(17)}`, 'deeper than 16'],
    [`data${'[0]["a.b"]'.repeat(9)}`, 'deeper than 16'],
  ])('is not %s, and says what it must not do', (text, words) => {
    expect(readEventPath(text)).toEqual({ ok: false, reason: 'refused', message: expect.stringContaining(words) });
  });

  it('has one text for each path, which is read as this path again', () => {
    const key = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
      fc.constantFrom('a.b', 'a"b', "a'b", 'a\\b', 'a - b', '/data.c', '*', '0', '[0]', 'in/out', '$', ' a'),
    );
    const name = key.filter((text) => text !== '__proto__' && !/[\p{Cc}\p{Cs}]/u.test(text));
    const segment = fc.oneof(name, name, fc.integer({ min: -99, max: 99 }), fc.constant(null));
    const path: fc.Arbitrary<JsonPath> = fc.array(segment, { minLength: 1, maxLength: 16 });
    fc.assert(
      fc.property(path, (segments) => {
        fc.pre(typeof segments[0] !== 'number');
        expect(readEventPath(eventPathText(segments))).toEqual({ ok: true, path: segments });
      }),
      { numRuns: 1_000 },
    );
  });

  it('is written without quotes where it needs none', () => {
    expect(eventPathText(['usage', 'in put', 'meta-data', 'a.b', 0, null, '0'])).toBe(
      'data.usage.in put.meta-data["a.b"][0][*].0',
    );
  });

  it.each(['data', 'data.', 'data..n', 'event.n', 'n', 'data.n ', 'data. n', 'data.a\tb', ''])(
    'is not "%s"',
    (text) => {
      expect(readEventPath(text)).toMatchObject({ ok: false, reason: 'no_path' });
    },
  );

  it('is any list of words, and none of them with an operator and an operand behind it', () => {
    const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_-]{0,20}$/).filter((text) => text !== '__proto__');
    const keys = fc.array(key, { minLength: 1, maxLength: 16 });
    const operator = fc.constantFrom('+', ' + ', ' - ', '*', ' * ', ' / ', '/', ' % ', ', ', ' minus ');
    fc.assert(
      fc.property(keys, operator, fc.constantFrom('data.n', '2'), (path, sign, operand) => {
        expect(readEventPath(`data.${path.join('.')}`)).toEqual({ ok: true, path });
        fc.pre(sign !== ' minus ' || operand !== '2');
        expect(readEventPath(`data.${path.join('.')}${sign}${operand}`).ok).toBe(false);
      }),
    );
  });
});
