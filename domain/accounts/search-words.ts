// The words by which a customer is found: its e-mail address as a whole, and each word of its name. Compatible forms
// and cases of a character are one (NFKC, then folded), so that what a person types finds what another person wrote.
// Only whole words are found: what is stored of a word is an HMAC, which says nothing about how the word begins.
import type { PersonalFields } from './customer.ts';

/** What is found by a name, and what by an address: "anna" the name is not "anna" the address. */
type WordKind = 'name' | 'email';

const wordOf = (kind: WordKind, text: string): string => `${kind}:${text}`;

/** Upper case first: ß and SS, and both small sigmas, are then one. */
const folded = (text: string): string => text.normalize('NFKC').toUpperCase().toLowerCase().normalize('NFKC');

/** Letters, their marks, and digits; whatever stands between them parts two words. */
const nameWords = (text: string): string[] => folded(text).match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];

/** Each once. */
export function wordsOf({ name, email }: Pick<PersonalFields, 'name' | 'email'>): readonly string[] {
  const words = name === null ? [] : nameWords(name).map((word) => wordOf('name', word));
  if (email !== null) words.push(wordOf('email', folded(email)));
  return [...new Set(words)];
}

/** Those that must all be a customer's for it to be found; none: nothing can be. What has an @ is an address. */
export const searchedWords = (search: string): readonly string[] =>
  search.includes('@') ? wordsOf({ name: null, email: search.trim() }) : wordsOf({ name: search, email: null });
