// What is said of a key on the command line. Throws in words that name the option.
import { parseRfc3339 } from '../domain/time/rfc3339.ts';
import { type Scope, scopeNames, usualScopes } from '../platform/access/scopes.ts';
import { duration } from '../platform/settings/setting-formats.ts';

export function keyScopes(given: readonly string[]): readonly Scope[] {
  const unknown = given.find((name) => !scopeNames.some((scope) => scope === name));
  if (unknown !== undefined) throw new Error(`--scope must be one of ${scopeNames.join(', ')}, not '${unknown}'`);
  return given.length === 0 ? usualScopes : scopeNames.filter((name) => given.includes(name));
}

const least = duration('1s');
const overlap = duration('0s');
const YEARS_MAX = 100;
const YEAR_MS = 366 * 86_400_000;

/** `now` in milliseconds since the epoch. */
export function keyEnd(given: string, now: number): Date {
  const time = least.schema.safeParse(given);
  const end = time.success ? now + time.data : parseRfc3339(given);
  if (end === null) {
    const instant = 'an RFC 3339 time such as 2027-01-01T00:00:00Z';
    throw new Error(`--expires must be ${least.accepts}, or ${instant}, not '${given}'`);
  }
  if (end <= now) throw new Error(`--expires must lie ahead, not be '${given}'`);
  if (end > now + YEARS_MAX * YEAR_MS) {
    throw new Error(`--expires must be at most ${YEARS_MAX} years ahead, not '${given}'; without it a key never ends`);
  }
  return new Date(end);
}

export function keyOverlapMs(given: string): number {
  const time = overlap.schema.safeParse(given);
  if (!time.success) throw new Error(`--overlap must be ${overlap.accepts}, not '${given}'`);
  return time.data;
}
