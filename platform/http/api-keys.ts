// Who is asking: the tenant of an API key. Keys are stored as SHA-256, and looked up by that hash, so that neither a leaked
// table nor the time of a comparison gives a key away.
//
// An answer of Postgres is kept for a few seconds, so that a busy key costs no query and a revoked one still dies soon. Every
// cache here is bounded. While Postgres is away, a key that was good goes on for a while: nobody can revoke it meanwhile.
import { hash } from 'node:crypto';
import type { Pool } from 'pg';
import { HttpProblem, retryAfter } from './problem.ts';

/** How long a key counts as good without asking again. */
const GOOD_MS = 10_000;
/** From this age on a good key is asked for again in the background, so that a busy one never waits. */
const REFRESH_MS = 5_000;
/** How long an unknown or revoked key is refused without asking again: short, as a new key should work soon. */
const BAD_MS = 2_000;
/** How long a good key outlives Postgres. */
const OUTAGE_MS = 300_000;
/** After a failed look-up, how long good keys are taken without trying again: requests must not all wait for a dead store. */
const FAILURE_PAUSE_MS = 1_000;
/** How long a request waits for Postgres. */
const LOOKUP_TIMEOUT_MS = 3_000;
const GOOD_KEYS_MAX = 10_000;
const BAD_KEYS_MAX = 10_000;
/** Different keys being looked up at once; more are refused, so that a flood of made-up keys can't fill the pool's queue. */
const LOOKUPS_MAX = 128;

const BEARER = /^bearer +([\x21-\x7e]{1,512})$/i;
const CHALLENGE = { 'www-authenticate': 'Bearer realm="tallyline"' };

export interface Identity {
  readonly tenant: string;
  /** The key's id, which is no secret. */
  readonly keyId: string;
}

export interface Keyring {
  /** Throws an `HttpProblem`: 401 without a known key, 403 for a revoked one, 503 when it can't be looked up. */
  authenticate(authorizationHeader: string | undefined): Promise<Identity>;
}

interface GoodKey {
  readonly identity: Identity;
  readonly confirmedAt: number;
}

interface BadKey {
  readonly revoked: boolean;
  readonly at: number;
}

type Answer = Identity | 'unknown' | 'revoked';

/** A Map that forgets its oldest entry rather than grow past its bound. */
function remember<V>(entries: Map<string, V>, key: string, value: V, entriesMax: number): void {
  entries.delete(key);
  if (entries.size >= entriesMax) entries.delete(entries.keys().next().value!);
  entries.set(key, value);
}

const refusal = (revoked: boolean): HttpProblem =>
  revoked
    ? new HttpProblem('revoked_key', 'This API key was revoked. Use another one.')
    : new HttpProblem('unknown_key', 'No API key like this one exists. Check that it is complete.', {
        headers: CHALLENGE,
      });

function before<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(timer));
}

/** `clock` in milliseconds since the epoch. */
export function createKeyring(pool: Pick<Pool, 'query'>, clock: () => number): Keyring {
  const good = new Map<string, GoodKey>();
  const bad = new Map<string, BadKey>();
  const lookups = new Map<string, Promise<Answer>>();
  let failedAt = Number.NEGATIVE_INFINITY;

  async function readKey(keyHash: string): Promise<Answer> {
    const askedAt = clock();
    const { rows } = await pool.query<{ id: string; tenant: string; revoked: boolean }>(
      'SELECT id, tenant, revoked_at IS NOT NULL AS revoked FROM tallyline.api_keys WHERE key_hash = $1',
      [Buffer.from(keyHash, 'hex')],
    );
    const row = rows[0];
    if (row === undefined || row.revoked) {
      good.delete(keyHash);
      remember(bad, keyHash, { revoked: row !== undefined, at: askedAt }, BAD_KEYS_MAX);
      return row === undefined ? 'unknown' : 'revoked';
    }
    const identity = { tenant: row.tenant, keyId: row.id };
    bad.delete(keyHash);
    remember(good, keyHash, { identity, confirmedAt: askedAt }, GOOD_KEYS_MAX);
    return identity;
  }

  /** One query a key at a time, however many requests wait for it. */
  function lookUp(keyHash: string): Promise<Answer> {
    const running = lookups.get(keyHash);
    if (running !== undefined) return running;
    if (lookups.size >= LOOKUPS_MAX) {
      return Promise.reject(new Error(`${LOOKUPS_MAX} other keys are being looked up`));
    }
    const lookup = readKey(keyHash).finally(() => lookups.delete(keyHash));
    lookups.set(keyHash, lookup);
    return lookup;
  }

  async function authenticate(authorizationHeader: string | undefined): Promise<Identity> {
    if (authorizationHeader === undefined) {
      throw new HttpProblem('unauthenticated', 'Send "Authorization: Bearer <API key>".', { headers: CHALLENGE });
    }
    const token = BEARER.exec(authorizationHeader)?.[1];
    if (token === undefined) {
      throw new HttpProblem('unauthenticated', 'The Authorization header is not "Bearer <API key>".', {
        headers: CHALLENGE,
      });
    }
    const keyHash = hash('sha256', token, 'hex');
    const now = clock();
    const known = good.get(keyHash);
    if (known !== undefined && now - known.confirmedAt < GOOD_MS) {
      // A background refresh that fails changes nothing: the next request past GOOD_MS meets the failure itself.
      if (now - known.confirmedAt >= REFRESH_MS) lookUp(keyHash).catch(() => {});
      return known.identity;
    }
    const refused = bad.get(keyHash);
    if (refused !== undefined && now - refused.at < BAD_MS) throw refusal(refused.revoked);

    const outlives = known !== undefined && now - known.confirmedAt < OUTAGE_MS;
    if (outlives && now - failedAt < FAILURE_PAUSE_MS) return known.identity;
    let answer: Answer;
    try {
      answer = await before(lookUp(keyHash), LOOKUP_TIMEOUT_MS);
    } catch (cause) {
      failedAt = clock();
      if (outlives) return known.identity;
      throw new HttpProblem('store_unavailable', 'The API key could not be looked up. Send the request again.', {
        headers: retryAfter(1),
        cause,
      });
    }
    if (typeof answer === 'string') throw refusal(answer === 'revoked');
    return answer;
  }

  return { authenticate };
}
