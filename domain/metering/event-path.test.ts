import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readEventPath } from './event-path.ts';

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
  ])('is not %s, an expression', (text) => {
    expect(readEventPath(text)).toEqual({ ok: false, reason: 'no_path', hint: expect.stringContaining('arithmetic') });
  });

  it.each(['data.items[0].n', 'data.items[*].n', "data['gen_ai.usage']", 'data."a.b"'])('is not yet %s', (text) => {
    expect(readEventPath(text)).toEqual({ ok: false, reason: 'no_path', hint: expect.stringContaining('arrays') });
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
