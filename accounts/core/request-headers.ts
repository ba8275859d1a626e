// The headers by which a change is made once, and only to what its maker has seen.
import { Problem } from '../../domain/problem.ts';

/** A version; `any`: whatever it is, as long as there is one. Null: none is asked for. */
export type VersionCondition = number | 'any' | null;

const ETAG = /^"(\d{1,9})"$/;
const KEY = /^[\x21-\x7e]{1,255}$/;

export const etagOf = (version: number): string => `"${version}"`;

/** Throws a `Problem` for what is no ETag of ours: one that is weak, or a list, can't be the newest version. */
export function readIfMatch(header: string | undefined): VersionCondition {
  if (header === undefined) return null;
  const text = header.trim();
  if (text === '*') return 'any';
  const [, version] = ETAG.exec(text) ?? [];
  if (version !== undefined) return Number(version);
  throw new Problem(
    'invalid_request',
    'If-Match must be one ETag of this object as it was answered, such as "3", or *.',
  );
}

/** Throws a `Problem`. */
export function readIdempotencyKey(header: string | undefined): string {
  if (header === undefined) {
    throw new Problem(
      'idempotency_key_required',
      'Send an Idempotency-Key, a new one for each thing to be done, so that it is done once however often it is sent.',
    );
  }
  if (KEY.test(header)) return header;
  throw new Problem('invalid_request', 'Idempotency-Key must be 1 to 255 printable ASCII characters without spaces.');
}

const newest = (version: number): string =>
  version === 0 ? 'It was never changed.' : `Its version is ${version}. Read it, and send If-Match with its ETag.`;

/** The 412 of a change to what is not as its maker believed. `version`: of the object now; 0: it is not there. */
export const versionMismatch = (what: string, version: number): Problem =>
  new Problem('version_mismatch', `${what} ${newest(version)}`, { members: { version } });

export const meets = (condition: VersionCondition, version: number): boolean =>
  condition === 'any' ? version > 0 : condition === version;
