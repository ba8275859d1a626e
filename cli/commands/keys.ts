// `tallyline keys create | list | revoke`: API keys, each of one tenant.
import type { Command } from 'commander';
import type { ApiKey } from '../../platform/access/api-key-store.ts';
import { commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printJson, printLine, printNote, printRow } from '../output.ts';

async function withPool(option: DataDirOption, work: (pool: import('pg').Pool) => Promise<void>): Promise<void> {
  const { openReachablePool } = await import('../stores.ts');
  const { assertMigrated } = await import('../../platform/migrations/migrate.ts');
  const { settings, logger } = commandContext(option);
  const pool = await openReachablePool(settings, logger, 'tallyline keys');
  try {
    await assertMigrated(pool);
    await work(pool);
  } finally {
    await pool.end();
  }
}

function stateOf({ revokedAt, isOperator }: ApiKey): string {
  if (revokedAt !== null) return `revoked ${revokedAt.toISOString()}`;
  return isOperator ? 'active, operator' : 'active';
}

export function registerKeysCommand(program: Command): void {
  const keys = program.command('keys').description('API keys');

  withDataDir(keys.command('create'))
    .description('make a key and print it: it is not shown again')
    .requiredOption('--tenant <tenant>', 'whose usage it reads and writes')
    .option('--name <name>', 'what it is for', '')
    .option('--operator', 'it may also see what concerns all tenants together: the offsets of the log', false)
    .action(async (options: DataDirOption & { tenant: string; name: string; operator: boolean }) => {
      const { createApiKey, tenantFault } = await import('../../platform/access/api-key-store.ts');
      const fault = tenantFault(options.tenant);
      if (fault !== null) throw new Error(`--tenant must ${fault}`);
      await withPool(options, async (pool) => {
        const { id, key } = await createApiKey(pool, options.tenant, options.name, options);
        printNote(`created ${id} for tenant ${options.tenant}; the key is not shown again:`);
        printLine(key);
      });
    });

  withDataDir(keys.command('list'))
    .description('the keys there are, without the keys themselves')
    .option('--tenant <tenant>', 'of one tenant only')
    .option('--json', 'one JSON object a line', false)
    .action(async (options: DataDirOption & { tenant?: string; json: boolean }) => {
      const { listApiKeys } = await import('../../platform/access/api-key-store.ts');
      await withPool(options, async (pool) => {
        for (const key of await listApiKeys(pool, options.tenant ?? null)) {
          if (options.json) printJson(key);
          else printRow([key.id, key.tenant, key.createdAt.toISOString(), stateOf(key), key.name]);
        }
      });
    });

  withDataDir(keys.command('revoke'))
    .description('end a key; gateways refuse it within seconds')
    .argument('<id>', 'as `keys list` prints it')
    .action(async (id: string, options: DataDirOption) => {
      const { revokeApiKey } = await import('../../platform/access/api-key-store.ts');
      await withPool(options, async (pool) => {
        if (!(await revokeApiKey(pool, id)))
          throw new Error(`there is no key ${id}: \`tallyline keys list\` shows those there are`);
        printLine(`revoked ${id}`);
      });
    });
}
