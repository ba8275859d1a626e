// <data-dir>/accounts-key: what the names of customers are encrypted by, so that a new installation can be used at
// once. Without it they can't be read: it is to be backed up, and not beside the data.
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KEY_BYTES } from '../platform/account-store/vault.ts';
import type { Environment } from '../platform/settings/config.ts';

const FILE_NAME = 'accounts-key';
const NAME = 'TALLYLINE_ACCOUNTS_KEY';

const isSet = (environment: Environment): boolean => Boolean(environment[NAME] || environment[`${NAME}_FILE`]);

/** Makes the file (mode 600) where it is missing and no key is set. */
export function ensureAccountsKeyFile(dataDir: string, environment: Environment): void {
  if (isSet(environment)) return;
  try {
    const key = randomBytes(KEY_BYTES).toString('base64');
    writeFileSync(join(dataDir, FILE_NAME), `${key}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** The variable that names the file, where no key is set and the file is there. */
export function accountsKeyVariable(dataDir: string, environment: Environment): Environment {
  const file = join(dataDir, FILE_NAME);
  return isSet(environment) || !existsSync(file) ? {} : { [`${NAME}_FILE`]: file };
}
