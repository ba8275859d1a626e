import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { Problem } from '../../domain/problem.ts';
import { newApiKey } from './key-form.ts';
import { createKeyring, type Keyring } from './keyring.ts';
import { scopeSet } from './scopes.ts';

interface StoredKey {
  readonly id: string;
  readonly tenant: string;
  readonly operator: boolean;
  revoked: boolean;
  readonly scopes: readonly string[];
  readonly customer: string | null;
  /** Milliseconds since the epoch; null: never. */
  expiresAt: number | null;
}

const ADDRESS = '192.0.2.1';

/** Postgres as the keyring sees it: rows by SHA-256, and a switch for being away. */
function setUp() {
  const rows = new Map<string, StoredKey>();
  const time = { now: 1_000_000 };
  const store = { queries: 0, asked: [] as number[], away: false, gate: Promise.resolve() };
  const pool = {
    query: async (_sql: string, [hashes]: [Buffer[]]) => {
      store.queries++;
      store.asked.push(hashes.length);
      await store.gate;
      if (store.away) throw new Error('connection refused');
      return {
        rows: hashes.flatMap((bytes) => {
          const hash = bytes.toString('hex');
          const row = rows.get(hash);
          if (row === undefined) return [];
          const { expiresAt, ...stored } = row;
          return [{ hash, ...stored, expiresInMs: expiresAt === null ? null : expiresAt - time.now }];
        }),
      };
    },
  } as unknown as Pool;
  const add = (key: string, tenant: string, given: Partial<StoredKey> = {}): StoredKey => {
    const row: StoredKey = {
      ...{ id: `id-of-${key}`, tenant, operator: false, revoked: false },
      ...{ scopes: ['ingest', 'read'], customer: null, expiresAt: null },
      ...given,
    };
    rows.set(hashOf(key), row);
    return row;
  };
  return { rows, time, store, add, keyring: createKeyring(pool, () => time.now) };
}

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

const statusOf = (keyring: Keyring, header: string | undefined, address = ADDRESS): Promise<string> =>
  keyring.authenticate(header, address).then(
    ({ tenant }) => tenant,
    (error: unknown) => (error instanceof Problem ? `${error.status} ${error.code}` : String(error)),
  );

describe('authenticate', () => {
  it('gives the tenant, the id and the rights of a key', async () => {
    const { keyring, add } = setUp();
    add('k1', 'acme');
    add('k2', 'globex', { operator: true, scopes: ['read', 'of-a-later-release'], customer: 'cus_1' });
    expect(await keyring.authenticate('Bearer k1', ADDRESS)).toEqual({
      ...{ tenant: 'acme', keyId: 'id-of-k1', isOperator: false },
      ...{ scopes: scopeSet(['ingest', 'read']), customer: null },
    });
    expect(await keyring.authenticate('bearer  k2', ADDRESS)).toEqual({
      ...{ tenant: 'globex', keyId: 'id-of-k2', isOperator: true },
      ...{ scopes: scopeSet(['read']), customer: 'cus_1' },
    });
  });

  it('tells a mistyped key from an unknown one without asking Postgres', async () => {
    const { keyring, add, store } = setUp();
    const key = newApiKey();
    add(key, 'acme');
    const mistyped = key.slice(0, 20) + (key[20] === 'x' ? 'y' : 'x') + key.slice(21);
    for (const wrong of [mistyped, key.slice(0, -1), `${key}0`, 'tl_', 'tl_production']) {
      expect(await statusOf(keyring, `Bearer ${wrong}`)).toBe('401 malformed_key');
    }
    expect(store.queries).toBe(0);
    expect(await statusOf(keyring, `Bearer ${newApiKey()}`)).toBe('401 unknown_key');
    expect(await statusOf(keyring, `Bearer ${key}`)).toBe('acme');
  });

  it('takes keys of the form that they had before', async () => {
    const { keyring, add } = setUp();
    const key = `tl_${Buffer.alloc(32, 250).toString('base64url')}`;
    add(key, 'acme');
    expect(await statusOf(keyring, `Bearer ${key}`)).toBe('acme');
  });

  it('lets a key die at the instant at which it expires, without asking Postgres again', async () => {
    const { keyring, add, time, store } = setUp();
    add('k1', 'acme', { expiresAt: time.now + 3_000 });
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    time.now += 2_999;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(store.queries).toBe(1);
    time.now += 1;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('401 expired_key');
    expect(await statusOf(keyring, 'Bearer k1')).toBe('401 expired_key');
    expect(store.queries).toBe(2);
  });

  it('says which keys were used, each once, and when they were last', async () => {
    const { keyring, add, time } = setUp();
    add('k1', 'acme');
    add('k2', 'acme', { revoked: true });
    await statusOf(keyring, 'Bearer k1');
    await statusOf(keyring, 'Bearer k2');
    time.now += 1_000;
    // Whatever is looked up again in between.
    keyring.changed(null);
    await statusOf(keyring, 'Bearer k1');
    expect(keyring.takeUses()).toEqual([expect.objectContaining({ keyId: 'id-of-k1', at: time.now })]);
    expect(keyring.takeUses()).toEqual([]);
    await statusOf(keyring, 'Bearer k1');
    expect(keyring.takeUses()).toHaveLength(1);
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'k1',
    'Basic azE6',
    'Bearer k1 k2',
    'Bearer ké',
    `Bearer ${'k'.repeat(513)}`,
  ])('refuses the header %j without asking Postgres', async (header) => {
    const { keyring, add, store } = setUp();
    add('k1', 'acme');
    expect(await statusOf(keyring, header)).toBe('401 unauthenticated');
    expect(store.queries).toBe(0);
  });

  it('refuses a key that is not known, and takes it soon after it is made', async () => {
    const { keyring, add, time } = setUp();
    expect(await statusOf(keyring, 'Bearer k1')).toBe('401 unknown_key');
    add('k1', 'acme');
    time.now += 2_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
  });

  it('lets a revoked key die within ten seconds, however busy it is', async () => {
    const { keyring, add, time } = setUp();
    const row = add('k1', 'acme');
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    row.revoked = true;
    for (let second = 0; second < 10; second++) {
      await statusOf(keyring, 'Bearer k1');
      time.now += 1_000;
    }
    expect(await statusOf(keyring, 'Bearer k1')).toBe('403 revoked_key');
  });

  it('asks Postgres rarely for a busy key', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    for (let request = 0; request < 1_000; request++) {
      expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
      time.now += 10;
    }
    expect(store.queries).toBeLessThanOrEqual(3);
  });

  it('asks once for many requests of a new key', async () => {
    const { keyring, add, store } = setUp();
    add('k1', 'acme');
    await Promise.all(Array.from({ length: 100 }, () => keyring.authenticate('Bearer k1', ADDRESS)));
    expect(store.queries).toBe(1);
  });

  it('takes a key that was revoked for good no longer than it takes to be told', async () => {
    const { keyring, add } = setUp();
    const row = add('k1', 'acme');
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    row.revoked = true;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    keyring.changed(hashOf('k1'));
    expect(await statusOf(keyring, 'Bearer k1')).toBe('403 revoked_key');
  });

  it.each([
    ['that key', hashOf('k1')],
    ['any key', null],
  ])('keeps no answer that a change of %s overtook', async (_, changed) => {
    const { keyring, add, store } = setUp();
    const row = add('k1', 'acme');
    let open = (): void => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    const before = statusOf(keyring, 'Bearer k1');
    keyring.changed(changed);
    open();
    expect(await before).toBe('acme');
    row.revoked = true;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('403 revoked_key');
  });

  it('takes a key at once that was made after it was refused', async () => {
    const { keyring, add } = setUp();
    expect(await statusOf(keyring, 'Bearer k1')).toBe('401 unknown_key');
    add('k1', 'acme');
    keyring.changed(hashOf('k1'));
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
  });
});

describe('while strangers knock', () => {
  /** Made-up keys, each from an address of its own, that wait for Postgres until `open` is called. */
  async function flooded(keys: number) {
    const parts = setUp();
    const { keyring, store } = parts;
    let open = (): void => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    const answers = Array.from({ length: keys }, (_, index) =>
      statusOf(keyring, `Bearer made-up-${index}`, `198.51.${index >> 8}.${index & 255}`),
    );
    return { ...parts, answers, open };
  }

  it('asks for many keys in one query, and for none beyond a bound', async () => {
    const { store, answers, open } = await flooded(2_000);
    open();
    const statuses = await Promise.all(answers);
    expect(store.asked).toEqual([256, 256, 256, 256]);
    expect(statuses.filter((status) => status === '401 unknown_key')).toHaveLength(1_024);
    expect(statuses.filter((status) => status === '503 overloaded')).toHaveLength(976);
  });

  it('refuses a revoked key: that too many wait is no outage of Postgres', async () => {
    const { keyring, add, time, store } = setUp();
    const row = add('k1', 'acme');
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    row.revoked = true;
    let open = (): void => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    time.now += 10_000;
    const strangers = Array.from({ length: 2_000 }, (_, i) =>
      statusOf(keyring, `Bearer made-up-${i}`, `2001:db8:${i}::1`),
    );
    const answer = statusOf(keyring, 'Bearer k1');
    open();
    expect(await answer).toBe('403 revoked_key');
    await Promise.all(strangers);
  });

  it('asks first for keys that were good', async () => {
    const { keyring, add, time, store } = setUp();
    add('k1', 'acme');
    await statusOf(keyring, 'Bearer k1');
    time.now += 10_000;
    const settled: string[] = [];
    const note = (what: string) => () => settled.push(what);
    // The first query is under way, and a thousand strangers wait for the next ones.
    const strangers = Array.from({ length: 1_000 }, (_, i) =>
      statusOf(keyring, `Bearer made-up-${i}`, `2001:db8:${i}::1`).then(note('stranger')),
    );
    await statusOf(keyring, 'Bearer k1').then(note('k1'));
    expect(settled.length).toBeLessThanOrEqual(256);
    await Promise.all(strangers);
    expect(store.asked[1]).toBe(256);
  });

  it('looks up no more made-up keys of one client than it may be wrong about', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    await statusOf(keyring, 'Bearer k1');
    store.queries = 0;
    const statuses: string[] = [];
    for (let i = 0; i < 100; i++) statuses.push(await statusOf(keyring, `Bearer made-up-${i}`));
    expect(store.queries).toBe(20);
    expect(statuses.slice(20)).toEqual(Array<string>(80).fill('429 rate_limited'));
    // Whoever was known goes on, and so does every other address.
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(await statusOf(keyring, 'Bearer made-up', '192.0.2.2')).toBe('401 unknown_key');
    time.now += 1_000;
    expect(await statusOf(keyring, 'Bearer made-up-99')).toBe('401 unknown_key');
  });
});

describe('while Postgres is away', () => {
  it('a key that was good goes on for five minutes, and no other does', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    add('k2', 'globex');
    await keyring.authenticate('Bearer k1', ADDRESS);
    store.away = true;
    time.now += 60_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(await statusOf(keyring, 'Bearer k2')).toBe('503 store_unavailable');
    time.now += 240_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('503 store_unavailable');
    store.away = false;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
  });

  it('a key does not outlive the instant at which it expires', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme', { expiresAt: time.now + 60_000 });
    await keyring.authenticate('Bearer k1', ADDRESS);
    store.away = true;
    time.now += 59_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    time.now += 1_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('503 store_unavailable');
  });

  it('requests do not all ask again', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    await keyring.authenticate('Bearer k1', ADDRESS);
    store.away = true;
    time.now += 20_000;
    for (let request = 0; request < 50; request++) expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(store.queries).toBe(2);
  });
});
