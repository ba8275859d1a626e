// `tallyline import`: the rows of two files, customers and then their subscriptions, into accounts.
import { createReadStream } from 'node:fs';
import pino from 'pino';
import { importedCustomers } from '../../accounts/bulk/import-customers.ts';
import { importRows } from '../../accounts/bulk/import-rows.ts';
import { importedSubscriptions } from '../../accounts/bulk/import-subscriptions.ts';
import { rowsOfFile } from '../../accounts/bulk/row-file.ts';
import { catalogsNow } from '../../accounts/catalog-now.ts';
import { customerForm } from '../../accounts/core/customer-rows.ts';
import { subscriptionForm } from '../../accounts/core/subscriptions/subscription-rows.ts';
import { openPool } from '../../cli/stores.ts';
import { Vault } from '../../platform/account-store/vault.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { TENANT } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface ImportInput {
  readonly environment: Readonly<Record<string, string>>;
  /** NDJSON. */
  readonly customersFile: string;
  readonly subscriptionsFile: string;
}

export interface ImportOutput {
  readonly customers: number;
  readonly customersSeconds: number;
  readonly subscriptions: number;
  readonly subscriptionsSeconds: number;
  readonly residentBytes: number;
}

const logger = pino({ level: 'warn' }, pino.destination(2));
const author = { tenant: TENANT, actor: 'cli:bench' };

await runAsProgram<ImportInput, ImportOutput>(async ({ environment, customersFile, subscriptionsFile }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench import');
  const vault = new Vault(settings.accounts.keys!);
  const catalogs = await catalogsNow()(pool, author.tenant);
  const parts = {
    ...{ pool, tenant: TENANT, onProgress: () => {} },
    onRefused: (line: number, why: string): never => {
      throw new Error(`line ${line} was refused: ${why}`);
    },
  };
  return {
    async work() {
      const customers = rowsOfFile('ndjson', createReadStream(customersFile), customerForm);
      const startedAt = performance.now();
      const made = await importRows(customers, importedCustomers(author, vault), parts);
      const madeAt = performance.now();
      const subscriptions = rowsOfFile('ndjson', createReadStream(subscriptionsFile), subscriptionForm);
      const kind = importedSubscriptions({ author, catalogs, vault: null, rerate: false });
      const subscribed = await importRows(subscriptions, kind, parts);
      return {
        customers: made.made,
        customersSeconds: (madeAt - startedAt) / 1_000,
        subscriptions: subscribed.made,
        subscriptionsSeconds: (performance.now() - madeAt) / 1_000,
        residentBytes: process.memoryUsage().rss,
      };
    },
    close: () => pool.end(),
  };
});
