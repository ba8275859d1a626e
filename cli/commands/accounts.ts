// `tallyline import customers FILE`, `export customers`: account objects in and out, many at once.
import { createReadStream } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Pool } from 'pg';
import type { CustomerFileFormat } from '../../accounts/bulk/customer-file.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { commandActor, commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printLine, printNote } from '../output.ts';

interface AccountsOptions extends DataDirOption {
  readonly tenant: string;
  readonly format?: CustomerFileFormat;
}

const REFUSALS_SHOWN_MAX = 1_000;
const PROGRESS_INTERVAL_MS = 5_000;

const formatOption = (): Option =>
  new Option('--format <format>', 'how the file is written').choices(['ndjson', 'csv']);

async function withAccounts(
  options: AccountsOptions,
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

async function importFile(file: string, options: AccountsOptions): Promise<void> {
  const { customerRows, formatOf } = await import('../../accounts/bulk/customer-file.ts');
  const { importCustomers } = await import('../../accounts/bulk/import-customers.ts');
  const format = options.format ?? formatOf(file);
  if (format === null) throw new Error(`${file} is neither .ndjson nor .csv: say which it is with --format`);
  await withAccounts(options, async (pool, vault) => {
    const author = { tenant: options.tenant, actor: commandActor() };
    let refusals = 0;
    let toldAt = performance.now();
    const source = file === '-' ? process.stdin : createReadStream(file);
    const counts = await importCustomers(customerRows(format, source as AsyncIterable<Buffer>), {
      ...{ pool, vault, author },
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
  });
}

async function exportFile(options: AccountsOptions): Promise<void> {
  const { exportedLines } = await import('../../accounts/bulk/export-customers.ts');
  await withAccounts(options, async (pool, vault) => {
    for await (const line of exportedLines(options.format ?? 'ndjson', pool, vault, options.tenant)) {
      if (!process.stdout.write(`${line}\n`)) await new Promise((drained) => process.stdout.once('drain', drained));
    }
  });
}

export function registerAccountCommands(program: Command): void {
  const importing = program.command('import').description('make account objects of the rows of a file');
  withDataDir(importing.command('customers'))
    .description('make customers; those that are there and equal stay as they are, so a file may be read again')
    .argument('<file>', 'NDJSON or CSV; - is stdin')
    .requiredOption('--tenant <tenant>', 'whose customers they are')
    .addOption(formatOption())
    .action((file: string, options: AccountsOptions) => importFile(file, options));

  const exporting = program.command('export').description('print account objects as a file');
  withDataDir(exporting.command('customers'))
    .description('print all customers that were not erased, as `import customers` takes them')
    .requiredOption('--tenant <tenant>', 'whose customers they are')
    .addOption(formatOption().default('ndjson'))
    .action((options: AccountsOptions) => exportFile(options));
}
