import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, jsonTexts, NestingError } from './canonical-json.ts';
import { parseExactJson, stringifyExactJson } from './exact-json.ts';

const object = fc.dictionary(
  fc.oneof(fc.constantFrom('model', 'input', 'a"b', '__proto__', 'é', '7', 'toJSON'), fc.string({ maxLength: 6 })),
  fc.oneof(fc.jsonValue(), fc.string(), fc.constantFrom(-0, 1e21, 'it\u2028', '\ud800', 'a\\b', 'plain text ~')),
  { maxKeys: 6 },
);

/** As a request's body gives it. */
const parsed = (value: object): object => JSON.parse(JSON.stringify(value)) as object;

describe('jsonTexts', () => {
  it('is the text of JSON.stringify and the canonical one, whatever was written before', () => {
    fc.assert(
      fc.property(fc.array(object.map(parsed), { minLength: 1, maxLength: 8 }), (objects) => {
        for (const data of [...objects, ...objects]) {
          expect(jsonTexts(data, 64, false)).toEqual({
            text: JSON.stringify(data),
            canonical: canonicalJson(data, 64),
          });
        }
      }),
    );
  });

  it('keeps every digit, at every level', () => {
    const token = fc.constantFrom(
      '1e2',
      '12345678901234567890',
      '-0.0',
      '1.50',
      '7',
      '0.00000012345678901234567',
      '1E-999',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string({ maxLength: 4 }), token, token), { maxLength: 5 }), (members) => {
        const texts = members.map(
          ([key, a, b]) => `${JSON.stringify(key)}:${a},${JSON.stringify(`${key}o`)}:{"x":[${b}],"n":${a}}`,
        );
        const data = parseExactJson(`{${texts.join(',')}}`) as object;
        const expected = { text: stringifyExactJson(data), canonical: canonicalJson(data, 64) };
        expect(jsonTexts(data, 64, true)).toEqual(expected);
      }),
    );
  });

  it('has one canonical text for every order of keys, and keeps the given order in the other', () => {
    const a = jsonTexts({ op: 'chat', model: 'm', n: { y: 1, x: [2] } }, 64, false);
    const b = jsonTexts({ n: { x: [2], y: 1 }, model: 'm', op: 'chat' }, 64, false);
    expect(a.canonical).toBe('{"model":"m","n":{"x":[2],"y":1},"op":"chat"}');
    expect(b.canonical).toBe(a.canonical);
    expect(a.text).toBe('{"op":"chat","model":"m","n":{"y":1,"x":[2]}}');
  });

  it('knows more objects than it keeps the shapes of', () => {
    for (let i = 0; i < 500; i++) {
      const data = { [`b${i % 150}`]: 1, [`a${i % 150}`]: 2 };
      expect(jsonTexts(data, 64, false)).toEqual({ text: JSON.stringify(data), canonical: canonicalJson(data, 64) });
    }
  });

  it('refuses what is nested deeper than asked for', () => {
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
    expect(jsonTexts(nested(4), 4, false).canonical).toBe('{"a":{"a":{"a":{}}}}');
    expect(() => jsonTexts(nested(5), 4, false)).toThrow(NestingError);
  });
});
