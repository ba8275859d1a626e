import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cell, plain } from './output.ts';

/** The characters that people try first, among any others. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\t', '\n', '\r', '\u001b', '\u009b', '\u202e', '\u2028', '\\', 'a', 'é'),
    fc.string(),
  ),
});

describe('cell', () => {
  it.each([
    ['a plain name', 'a plain name'],
    ['two\tcolumns\nand a row', 'two\\tcolumns\\nand a row'],
    ['\u001b[2J\u009b0m', '\\u001b[2J\\u009b0m'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['back\\slash', 'back\\\\slash'],
  ])('%j is shown as %s', (value, shown) => {
    expect(cell(value)).toBe(shown);
  });

  it('is one cell whatever the value, and another one for each value', () => {
    fc.assert(fc.property(text, (value) => expect(cell(value)).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u)));
    fc.assert(fc.property(text, text, (a, b) => expect(cell(a) === cell(b)).toBe(a === b)));
  });
});

describe('plain', () => {
  it('keeps lines, and nothing else that a terminal obeys', () => {
    expect(plain('one\ntwo\t\u001b]0;title\u0007')).toBe('one\ntwo\\t\\u001b]0;title\\u0007');
  });
});
