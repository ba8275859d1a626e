// The canonical text of a JSON value: one text for every way to write the same value. Keys are sorted by UTF-16 units
// at every level, numbers are written in one form (1, 1.0 and 1e0 are the same), and there is no space. It is hashed
// and never stored.

import { ExactNumber } from '../number/exact-number.ts';
import { numberParts } from '../number/number-text.ts';
import { stringifyExactJson } from './exact-json.ts';

/** Thrown for a value that is nested deeper than asked for. */
export class NestingError extends RangeError {
  constructor(depthMax: number) {
    super(`nested deeper than ${depthMax} levels`);
    this.name = 'NestingError';
  }
}

/** As many digits as every double gives back. */
const DOUBLE_DIGITS = 15;
// Between these a number of so many digits has an exponent that a double has as well.
const SURELY_DOUBLE_MIN = 1e-280;
const SURELY_DOUBLE_MAX = 1e270;

/**
 * The one form of a JSON number token: as JavaScript prints it where a double is exact, else its significant digits and
 * exponent ("12345678901234567e-2").
 */
export function canonicalNumber(token: string): string {
  if (token.length <= DOUBLE_DIGITS) {
    const value = Number(token);
    const size = Math.abs(value);
    if (size > SURELY_DOUBLE_MIN && size < SURELY_DOUBLE_MAX) return String(value);
  }
  const parts = numberParts(token);
  if (parts === null) return token;
  const { sign, digits, exponent } = parts;
  if (digits === '') return '0';
  if (digits.length <= DOUBLE_DIGITS && exponent > -300n && exponent < 280n)
    return String(Number(`${sign}${digits}e${exponent}`));
  return `${sign}${digits}e${exponent}`;
}

function write(value: unknown, levelsLeft: number, depthMax: number): string {
  if (typeof value === 'string') return JSON.stringify(value);
  // JSON.parse gives no NaN and no infinity for a text without exponents; -0 prints as 0.
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof ExactNumber) return canonicalNumber(value.text);
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

// Objects whose members were written in this order before, so that their keys need not be sorted and quoted again.
export interface Shape {
  readonly keys: readonly string[];
  /** `"key":` of each. */
  readonly prefixes: readonly string[];
  /** The members' places in sorted order; null: that is the order they have. */
  readonly sorted: readonly number[] | null;
}

const SHAPES_KEPT = 64;
/** Larger objects are rare, and what is kept is bounded. */
const SHAPE_KEYS_MAX = 64;
const SHAPE_KEY_LENGTH_MAX = 128;
const shapes: Shape[] = [];

const hasKeys = (shape: Shape, keys: readonly string[]): boolean => {
  if (shape.keys.length !== keys.length) return false;
  for (let i = 0; i < keys.length; i++) if (shape.keys[i] !== keys[i]) return false;
  return true;
};

/** The shape of an object with these keys, in the order in which it has them. */
export function shapeOf(keys: readonly string[]): Shape {
  for (let i = 0; i < shapes.length; i++) {
    const shape = shapes[i]!;
    if (!hasKeys(shape, keys)) continue;
    // What is frequent stays in front.
    if (i > 0) {
      shapes[i] = shapes[i - 1]!;
      shapes[i - 1] = shape;
    }
    return shape;
  }
  const places = keys.map((_, i) => i).sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  const shape: Shape = {
    keys,
    prefixes: keys.map((key) => `${JSON.stringify(key)}:`),
    sorted: places.every((place, i) => place === i) ? null : places,
  };
  if (keys.length <= SHAPE_KEYS_MAX && keys.every((key) => key.length <= SHAPE_KEY_LENGTH_MAX)) {
    if (shapes.length === SHAPES_KEPT) shapes.pop();
    shapes.push(shape);
  }
  return shape;
}

/** A quote, a backslash, a control character or anything beyond ASCII: JSON writes any other text as it is. */
const NOT_PLAIN = /[^ !#-[\]-~]/;

/** An object as `stringifyExactJson` writes it, and in canonical form. */
export interface JsonTexts {
  readonly text: string;
  readonly canonical: string;
}

/** Both texts of an object. `isExact`: it may hold an ExactNumber. Throws a `NestingError` as `canonicalJson` does. */
export function jsonTexts(data: object, depthMax: number, isExact: boolean): JsonTexts {
  const keys = Object.keys(data);
  const { prefixes, sorted } = shapeOf(keys);
  const members: string[] = [];
  // Of members with an object, an array or an exact number the canonical form may be another.
  let canonicalMembers = members;
  for (let i = 0; i < keys.length; i++) {
    const value = (data as Record<string, unknown>)[keys[i]!];
    const prefix = prefixes[i]!;
    if (typeof value === 'number') members.push(prefix + value);
    else if (typeof value === 'string' && !NOT_PLAIN.test(value)) members.push(`${prefix}"${value}"`);
    else if (typeof value === 'object' && value !== null) {
      if (canonicalMembers === members) canonicalMembers = members.slice();
      // First: it knows a limit to the depth.
      canonicalMembers[i] = prefix + write(value, depthMax - 1, depthMax);
      members.push(prefix + (isExact ? stringifyExactJson(value) : JSON.stringify(value)));
      continue;
    } else members.push(prefix + JSON.stringify(value));
    if (canonicalMembers !== members) canonicalMembers[i] = members[i]!;
  }
  const text = `{${members.join(',')}}`;
  if (sorted === null && canonicalMembers === members) return { text, canonical: text };
  let canonical = '{';
  for (let i = 0; i < keys.length; i++) {
    if (i > 0) canonical += ',';
    canonical += canonicalMembers[sorted === null ? i : sorted[i]!]!;
  }
  return { text, canonical: `${canonical}}` };
}

/**
 * Of a value as `parseExactJson` returns it. Throws a `NestingError` where it is nested deeper than `depthMax` levels.
 */
export const canonicalJson = (value: unknown, depthMax: number): string => write(value, depthMax, depthMax);
