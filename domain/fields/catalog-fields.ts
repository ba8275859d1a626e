// Typed reading of a catalog's fields. Each reader returns the value, or null after it has said at the field what is
// wrong: nothing is coerced and nothing is passed over, so that a slip of the pen never becomes a price.

import { Decimal } from '../number/decimal.ts';
import type { Path, Place } from './catalog-source.ts';

const SLUG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const CONTROL_OR_LONE_SURROGATE = /[\p{Cc}\p{Cs}]/u;
const TEXT_LENGTH_MAX = 256;

/** What a reader asks of the file it reads: somewhere to say what is wrong, and the text behind a scalar. */
export interface FieldSource {
  add(path: Path, message: string, at?: Place): void;
  textOf(path: Path): string | null;
}

export interface Field {
  readonly source: FieldSource;
  readonly path: Path;
  /** Undefined: the key is absent. */
  readonly value: unknown;
}

export const refuse = (field: Field, message: string, at: Place = 'value'): null => {
  field.source.add(field.path, message, at);
  return null;
};

export const isAbsent = (field: Field): boolean => field.value === undefined;

function describe({ source, path, value }: Field): string {
  if (value === null) return 'nothing (null)';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
  if (typeof value === 'number') return `number ${source.textOf(path) ?? value}`;
  return typeof value === 'boolean' ? String(value) : 'a map';
}

export const expected = (field: Field, what: string, hint = '', at: Place = 'value'): null =>
  refuse(field, isAbsent(field) ? 'is missing' : `must be ${what}, got ${describe(field)}${hint}`, at);

/** The entries of a map; null when it is none. */
export function readEntries(field: Field): readonly (readonly [string, Field])[] | null {
  const { source, path, value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return expected(field, 'a map');
  return Object.entries(value).map(([name, entry]) => [name, { source, path: [...path, name], value: entry }]);
}

/** The fields of a map with a fixed set of names, absent ones with the value undefined; null when it is no map. */
export function readMap<Name extends string>(
  field: Field,
  names: readonly Name[],
): Readonly<Record<Name, Field>> | null {
  const entries = readEntries(field);
  if (entries === null) return null;
  const fields: Record<string, Field> = {};
  for (const name of names) fields[name] = { source: field.source, path: [...field.path, name], value: undefined };
  for (const [name, entry] of entries) {
    if (Object.hasOwn(fields, name)) fields[name] = entry;
    else refuse(entry, `unknown key; known here: ${names.join(', ')}`, 'key');
  }
  return fields as Record<Name, Field>;
}

export function readList(field: Field, countMax: number): readonly Field[] | null {
  const { source, path, value } = field;
  if (!Array.isArray(value)) return expected(field, 'a list');
  if (value.length > countMax) return refuse(field, `has ${value.length} entries; the limit is ${countMax}`);
  return value.map((entry: unknown, index) => ({ source, path: [...path, index], value: entry }));
}

/** 1 to 256 characters, or as many as are allowed, of well-formed Unicode without control characters. */
export function readText(field: Field, lengthMax = TEXT_LENGTH_MAX): string | null {
  const { value } = field;
  if (typeof value !== 'string')
    return expected(field, 'a string', isAbsent(field) || typeof value === 'object' ? '' : ' (quote it)');
  if (value === '') return refuse(field, 'must not be empty');
  if ([...value].length > lengthMax) return refuse(field, `is longer than ${lengthMax} characters`);
  if (CONTROL_OR_LONE_SURROGATE.test(value))
    return refuse(field, 'must not hold control characters or lone surrogates');
  return value;
}

export const isSlug = (text: string): boolean => SLUG.test(text);

/** Undefined: it is not there. */
export const readOptional = <Value>(field: Field, read: (field: Field) => Value | null): Value | null | undefined =>
  isAbsent(field) ? undefined : read(field);

export function readSlug(field: Field): string | null {
  const text = readText(field);
  if (text === null || isSlug(text)) return text;
  return expected(field, 'a slug: up to 100 letters, digits, ".", "_" or "-", the first a letter or digit');
}

export function readChoice<Choice extends string>(field: Field, choices: readonly Choice[]): Choice | null {
  const choice = choices.find((each) => each === field.value);
  return choice ?? expected(field, `one of ${choices.join(', ')}`);
}

export const readBoolean = (field: Field): boolean | null =>
  typeof field.value === 'boolean' ? field.value : expected(field, 'true or false');

/** From 1 on. */
export function readWholeNumber(field: Field, max: number): number | null {
  const { value } = field;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value;
  return expected(field, `a whole number from 1 to ${max}`);
}

/** Decimal text in its shortest form. A YAML number is refused: it has been a float on the way. */
export function readDecimal(field: Field): string | null {
  const { value } = field;
  if (typeof value === 'number') return expected(field, 'a decimal string', ' (quote it)');
  if (typeof value !== 'string') return expected(field, 'a decimal string such as "0.003"');
  if (!Decimal.isDecimal(value)) {
    return expected(
      field,
      'a decimal string such as "0.003" (no exponent, no separators, at most 400 digits on either side of the point)',
    );
  }
  return Decimal.parse(value).toString();
}
