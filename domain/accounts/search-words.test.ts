import { describe, expect, it } from '@jest/globals';
import { searchedWords, wordsOf } from './search-words.ts';

const finds = (search: string, name: string | null, email: string | null = null): boolean => {
  const words = new Set(wordsOf({ name, email }));
  const searched = searchedWords(search);
  return searched.length > 0 && searched.every((word) => words.has(word));
};

describe('search words', () => {
  it.each([
    ['anna', 'Anna Schmidt'],
    ['SCHMIDT', 'Anna Schmidt'],
    ['schmidt anna', 'Anna Schmidt'],
    ['strasse', 'Straße GmbH'],
    ['ＡＣＭＥ', 'Acme Inc.'],
    ['acme', 'ＡＣＭＥ'],
    ['ﬁrma', 'FIRMA'],
    ['o', "O'Brien"],
    ['o’brien', "O'Brien"],
    ['ΟΔΟΣ', 'οδος'],
    ['株式会社', '株式会社 日本'],
    ['e\u0301te', '\u00e9te'],
    ['42', 'Room 42'],
  ])('%s finds %s', (search, name) => {
    expect(finds(search, name)).toBe(true);
  });

  it.each([
    ['ann', 'Anna'],
    ['anna meier', 'Anna Schmidt'],
    ['', 'Anna'],
    ['…', 'Anna'],
    ['anna', null],
  ])('%s does not find %s', (search, name) => {
    expect(finds(search, name)).toBe(false);
  });

  it('finds an address as a whole, in any case', () => {
    expect(finds(' Anna@Example.COM', null, 'anna@example.com')).toBe(true);
    expect(finds('anna', null, 'anna@example.com')).toBe(false);
    expect(finds('example.com', null, 'anna@example.com')).toBe(false);
    expect(finds('anna@example.com', 'anna@example.com')).toBe(false);
  });
});
