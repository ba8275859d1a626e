import { describe, expect, it } from '@jest/globals';
import { storedGroupTexts } from './group-texts.ts';

describe('storedGroupTexts', () => {
  it.each([
    [['a'], ['["a"]']],
    [[], ['[]']],
    [[''], ['[""]', '[]']],
    [['', 'b'], ['["","b"]']],
    [
      ['a', '', ''],
      ['["a","",""]', '["a",""]', '["a"]'],
    ],
    [['a', ',""'], ['["a",",\\"\\""]']],
  ])('%j may be stored as %j', (values, texts) => {
    expect(storedGroupTexts(values)).toEqual(texts);
  });
});
