// JSON without losing a digit. JSON.parse turns numbers into doubles, which keep 15 significant digits for certain; a
// text that holds longer numbers or exponents is read by a parser that keeps such a number's own text instead. Which of
// the two reads a text shows in nothing but that: both let the last of two equal keys win, and take "__proto__" for a
// plain key.

import { ExactNumber } from '../number/exact-number.ts';
import { parseKeepingDigits } from './exact-json-parser.ts';

// A number token that a double may not give back exactly: 16 or more digits, or an exponent behind fewer. Matches
// inside strings as well, which costs time and nothing else.
const NEEDS_EXACT = /(?:^|[:,[\s])-?(?:[\d.]{16}|[\d.]{1,15}[eE])/;

/** True where `parseExactJson` leaves JSON.parse for the exact parser. */
export const needsExactParser = (text: string): boolean => NEEDS_EXACT.test(text);

/**
 * The parsed value; numbers are numbers where that is exact, and ExactNumber objects otherwise. Throws a SyntaxError.
 * `isExact`: where it is known already what `needsExactParser` says of this text, or of one that it is a part of.
 */
export function parseExactJson(text: string, isExact = needsExactParser(text)): unknown {
  return isExact ? parseKeepingDigits(text) : JSON.parse(text);
}

/**
 * The reverse: every digit that `parseExactJson` read is written again. It recurses once a level. Its parts are joined,
 * because a text that is added to piece by piece takes ten times its bytes until it is read.
 */
export function stringifyExactJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(stringifyExactJson).join(',')}]`;
  const members = Object.keys(value).map(
    (key) => `${JSON.stringify(key)}:${stringifyExactJson((value as Record<string, unknown>)[key])}`,
  );
  return `{${members.join(',')}}`;
}
