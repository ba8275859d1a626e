// The canonical text of a JSON value: one text for every way to write the same value. Keys are sorted by UTF-16 units at every
// level, numbers are written in one form (1, 1.0 and 1e0 are the same), and there is no space. It is hashed and never stored.
import { isLosslessNumber } from 'lossless-json';

/** Thrown for a value that is nested deeper than asked for. */
export class NestingError extends RangeError {
  constructor(depthMax: number) {
    super(`nested deeper than ${depthMax} levels`);
    this.name = 'NestingError';
  }
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]\+?(-?)0*(\d+))?$/;

/**
 * The one form of a number token: as JavaScript prints it where a double is exact, else its significant digits and exponent
 * ("12345678901234567e-2").
 */
export function canonicalNumber(token: string): string {
  const match = NUMBER.exec(token);
  if (match === null) return token;
  const [, sign, integer, fraction = '', exponentSign = '', exponentDigits = '0'] = match;
  // An exponent of more digits than any quantity can use is only compared with itself.
  if (exponentDigits.length > 20) return token;
  const all = integer + fraction;
  let first = 0;
  while (first < all.length && all.charCodeAt(first) === 48) first++;
  if (first === all.length) return '0';
  let end = all.length;
  while (all.charCodeAt(end - 1) === 48) end--;
  const digits = all.slice(first, end);
  const exponent = BigInt(`${exponentSign}${exponentDigits}`) - BigInt(fraction.length) + BigInt(all.length - end);
  if (digits.length <= 15 && exponent > -300n && exponent < 280n) return String(Number(`${sign}${digits}e${exponent}`));
  return `${sign}${digits}e${exponent}`;
}

function write(value: unknown, levelsLeft: number, depthMax: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  // JSON.parse gives no NaN and no infinity for a text without exponents; -0 prints as 0.
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (isLosslessNumber(value)) return canonicalNumber(value.value);
  if (levelsLeft === 0) throw new NestingError(depthMax);
  if (Array.isArray(value)) {
    let text = '[';
    for (let index = 0; index < value.length; index++) {
      if (index > 0) text += ',';
      text += write(value[index], levelsLeft - 1, depthMax);
    }
    return `${text}]`;
  }
  const keys = Object.keys(value);
  if (keys.length > 1) keys.sort();
  let text = '{';
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!;
    if (index > 0) text += ',';
    text += `${JSON.stringify(key)}:${write((value as Record<string, unknown>)[key], levelsLeft - 1, depthMax)}`;
  }
  return `${text}}`;
}

/** Of a value as `parseExactJson` returns it. Throws a `NestingError` where it is nested deeper than `depthMax` levels. */
export const canonicalJson = (value: unknown, depthMax: number): string => write(value, depthMax, depthMax);
