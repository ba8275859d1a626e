// Cursors of pages. A cursor names the place of a row in the order of an answer, and not a count of rows: what is added
// meanwhile neither repeats nor hides the rows that were there. It is good for the selection it was given out for, as
// with any other it would skip rows silently.
import { createHash } from 'node:crypto';
import { Problem } from '../problem.ts';

/** Longer than that of any row: its names and group values are bounded. */
const CURSOR_LENGTH_MAX = 16_384;

/** What a client can do nothing but give back: it may come from anybody all the same. */
export interface ReadCursor {
  /** As `encodePlace` was given it, or anything else. */
  readonly place: readonly unknown[];
  /** Throws a `Problem` where it was given out for another selection. `kept`: what has to be the same, in words. */
  requireOf(selection: unknown, kept: string): void;
}

/** What a cursor keeps of the selection that it is good for. */
export const digestOf = (selection: unknown): string =>
  createHash('sha256').update(JSON.stringify(selection)).digest('base64url').slice(0, 11);

export const notACursor = (): Problem =>
  new Problem('invalid_cursor', 'cursor: not one that this API gave out; use nextCursor as it is');

/** `kept`: what has to be as it was for the page before, in words. */
export const ofAnotherSelection = (kept: string): Problem =>
  new Problem('invalid_cursor', `cursor: given out for another ${kept}; keep them while paging`);

/** Both of values that JSON can hold. */
export const encodePlace = (selection: unknown, place: readonly unknown[]): string =>
  Buffer.from(JSON.stringify([digestOf(selection), ...place])).toString('base64url');

function parsed(cursor: string): unknown {
  if (cursor.length > CURSOR_LENGTH_MAX || !/^[\w-]+$/.test(cursor)) return null;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

/** Throws a `Problem` for what is no cursor. */
export function decodePlace(cursor: string): ReadCursor {
  const read = parsed(cursor);
  if (!Array.isArray(read) || typeof read[0] !== 'string') throw notACursor();
  const [digest, ...place] = read as [string, ...unknown[]];
  return {
    place,
    requireOf: (selection, kept) => {
      if (digest !== digestOf(selection)) throw ofAnotherSelection(kept);
    },
  };
}

/** What is read for a page has one row more where there is a next one: `last` is then the page's last row. */
export function pageOf<Row>(
  found: readonly Row[],
  limit: number,
): { readonly page: readonly Row[]; readonly last: Row | undefined } {
  const page = found.slice(0, limit);
  return { page, last: found.length > limit ? page.at(-1) : undefined };
}

/** Of a list in the order of numbers, behind which its page begins; 0 without a cursor. Throws a `Problem`. */
export function numberBehind(cursor: string | undefined, selection: unknown, kept: string): number {
  if (cursor === undefined) return 0;
  const read = decodePlace(cursor);
  read.requireOf(selection, kept);
  const [number] = read.place;
  if (!isPlaceNumber(number)) throw notACursor();
  return number;
}

/** Whether a part of a place is a name: a text that a store can be asked for. */
export const isPlaceText = (part: unknown): part is string =>
  typeof part === 'string' && part.isWellFormed() && !part.includes('\0');

/** Whether it is a whole number of at least 0 that a double holds. */
export const isPlaceNumber = (part: unknown): part is number =>
  typeof part === 'number' && Number.isSafeInteger(part) && part >= 0;
