// Instants on the command line.
import { InvalidArgumentError } from 'commander';
import { formatRfc3339, parseRfc3339 } from '../domain/time/rfc3339.ts';

/** Milliseconds since the epoch. */
export function readInstant(text: string): number {
  const instant = parseRfc3339(text);
  if (instant !== null) return instant;
  throw new InvalidArgumentError(`It must be an RFC 3339 time such as ${formatRfc3339(Date.UTC(2026, 11, 1))}.`);
}
