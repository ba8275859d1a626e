// API keys on a real Postgres: what is stored of them, how they end and are replaced, and what the change log says.
import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import pino from 'pino';
import { Problem } from '../../domain/problem.ts';
import {
  createApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  storeApiKey,
} from '../../platform/access/api-key-store.ts';
import { newApiKey } from '../../platform/access/key-form.ts';
import { unusedKey } from '../../platform/access/key-uses.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import { openKeyring, writeKeyUses } from '../../platform/access/live-keyring.ts';
import { scopeNames } from '../../platform/access/scopes.ts';
import { migrate } from '../../platform/migrations/migrate.ts';
import { createPool } from '../../platform/postgres/pool.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { startTestPostgres, type TestPostgres } from '../support/processes/postgres.ts';
import { until } from '../support/until.ts';

const logger = pino({ level: 'silent' });
let postgres: TestPostgres;
let pool: pg.Pool;

/** Keys as a release of before made them: none of the columns that came with scopes. */
async function migrateToBefore(): Promise<void> {
  await pool.query('CREATE SCHEMA tallyline');
  const directory = projectFile('schemas/postgres');
  const names = (await readdir(directory)).filter((name) => name < '0010').sort();
  for (const name of names) await pool.query(await readFile(`${directory}/${name}`, 'utf8'));
  await pool.query(
    `INSERT INTO tallyline.api_keys (id, tenant, name, key_hash, created_at, revoked_at, operator) VALUES
       ('key_old', 'before', 'of before', sha256('old'), '2026-01-01T00:00:00.123456Z', NULL, true),
       ('key_gone', 'before', '', sha256('gone'), '2026-01-02T00:00:00Z', '2026-02-01T00:00:00.987654Z', false)`,
  );
  await pool.query(await readFile(`${directory}/0010_access.sql`, 'utf8'));
  await pool.query(
    `CREATE TABLE tallyline.schema_migrations (store text NOT NULL, name text NOT NULL, checksum bytea NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (store, name))`,
  );
  for (const name of [...names, '0010_access.sql']) {
    await pool.query(
      "INSERT INTO tallyline.schema_migrations (store, name, checksum) VALUES ('postgres', $1, sha256($2))",
      [name, await readFile(`${directory}/${name}`)],
    );
  }
  await migrate(pool, null, logger);
}

beforeAll(async () => {
  postgres = await startTestPostgres();
  pool = createPool(postgres.url, logger);
  await migrateToBefore();
}, 300_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.stop();
});

const author = (tenant: string) => ({ tenant, actor: 'cli:somebody' });
const changesOf = async (id: string) => {
  const { rows } = await pool.query(
    `SELECT version, actor, reason, recorded_at AS at, after FROM tallyline.account_changes
     WHERE kind = 'key' AND id = $1 ORDER BY version`,
    [id],
  );
  return rows;
};
const stored = async (id: string) => (await listApiKeys(pool, null)).find((key) => key.id === id)!;
const codeOf = (key: string): Promise<string> =>
  createKeyring(pool, Date.now)
    .authenticate(`Bearer ${key}`, '192.0.2.1')
    .then(
      ({ tenant }) => tenant,
      (error: unknown) => (error instanceof Problem ? error.code : String(error)),
    );

describe('keys of before', () => {
  it('go on: they send events and read', async () => {
    expect(await createKeyring(pool, Date.now).authenticate('Bearer old', '192.0.2.1')).toMatchObject({
      ...{ tenant: 'before', keyId: 'key_old', isOperator: true, customer: null },
    });
    expect(await codeOf('gone')).toBe('revoked_key');
    expect(await stored('key_old')).toMatchObject({ scopes: ['ingest', 'read'], prefix: null, expiresAt: null });
  });

  it('have their beginning and their end in the change log', async () => {
    const [made, revoked] = await changesOf('key_gone');
    expect(made).toMatchObject({ version: 1, actor: 'cli:unknown', at: new Date('2026-01-02T00:00:00Z') });
    expect(made.after).toMatchObject({ scopes: ['ingest', 'read'], revokedAt: null });
    const endedAt = new Date('2026-02-01T00:00:00.987Z');
    expect(revoked).toMatchObject({ version: 2, at: endedAt, after: { ...made.after, revokedAt: endedAt.getTime() } });
    expect(await changesOf('key_old')).toHaveLength(1);
    // The next change is the next version.
    await revokeApiKey(pool, 'cli:somebody', 'key_old', 'leaked');
    expect((await changesOf('key_old')).map(({ version, reason }) => [version, reason])).toEqual([
      [1, 'before changes of keys were recorded'],
      [2, 'leaked'],
    ]);
  });
});

describe('a key', () => {
  it('is stored as a hash, and each change of it is recorded once', async () => {
    const expiresAt = new Date(Date.now() + 86_400_000);
    const rights = { scopes: ['read', 'ingest'], customer: 'cus_1', expiresAt } as const;
    const { id, key } = await createApiKey(pool, author('acme'), 'for cus_1', rights);
    await revokeApiKey(pool, 'cli:other', id);
    await revokeApiKey(pool, 'cli:other', id);
    const [made, revoked, ...more] = await changesOf(id);
    expect(more).toEqual([]);
    expect(made).toMatchObject({ version: 1, actor: 'cli:somebody', reason: null });
    expect(made.after).toEqual({
      ...{ name: 'for cus_1', prefix: key.slice(3, 11), scopes: ['ingest', 'read'], customer: 'cus_1' },
      ...{ operator: false, expiresAt: expiresAt.getTime(), revokedAt: null, replacedBy: null },
    });
    const { revokedAt } = await stored(id);
    expect(revoked).toMatchObject({ version: 2, actor: 'cli:other' });
    expect(revoked.after).toEqual({ ...made.after, revokedAt: revokedAt!.getTime() });
    const { rows } = await pool.query(
      'SELECT t::text AS row FROM tallyline.api_keys t UNION ALL SELECT t::text FROM tallyline.account_changes t',
    );
    for (const { row } of rows) expect(row).not.toContain(key.slice(12));
  });

  it('that is stored again gains rights, and loses none', async () => {
    const key = newApiKey();
    const id = await storeApiKey(pool, key, author('default'), 'of up');
    expect(await storeApiKey(pool, key, author('default'), 'of up', { scopes: ['read'] })).toBe(id);
    expect(await changesOf(id)).toHaveLength(1);
    await storeApiKey(pool, key, author('default'), 'of up', { scopes: scopeNames, operator: true });
    expect(await stored(id)).toMatchObject({ scopes: ['ingest', 'read', 'manage', 'admin'], isOperator: true });
    expect((await changesOf(id)).map(({ after }) => after.operator)).toEqual([false, true]);
  });

  it.each([
    [{ scopes: ['manage'], customer: 'cus_1' }, 'scope manage'],
    [{ scopes: ['read', 'admin'], customer: 'cus_1' }, 'scope admin'],
    [{ operator: true, customer: 'cus_1' }, "operator's key"],
    [{ scopes: [] }, 'needs a scope'],
    [{ customer: '' }, 'not be empty'],
  ] as const)('can not have the rights %j', async (rights, words) => {
    await expect(createApiKey(pool, author('acme'), '', rights)).rejects.toThrow(words);
  });

  it('of a customer that could do more is refused by Postgres too', async () => {
    const { id } = await createApiKey(pool, author('acme'), '', { customer: 'cus_1' });
    const widen = pool.query("UPDATE tallyline.api_keys SET scopes = '{manage}' WHERE id = $1", [id]);
    await expect(widen).rejects.toThrow('api_keys_of_customers');
  });

  it('expires', async () => {
    const { key, id } = await createApiKey(pool, author('acme'), '', { expiresAt: new Date(Date.now() - 1) });
    expect(await codeOf(key)).toBe('expired_key');
    expect(await stored(id)).toMatchObject({ isExpired: true, revokedAt: null });
  });
});

describe('rotation', () => {
  const rights = { scopes: ['read'], customer: 'cus_1' } as const;

  it('makes a key with the same rights, and ends the old one after the overlap', async () => {
    const old = await createApiKey(pool, author('acme'), 'reports', rights);
    const before = Date.now();
    const made = (await rotateApiKey(pool, 'cli:other', old.id, { overlapMs: 3_600_000 }))!;
    expect(await Promise.all([codeOf(old.key), codeOf(made.key)])).toEqual(['acme', 'acme']);
    const { expiresAt, replacedBy } = await stored(old.id);
    expect(replacedBy).toBe(made.id);
    expect(expiresAt!.getTime()).toBeGreaterThanOrEqual(before + 3_600_000 - 1_000);
    expect(expiresAt!.getTime()).toBeLessThan(Date.now() + 3_601_000);
    expect(await stored(made.id)).toMatchObject({ name: 'reports', ...rights, expiresAt: null, replacedBy: null });
    const [, ended] = await changesOf(old.id);
    expect(ended).toMatchObject({ version: 2, actor: 'cli:other', reason: 'rotated', after: { replacedBy: made.id } });
    expect(ended.after.expiresAt).toBe(expiresAt!.getTime());
    expect(await changesOf(made.id)).toHaveLength(1);
  });

  it('without an overlap ends the old one at once', async () => {
    const old = await createApiKey(pool, author('acme'), '');
    const made = (await rotateApiKey(pool, 'cli:other', old.id, { overlapMs: 0 }))!;
    expect(await Promise.all([codeOf(old.key), codeOf(made.key)])).toEqual(['expired_key', 'acme']);
  });

  it('never lets a key live longer than it was to', async () => {
    const expiresAt = new Date(Date.now() + 60_000);
    const old = await createApiKey(pool, author('acme'), '', { expiresAt });
    const made = (await rotateApiKey(pool, 'cli:other', old.id, { overlapMs: 3_600_000 }))!;
    expect((await stored(old.id)).expiresAt).toEqual(expiresAt);
    // And the new one as long as that was to live.
    expect((await stored(made.id)).expiresAt!.getTime()).toBeGreaterThanOrEqual(expiresAt.getTime());
  });

  it('is refused for a key that has ended or was replaced, and makes none then', async () => {
    const revoked = await createApiKey(pool, author('acme'), '');
    await revokeApiKey(pool, 'cli:other', revoked.id);
    const replaced = await createApiKey(pool, author('acme'), '');
    await rotateApiKey(pool, 'cli:other', replaced.id, { overlapMs: 1_000_000 });
    const expired = await createApiKey(pool, author('acme'), '', { expiresAt: new Date(Date.now() - 1) });
    const before = (await listApiKeys(pool, 'acme')).length;
    const rotate = (id: string) => rotateApiKey(pool, 'cli:other', id, { overlapMs: 0 });
    await expect(rotate(revoked.id)).rejects.toThrow('it was revoked');
    await expect(rotate(replaced.id)).rejects.toThrow('takes its place already');
    await expect(rotate(expired.id)).rejects.toThrow('it has expired');
    expect(await rotate('key_none')).toBe(null);
    expect(await listApiKeys(pool, 'acme')).toHaveLength(before);
  });
});

describe('the last use of a key', () => {
  it('is written beside the requests, and once for many', async () => {
    const { id, key } = await createApiKey(pool, author('used'), '');
    const { id: unused } = await createApiKey(pool, author('used'), '');
    const keyring = openKeyring(postgres.url, Date.now, logger, { writeIntervalMs: 20 });
    try {
      for (let i = 0; i < 50; i++) await keyring.authenticate(`Bearer ${key}`, '192.0.2.1');
      await until(async () => (await stored(id)).lastUsedAt !== null, 'the use is written');
      expect(Math.abs((await stored(id)).lastUsedAt!.getTime() - Date.now())).toBeLessThan(10_000);
      expect((await stored(unused)).lastUsedAt).toBe(null);
    } finally {
      await keyring.close();
    }
    // It is no change of the key.
    expect(await changesOf(id)).toHaveLength(1);
  });

  it('is written when the process ends', async () => {
    const { id, key } = await createApiKey(pool, author('used'), '');
    const keyring = openKeyring(postgres.url, Date.now, logger);
    await keyring.authenticate(`Bearer ${key}`, '192.0.2.1');
    await keyring.close();
    expect((await stored(id)).lastUsedAt).not.toBe(null);
  });

  it('is written no more often than every minute, never goes back, and waits for nobody', async () => {
    const { id } = await createApiKey(pool, author('used'), '');
    const { id: locked } = await createApiKey(pool, author('used'), '');
    const now = Date.now();
    const usedAgo = (key: string, ms: number) => writeKeyUses(pool, [{ ...unusedKey(key), at: now - ms }], now);
    await usedAgo(id, 100_000);
    const first = (await stored(id)).lastUsedAt!;
    for (const ms of [200_000, 100_000, 90_000]) await usedAgo(id, ms);
    expect((await stored(id)).lastUsedAt).toEqual(first);
    await usedAgo(id, 10_000);
    expect((await stored(id)).lastUsedAt!.getTime() - first.getTime()).toBeGreaterThan(60_000);
    const other = await pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM tallyline.api_keys WHERE id = $1 FOR UPDATE', [locked]);
      await usedAgo(locked, 0);
      expect((await stored(locked)).lastUsedAt).toBe(null);
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  it('tells no gateway to look the key up again', async () => {
    const { id } = await createApiKey(pool, author('used'), '');
    const listener = await pool.connect();
    const told: string[] = [];
    try {
      listener.on('notification', ({ payload }) => told.push(payload!));
      await listener.query('LISTEN tallyline_api_keys');
      await writeKeyUses(pool, [{ ...unusedKey(id), at: 0 }], 0);
      await pool.query('UPDATE tallyline.api_keys SET expires_at = now() WHERE id = $1', [id]);
      await until(() => told.length > 0, 'the end is told');
      expect(told).toHaveLength(1);
    } finally {
      listener.release(true);
    }
  });
});
