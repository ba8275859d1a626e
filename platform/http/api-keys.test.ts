import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createKeyring, type Keyring } from './api-keys.ts';
import { HttpProblem } from './problem.ts';

interface StoredKey {
  readonly id: string;
  readonly tenant: string;
  revoked: boolean;
}

/** Postgres as the keyring sees it: rows by SHA-256, and a switch for being away. */
function setUp() {
  const rows = new Map<string, StoredKey>();
  const time = { now: 1_000_000 };
  const store = { queries: 0, away: false, gate: Promise.resolve() };
  const pool = {
    query: async (_sql: string, [keyHash]: [Buffer]) => {
      store.queries++;
      await store.gate;
      if (store.away) throw new Error('connection refused');
      const row = rows.get(keyHash.toString('hex'));
      return { rows: row === undefined ? [] : [row] };
    },
  } as unknown as Pool;
  const add = (key: string, tenant: string): StoredKey => {
    const row = { id: `id-of-${key}`, tenant, revoked: false };
    rows.set(createHash('sha256').update(key).digest('hex'), row);
    return row;
  };
  return { rows, time, store, add, keyring: createKeyring(pool, () => time.now) };
}

const statusOf = (keyring: Keyring, header: string | undefined): Promise<string> =>
  keyring.authenticate(header).then(
    ({ tenant }) => tenant,
    (error: unknown) => (error instanceof HttpProblem ? `${error.status} ${error.code}` : String(error)),
  );

describe('authenticate', () => {
  it('gives the tenant and the id of a key', async () => {
    const { keyring, add } = setUp();
    add('k1', 'acme');
    add('k2', 'globex');
    expect(await keyring.authenticate('Bearer k1')).toEqual({ tenant: 'acme', keyId: 'id-of-k1' });
    expect(await keyring.authenticate('bearer  k2')).toEqual({ tenant: 'globex', keyId: 'id-of-k2' });
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
    await Promise.all(Array.from({ length: 100 }, () => keyring.authenticate('Bearer k1')));
    expect(store.queries).toBe(1);
  });

  it('bounds the look-ups of made-up keys', async () => {
    const { keyring, store } = setUp();
    let open = (): void => {};
    store.gate = new Promise((resolve) => {
      open = resolve;
    });
    const flood = Array.from({ length: 200 }, (_, index) => statusOf(keyring, `Bearer made-up-${index}`));
    open();
    const answers = await Promise.all(flood);
    expect(store.queries).toBe(128);
    expect(answers.filter((answer) => answer === '503 store_unavailable')).toHaveLength(72);
  });
});

describe('while Postgres is away', () => {
  it('a key that was good goes on for five minutes, and no other does', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    add('k2', 'globex');
    await keyring.authenticate('Bearer k1');
    store.away = true;
    time.now += 60_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(await statusOf(keyring, 'Bearer k2')).toBe('503 store_unavailable');
    time.now += 240_000;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('503 store_unavailable');
    store.away = false;
    expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
  });

  it('requests do not all ask again', async () => {
    const { keyring, add, store, time } = setUp();
    add('k1', 'acme');
    await keyring.authenticate('Bearer k1');
    store.away = true;
    time.now += 20_000;
    for (let request = 0; request < 50; request++) expect(await statusOf(keyring, 'Bearer k1')).toBe('acme');
    expect(store.queries).toBe(2);
  });
});
