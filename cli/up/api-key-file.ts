// <data-dir>/api-key: a key of the tenant "default", so that a new installation can be used at once. Whoever
// can read the file runs the installation, so the key has all scopes and is an operator's.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { storeApiKey } from '../../platform/access/api-key-store.ts';
import { isWholeKey, newApiKey } from '../../platform/access/key-form.ts';
import { scopeNames } from '../../platform/access/scopes.ts';
import { commandActor } from '../command-context.ts';

const DEFAULT_TENANT = 'default';

/** Makes the file (mode 600) where it is missing, and sees to it that Postgres knows its key. */
export async function ensureApiKeyFile(dataDir: string, pool: pg.Pool): Promise<void> {
  const file = join(dataDir, 'api-key');
  try {
    writeFileSync(file, `${newApiKey()}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = readFileSync(file, 'utf8').trim();
  if (!isWholeKey(key)) throw new Error(`${file} holds no API key: remove it, and a new one is made`);
  const author = { tenant: DEFAULT_TENANT, actor: commandActor() };
  await storeApiKey(pool, key, author, 'made by tallyline up', { scopes: scopeNames, operator: true });
}
