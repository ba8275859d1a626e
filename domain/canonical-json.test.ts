import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, jsonTexts, NestingError } from './canonical-json.ts';

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
          expect(jsonTexts(data, 64)).toEqual({ text: JSON.stringify(data), canonical: canonicalJson(data, 64) });
        }
      }),
    );
  });

  it('has one canonical text for every order of keys, and keeps the given order in the other', () => {
    const a = jsonTexts({ op: 'chat', model: 'm', n: { y: 1, x: [2] } }, 64);
    const b = jsonTexts({ n: { x: [2], y: 1 }, model: 'm', op: 'chat' }, 64);
    expect(a.canonical).toBe('{"model":"m","n":{"x":[2],"y":1},"op":"chat"}');
    expect(b.canonical).toBe(a.canonical);
    expect(a.text).toBe('{"op":"chat","model":"m","n":{"y":1,"x":[2]}}');
  });

  it('knows more objects than it keeps the shapes of', () => {
    for (let i = 0; i < 500; i++) {
      const data = { [`b${i % 150}`]: 1, [`a${i % 150}`]: 2 };
      expect(jsonTexts(data, 64)).toEqual({ text: JSON.stringify(data), canonical: canonicalJson(data, 64) });
    }
  });

  it('refuses what is nested deeper than asked for', () => {
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
    expect(jsonTexts(nested(4), 4).canonical).toBe('{"a":{"a":{"a":{}}}}');
    expect(() => jsonTexts(nested(5), 4)).toThrow(NestingError);
  });
});
