// JSON without losing a digit. JSON.parse turns numbers into doubles, which keep 15 significant digits for certain; a text
// that holds longer numbers or exponents is read by lossless-json instead, which keeps each number's own text.
import { parse as parseLossless, stringify as stringifyLossless } from 'lossless-json';

// A number token that a double may not give back exactly: 16 or more digits, or an exponent. Matches inside strings
// as well, which costs time and nothing else.
const NEEDS_EXACT = /(?:^|[:,[\s])-?(?:[\d.]{16,}|[\d.]+[eE])/;

/** The parsed value; numbers are numbers where that is exact, and LosslessNumber objects otherwise. Throws a SyntaxError. */
export function parseExactJson(text: string): unknown {
  return NEEDS_EXACT.test(text) ? parseLossless(text) : JSON.parse(text);
}

/** The reverse: every digit that `parseExactJson` read is written again. */
export function stringifyExactJson(value: unknown): string {
  return stringifyLossless(value) ?? 'null';
}

/** The own property at a path, or undefined where the path ends early: never a property of a prototype. */
export function pick(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return current;
}
