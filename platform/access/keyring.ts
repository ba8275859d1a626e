// Who is asking: the tenant of an API key. Keys are stored as SHA-256, and looked up by that hash, so that neither a
// leaked table nor the time of a comparison gives a key away.
//
// What Postgres said of a key is kept for seconds, so that a busy key costs no query and a revoked one dies soon: at
// once where Postgres tells of the change (key-changes.ts), within ten seconds where it can't. Only while Postgres
// itself fails does a key that was good go on for a while; a stranger's knocking is no failure of Postgres. Every cache
// here is bounded, and a client that tries one made-up key after the other is soon refused without a look-up.
import { hash } from 'node:crypto';
import type { Pool } from 'pg';
import { Problem, type ProblemCode, retryAfter } from '../../domain/problem.ts';
import { addressGroup } from '../http/address-counts.ts';
import { isMistypedKey } from './key-form.ts';
import { KeyLookups, type KeyRow, LookupsFull } from './key-lookups.ts';
import { type KeyUse, KeyUses, unusedKey } from './key-uses.ts';
import { RateLimit } from './rate-limit.ts';
import { type ScopeSet, scopeSet } from './scopes.ts';

/** How long a key counts as good without asking again. */
const GOOD_MS = 10_000;
/** From this age on a good key is asked for again in the background, so that a busy one never waits. */
const REFRESH_MS = 5_000;
/** How long an unknown or revoked key is refused without asking again: short, as a new key should work soon. */
const BAD_MS = 2_000;
/** How long a good key outlives Postgres. */
const OUTAGE_MS = 300_000;
/**
 * After Postgres failed, how long good keys are taken without trying again: requests must not all wait for a dead
 * store.
 */
const FAILURE_PAUSE_MS = 1_000;
const GOOD_KEYS_MAX = 10_000;
const BAD_KEYS_MAX = 10_000;
/** Different keys a second that a client may be wrong about; each of them costs a look-up. */
const FAILED_KEYS_PER_SECOND_MAX = 20;

const NEVER = Number.NEGATIVE_INFINITY;

const BEARER = /^bearer {1,16}([\x21-\x7e]{1,512})$/i;
const CHALLENGE = { 'www-authenticate': 'Bearer realm="tallyline"' };

export interface Identity {
  readonly tenant: string;
  /** The key's id, which is no secret. */
  readonly keyId: string;
  /** Whether the key is of whoever runs this installation: it may see what concerns all tenants together. */
  readonly isOperator: boolean;
  /** What it may do: `requireScope` asks. */
  readonly scopes: ScopeSet;
  /** Whose it is limited to; null: it is the tenant's. */
  readonly customer: string | null;
}

export interface Keyring {
  /**
   * `address` is the client's. Throws an `Problem`: 401 without a known key or with an expired one, 403 for a revoked
   * one, 429 for a client that tried too many unknown ones, 503 when the key can't be looked up.
   */
  authenticate(authorizationHeader: string | undefined, address: string): Promise<Identity>;
}

/** A keyring that is told what changed. */
export interface KeyringCache extends Keyring {
  /**
   * This key (SHA-256 in hex) was changed, or null: any may have been. It is looked up again before it is taken again.
   */
  changed(keyHash: string | null): void;
  /** The keys that were used since it was asked before, for a while and within bounds. */
  takeUses(): readonly KeyUse[];
}

interface GoodKey {
  readonly identity: Identity;
  readonly confirmedAt: number;
  /** Infinity: never. */
  readonly expiresAt: number;
  readonly use: KeyUse;
}

/** Why a key is not taken. */
type Badness = 'unknown' | 'revoked' | 'expired';

interface BadKey {
  readonly why: Badness;
  readonly at: number;
}

type Answer = GoodKey | Badness;

/** A Map that forgets its oldest entry rather than grow past its bound. */
function remember<V>(entries: Map<string, V>, key: string, value: V, entriesMax: number): void {
  entries.delete(key);
  if (entries.size >= entriesMax) entries.delete(entries.keys().next().value!);
  entries.set(key, value);
}

const unauthenticated = (code: ProblemCode, detail: string): Problem =>
  new Problem(code, detail, { headers: CHALLENGE });

function refusal(why: Badness): Problem {
  switch (why) {
    case 'revoked':
      return new Problem('revoked_key', 'This API key was revoked. Use another one.');
    case 'expired':
      return unauthenticated('expired_key', 'This API key has expired. Use another one.');
    case 'unknown':
      return unauthenticated('unknown_key', 'No API key like this one exists. Check that it is complete.');
  }
}

const mistyped = (): Problem =>
  unauthenticated('malformed_key', 'This API key was mistyped or cut off: its end does not fit the rest.');

const tooManyFailures = (waitMs: number): Problem =>
  new Problem('rate_limited', 'Too many unknown API keys came from this address. Check the key, and wait.', {
    headers: retryAfter(waitMs / 1000),
  });

function notLookedUp(cause: unknown): Problem {
  const headers = retryAfter(1);
  return cause instanceof LookupsFull
    ? new Problem('overloaded', 'Too many unknown API keys are being looked up. Send the request again.', {
        headers,
        cause,
      })
    : new Problem('store_unavailable', 'The API key could not be looked up. Send the request again.', {
        headers,
        cause,
      });
}

function tokenOf(authorizationHeader: string | undefined): string {
  if (authorizationHeader === undefined) {
    throw unauthenticated('unauthenticated', 'Send "Authorization: Bearer <API key>".');
  }
  const token = BEARER.exec(authorizationHeader)?.[1];
  if (token === undefined) {
    throw unauthenticated('unauthenticated', 'The Authorization header is not "Bearer <API key>".');
  }
  return token;
}

const identityOf = ({ tenant, id, operator, scopes, customer }: KeyRow): Identity => ({
  ...{ tenant, keyId: id, isOperator: operator },
  ...{ scopes: scopeSet(scopes), customer },
});

function badnessOf(row: KeyRow | null): Badness | null {
  if (row === null) return 'unknown';
  if (row.revoked) return 'revoked';
  return row.expiresInMs !== null && row.expiresInMs <= 0 ? 'expired' : null;
}

/** `clock` in milliseconds since the epoch. */
export function createKeyring(pool: Pick<Pool, 'query'>, clock: () => number): KeyringCache {
  const good = new Map<string, GoodKey>();
  const bad = new Map<string, BadKey>();
  const lookups = new KeyLookups(pool);
  const failures = new RateLimit(FAILED_KEYS_PER_SECOND_MAX);
  const uses = new KeyUses();
  let failedAt = NEVER;
  let changes = 0;

  /** `keptFrom`: from when on it counts as asked. */
  function remembered(keyHash: string, row: KeyRow | null, askedAt: number, keptFrom: number): Answer {
    const why = badnessOf(row);
    if (why !== null) {
      good.delete(keyHash);
      remember(bad, keyHash, { why, at: keptFrom }, BAD_KEYS_MAX);
      return why;
    }
    const { id, expiresInMs } = row!;
    const known: GoodKey = {
      identity: identityOf(row!),
      confirmedAt: keptFrom,
      expiresAt: expiresInMs === null ? Number.POSITIVE_INFINITY : askedAt + expiresInMs,
      use: good.get(keyHash)?.use ?? unusedKey(id),
    };
    bad.delete(keyHash);
    remember(good, keyHash, known, GOOD_KEYS_MAX);
    return known;
  }

  /** Rejects as `KeyLookups.lookUp`. */
  async function lookUp(keyHash: string): Promise<Answer> {
    const askedAt = clock();
    const changesBefore = changes;
    let row: KeyRow | null;
    try {
      row = await lookups.lookUp(keyHash, good.has(keyHash));
    } catch (error) {
      if (!(error instanceof LookupsFull)) failedAt = clock();
      throw error;
    }
    // What a change overtook is an answer for those who asked before it, and nothing to keep.
    return remembered(keyHash, row, askedAt, changes === changesBefore ? askedAt : NEVER);
  }

  function taken({ identity, use }: GoodKey, now: number): Identity {
    uses.note(use, now);
    return identity;
  }

  async function authenticate(authorizationHeader: string | undefined, address: string): Promise<Identity> {
    const token = tokenOf(authorizationHeader);
    const keyHash = hash('sha256', token, 'hex');
    const now = clock();
    const remembered = good.get(keyHash);
    // Once its time is over it is like any other: no outage lets it go on.
    const known = remembered !== undefined && now < remembered.expiresAt ? remembered : undefined;
    if (known !== undefined && now - known.confirmedAt < GOOD_MS) {
      // A background refresh that fails changes nothing: the next request past GOOD_MS meets the failure itself.
      if (now - known.confirmedAt >= REFRESH_MS) lookUp(keyHash).catch(() => {});
      return taken(known, now);
    }
    const refused = bad.get(keyHash);
    if (refused !== undefined && now - refused.at < BAD_MS) throw refusal(refused.why);
    const outlives = known !== undefined && now - known.confirmedAt < OUTAGE_MS;
    if (outlives && now - failedAt < FAILURE_PAUSE_MS) return taken(known, now);
    if (remembered === undefined && isMistypedKey(token)) throw mistyped();
    const network = addressGroup(address);
    const waitMs = remembered === undefined ? failures.waitMs(network, now) : 0;
    if (waitMs > 0) throw tooManyFailures(waitMs);
    let answer: Answer;
    try {
      answer = await lookUp(keyHash);
    } catch (cause) {
      if (outlives) return taken(known, now);
      throw notLookedUp(cause);
    }
    if (typeof answer !== 'string') return taken(answer, now);
    if (answer === 'unknown') failures.take(network, now);
    throw refusal(answer);
  }

  return {
    authenticate,
    changed(keyHash) {
      changes++;
      for (const hash of keyHash === null ? good.keys() : [keyHash]) {
        const known = good.get(hash);
        if (known !== undefined) good.set(hash, { ...known, confirmedAt: NEVER });
      }
      if (keyHash === null) bad.clear();
      else bad.delete(keyHash);
    },
    takeUses: () => uses.take(),
  };
}
