// Reading the parameters of a URL: each either means one thing or is refused with its name and the reason.

import { Problem } from '../../domain/problem.ts';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';

/** As the HTTP server parses them: an array where a name is repeated. */
export type QueryParameters = Readonly<Record<string, string | readonly string[] | undefined>>;

/** ClickHouse's DateTime ends in February 2106. */
const LAST_INSTANT = Date.UTC(2106, 0, 1);

/** A name or value as an error may repeat it. */
const quoted = (text: string): string => JSON.stringify(text.slice(0, 64));

/** Refuses a parameter that is neither in `known` nor of the form `filter`: a misspelt one must not be ignored. */
export function refuseUnknown(
  parameters: QueryParameters,
  known: readonly string[],
  filter: RegExp | null = null,
): void {
  for (const name of Object.keys(parameters)) {
    if (known.includes(name) || filter?.test(name)) continue;
    const choice = [...known, ...(filter === null ? [] : ['filter[DIMENSION]'])].join(', ');
    throw new Problem('invalid_parameter', `${quoted(name)}: unknown parameter; known are ${choice}`);
  }
}

/** Postgres holds no text with a NUL character, so nothing can match one. */
function storable(name: string, value: string): string {
  if (!value.includes('\0')) return value;
  throw new Problem('invalid_parameter', `${name}: holds a NUL character`);
}

/** Every value of a repeatable parameter, without repetitions. */
export function values(parameters: QueryParameters, name: string): readonly string[] {
  const given = parameters[name];
  if (given === undefined) return [];
  return [...new Set(typeof given === 'string' ? [given] : given)].map((value) => storable(name, value));
}

/** The value of a parameter that may be given once; null without it. */
export function single(parameters: QueryParameters, name: string): string | null {
  const given = parameters[name];
  if (given === undefined) return null;
  if (typeof given === 'string') return storable(name, given);
  throw new Problem('invalid_parameter', `${name}: given more than once`);
}

/** One of a few words; null without the parameter. */
export function oneOf<Word extends string>(
  parameters: QueryParameters,
  name: string,
  words: readonly Word[],
): Word | null {
  const given = single(parameters, name);
  if (given === null) return null;
  const word = words.find((candidate) => candidate === given);
  if (word !== undefined) return word;
  throw new Problem('invalid_parameter', `${name}: ${quoted(given)} is none of ${words.join(', ')}`);
}

/** Milliseconds since the epoch, within what the stores can hold; null without the parameter. */
export function instant(parameters: QueryParameters, name: string): number | null {
  const text = single(parameters, name);
  if (text === null) return null;
  const parsed = parseRfc3339(text);
  if (parsed !== null && parsed >= 0 && parsed <= LAST_INSTANT) return parsed;
  const hint = / \d\d:\d\d$/.test(text) ? ' (a + in a URL is written %2B)' : '';
  throw new Problem(
    'invalid_parameter',
    `${name}: ${quoted(text)} is no RFC 3339 time between 1970 and 2106, such as 2026-11-20T10:00:00Z${hint}`,
  );
}

/** A whole number from 1 to `max`; null without the parameter. */
export function count(parameters: QueryParameters, name: string, max: number): number | null {
  const text = single(parameters, name);
  if (text === null) return null;
  if (/^[1-9]\d{0,9}$/.test(text) && Number(text) <= max) return Number(text);
  throw new Problem('invalid_parameter', `${name}: ${quoted(text)} is no whole number from 1 to ${max}`);
}
