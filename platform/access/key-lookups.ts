// Asks Postgres who has which API keys. One query runs at a time, for all keys that wait then, and keys that were good
// before come first: so however many strangers knock with made-up keys, they cost one connection, and a key that was
// revoked is found out at the next query. What waits is bounded.
import type { Pool } from 'pg';
import { withDeadline } from '../calls/deadline.ts';

/** A stored key. */
export interface KeyRow {
  readonly id: string;
  readonly tenant: string;
  readonly operator: boolean;
  readonly revoked: boolean;
  readonly scopes: readonly string[];
  readonly customer: string | null;
  /** From the answer on; 0 or less: it has expired. Null: it never does. */
  readonly expiresInMs: number | null;
}

/** More unknown keys wait than are looked up at once: that says nothing about Postgres. */
export class LookupsFull extends Error {
  constructor() {
    super(`${UNKNOWN_WAITING_MAX} other keys wait to be looked up`);
    this.name = 'LookupsFull';
  }
}

const KEYS_PER_QUERY_MAX = 256;
const UNKNOWN_WAITING_MAX = 1_024;

/** How long Postgres may take for an answer. */
const ANSWER_TIMEOUT_MS = 3_000;

const READ_KEYS = `
  SELECT encode(key_hash, 'hex') AS hash, id, tenant, operator, revoked_at IS NOT NULL AS revoked, scopes, customer,
    extract(epoch FROM expires_at - clock_timestamp())::float8 * 1000 AS "expiresInMs"
  FROM tallyline.api_keys WHERE key_hash = ANY($1)`;

interface Waiting {
  readonly answer: Promise<KeyRow | null>;
  readonly resolve: (row: KeyRow | null) => void;
  readonly reject: (error: unknown) => void;
}

function waiting(): Waiting {
  let settle: Omit<Waiting, 'answer'>;
  const answer = new Promise<KeyRow | null>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { answer, ...settle! };
}

export class KeyLookups {
  private readonly pool: Pick<Pool, 'query'>;
  private readonly known = new Map<string, Waiting>();
  private readonly unknown = new Map<string, Waiting>();
  /** Those of the query that runs. */
  private asked: ReadonlyMap<string, Waiting> = new Map();
  private isRunning = false;

  constructor(pool: Pick<Pool, 'query'>) {
    this.pool = pool;
  }

  /**
   * The key with this SHA-256 (hex), or null. Rejects with what Postgres failed with, or with `LookupsFull`; a key that
   * was good before (`isKnown`) never meets the latter.
   */
  lookUp(hash: string, isKnown: boolean): Promise<KeyRow | null> {
    const same = this.asked.get(hash) ?? this.known.get(hash) ?? this.unknown.get(hash);
    if (same !== undefined) return same.answer;
    const queue = isKnown ? this.known : this.unknown;
    if (!isKnown && queue.size >= UNKNOWN_WAITING_MAX) return Promise.reject(new LookupsFull());
    const added = waiting();
    queue.set(hash, added);
    if (!this.isRunning) void this.run();
    return added.answer;
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    // Keys of requests that arrived together go into one query.
    await Promise.resolve();
    for (this.asked = this.next(); this.asked.size > 0; this.asked = this.next()) {
      const { asked } = this;
      try {
        const rows = await this.read([...asked.keys()]);
        for (const [hash, { resolve }] of asked) resolve(rows.get(hash) ?? null);
      } catch (error) {
        for (const { reject } of asked.values()) reject(error);
      }
    }
    this.isRunning = false;
  }

  private next(): ReadonlyMap<string, Waiting> {
    const next = new Map<string, Waiting>();
    for (const queue of [this.known, this.unknown]) {
      for (const [hash, each] of queue) {
        if (next.size === KEYS_PER_QUERY_MAX) return next;
        next.set(hash, each);
        queue.delete(hash);
      }
    }
    return next;
  }

  private async read(hashes: readonly string[]): Promise<Map<string, KeyRow>> {
    const parameters = [hashes.map((hash) => Buffer.from(hash, 'hex'))];
    const query = this.pool.query<KeyRow & { readonly hash: string }>(READ_KEYS, parameters);
    const late = () => new Error(`Postgres gave no answer within ${ANSWER_TIMEOUT_MS} ms`);
    const { rows } = await withDeadline(query, ANSWER_TIMEOUT_MS, late);
    return new Map(rows.map(({ hash, ...row }) => [hash, row]));
  }
}
