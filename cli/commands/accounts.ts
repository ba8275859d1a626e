// `tallyline import customers FILE`, `export customers`, and the same of subscriptions: account objects in and out,
// many at once.
import { createReadStream } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Pool } from 'pg';
import type { FileRow, RowKind } from '../../accounts/bulk/import-rows.ts';
import type { RowFileFormat } from '../../accounts/bulk/row-file.ts';
import type { Author } from '../../platform/account-store/account-changes.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { commandActor, commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printLine, printNote } from '../output.ts';

interface AccountsOptions extends DataDirOption {
  readonly tenant: string;
  readonly format?: RowFileFormat;
}

interface SubscriptionOptions extends DataDirOption {
  readonly tenant: string;
  readonly format?: RowFileFormat | 'catalog';
  readonly rerate?: boolean;
}

const REFUSALS_SHOWN_MAX = 1_000;
const PROGRESS_INTERVAL_MS = 5_000;

const formatOption = (): Option =>
  new Option('--format <format>', 'how the file is written').choices(['ndjson', 'csv']);

async function withAccounts(
  options: DataDirOption & { readonly tenant: string },
  work: (pool: Pool, vault: Vault) => Promise<void>,
): Promise<void> {
  const { openPostgresStore } = await import('../stores.ts');
  const { Vault } = await import('../../platform/account-store/vault.ts');
  const { assertKeysKnown } = await import('../../platform/account-store/customer-keys.ts');
  const { tenantFault } = await import('../../platform/access/api-key-store.ts');
  const fault = tenantFault(options.tenant);
  if (fault !== null) throw new Error(`--tenant must ${fault}`);
  const { settings, logger } = commandContext(options);
  if (settings.accounts.keys === null) {
    throw new Error('TALLYLINE_ACCOUNTS_KEY is not set, and customers are stored encrypted by it');
  }
  const vault = new Vault(settings.accounts.keys);
  const store = await openPostgresStore(settings, logger, 'tallyline accounts');
  try {
    await assertKeysKnown(store.pool, vault);
    await work(store.pool, vault);
  } finally {
    await store.close();
  }
}

interface Imported<Row extends { readonly id: string }> {
  readonly rows: AsyncIterable<FileRow>;
  readonly kind: RowKind<Row>;
}

/** Tells what became of the rows; exit code 1 where any was refused. */
async function importInto<Row extends { readonly id: string }>(
  pool: Pool,
  { tenant }: Author,
  { rows, kind }: Imported<Row>,
): Promise<void> {
  const { importRows } = await import('../../accounts/bulk/import-rows.ts');
  let refusals = 0;
  let toldAt = performance.now();
  const counts = await importRows(rows, kind, {
    ...{ pool, tenant },
    onRefused: (line, why) => {
      refusals += 1;
      if (refusals <= REFUSALS_SHOWN_MAX) printNote(`line ${line}: ${why}`);
    },
    onProgress: ({ made, equal, refused }) => {
      if (performance.now() - toldAt < PROGRESS_INTERVAL_MS) return;
      toldAt = performance.now();
      printNote(`so far: ${made} made, ${equal} equal, ${refused} refused`);
    },
  });
  if (refusals > REFUSALS_SHOWN_MAX) printNote(`… and ${refusals - REFUSALS_SHOWN_MAX} more`);
  printLine(`${counts.made} made, ${counts.equal} equal, ${counts.refused} refused`);
  if (counts.refused > 0) process.exitCode = 1;
}

const authorOf = ({ tenant }: { readonly tenant: string }): Author => ({ tenant, actor: commandActor() });
const sourceOf = (file: string): AsyncIterable<Buffer> =>
  (file === '-' ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>;

async function importCustomers(file: string, options: AccountsOptions): Promise<void> {
  const { formatOf, rowsOfFile } = await import('../../accounts/bulk/row-file.ts');
  const { importedCustomers } = await import('../../accounts/bulk/import-customers.ts');
  const { customerForm } = await import('../../accounts/core/customer-rows.ts');
  const format = options.format ?? formatOf(file);
  if (format === null) throw new Error(`${file} is neither .ndjson nor .csv: say which it is with --format`);
  await withAccounts(options, async (pool, vault) => {
    const author = authorOf(options);
    const rows = rowsOfFile(format, sourceOf(file), customerForm);
    await importInto(pool, author, { rows, kind: importedCustomers(author, vault) });
  });
}

async function importSubscriptions(file: string, options: SubscriptionOptions): Promise<void> {
  const { formatOf, rowsOfFile } = await import('../../accounts/bulk/row-file.ts');
  const { importedSubscriptions } = await import('../../accounts/bulk/import-subscriptions.ts');
  const { catalogSubscriptions } = await import('../../accounts/bulk/catalog-subscriptions.ts');
  const { catalogsNow } = await import('../../accounts/catalog-now.ts');
  const { subscriptionForm } = await import('../../accounts/core/subscriptions/subscription-rows.ts');
  const format = options.format ?? (/\.ya?ml$/i.test(file) ? 'catalog' : formatOf(file));
  if (format === null) throw new Error(`${file} is neither .ndjson, .csv nor .yaml: say which it is with --format`);
  await withAccounts(options, async (pool, vault) => {
    const author = authorOf(options);
    const isCatalog = format === 'catalog';
    const rows = isCatalog
      ? catalogSubscriptions(sourceOf(file), options.tenant)
      : rowsOfFile(format, sourceOf(file), subscriptionForm);
    const catalogs = await catalogsNow()(pool, author.tenant);
    const of = { author, catalogs, vault: isCatalog ? vault : null, rerate: options.rerate === true };
    await importInto(pool, author, { rows, kind: importedSubscriptions(of) });
  });
}

async function printLines(lines: AsyncIterable<string>): Promise<void> {
  for await (const line of lines) {
    if (!process.stdout.write(`${line}\n`)) await new Promise((drained) => process.stdout.once('drain', drained));
  }
}

async function exportCustomers(options: AccountsOptions): Promise<void> {
  const { exportedCustomers } = await import('../../accounts/bulk/export-customers.ts');
  await withAccounts(options, (pool, vault) =>
    printLines(exportedCustomers(options.format ?? 'ndjson', pool, vault, options.tenant)),
  );
}

async function exportSubscriptions(options: SubscriptionOptions): Promise<void> {
  const { exportedSubscriptions } = await import('../../accounts/bulk/export-subscriptions.ts');
  await withAccounts(options, (pool) => printLines(exportedSubscriptions(pool, options.tenant)));
}

export function registerAccountCommands(program: Command): void {
  const importing = program.command('import').description('make account objects of the rows of a file');
  withDataDir(importing.command('customers'))
    .description('make customers; those that are there and equal stay as they are, so a file may be read again')
    .argument('<file>', 'NDJSON or CSV; - is stdin')
    .requiredOption('--tenant <tenant>', 'whose customers they are')
    .addOption(formatOption())
    .action((file: string, options: AccountsOptions) => importCustomers(file, options));
  withDataDir(importing.command('subscriptions'))
    .description('make subscriptions; those that are there and equal stay as they are, so a file may be read again')
    .argument('<file>', 'NDJSON, CSV, or a catalog of an earlier release with its section `subscriptions`; - is stdin')
    .requiredOption('--tenant <tenant>', 'whose subscriptions they are')
    .addOption(new Option('--format <format>', 'how the file is written').choices(['ndjson', 'csv', 'catalog']))
    .option('--rerate', 'also bill what was rated already by what the file says, by adjustments')
    .action((file: string, options: SubscriptionOptions) => importSubscriptions(file, options));

  const exporting = program.command('export').description('print account objects as a file');
  withDataDir(exporting.command('customers'))
    .description('print all customers that were not erased, as `import customers` takes them')
    .requiredOption('--tenant <tenant>', 'whose customers they are')
    .addOption(formatOption().default('ndjson'))
    .action((options: AccountsOptions) => exportCustomers(options));
  withDataDir(exporting.command('subscriptions'))
    .description('print all subscriptions with their changes, as `import subscriptions` takes them')
    .requiredOption('--tenant <tenant>', 'whose subscriptions they are')
    .action((options: SubscriptionOptions) => exportSubscriptions(options));
}
