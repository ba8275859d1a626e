// `tallyline keys create | list | revoke`: API keys, each of one tenant.
import type { Command } from 'commander';
import { commandContext, type DataDirOption, withDataDir } from './command-context.ts';

async function withPool(option: DataDirOption, work: (pool: import('pg').Pool) => Promise<void>): Promise<void> {
  const { openPool } = await import('./stores.ts');
  const { assertMigrated } = await import('../platform/migrate.ts');
  const { settings, logger } = commandContext(option);
  const pool = openPool(settings, logger, 'tallyline keys');
  try {
    await assertMigrated(pool);
    await work(pool);
  } finally {
    await pool.end();
  }
}

export function registerKeysCommand(program: Command): void {
  const keys = program.command('keys').description('API keys');

  withDataDir(keys.command('create'))
    .description('make a key and print it: it is not shown again')
    .requiredOption('--tenant <tenant>', 'whose usage it reads and writes')
    .option('--name <name>', 'what it is for', '')
    .action(async (options: DataDirOption & { tenant: string; name: string }) => {
      const { createApiKey, tenantFault } = await import('../platform/api-key-store.ts');
      const fault = tenantFault(options.tenant);
      if (fault !== null) throw new Error(`--tenant must ${fault}`);
      await withPool(options, async (pool) => {
        const { id, key } = await createApiKey(pool, options.tenant, options.name);
        process.stderr.write(`created ${id} for tenant ${options.tenant}; the key is not shown again:\n`);
        process.stdout.write(`${key}\n`);
      });
    });

  withDataDir(keys.command('list'))
    .description('the keys there are, without the keys themselves')
    .option('--tenant <tenant>', 'of one tenant only')
    .action(async (options: DataDirOption & { tenant?: string }) => {
      const { listApiKeys } = await import('../platform/api-key-store.ts');
      await withPool(options, async (pool) => {
        for (const key of await listApiKeys(pool, options.tenant ?? null)) {
          const state = key.revokedAt === null ? 'active' : `revoked ${key.revokedAt.toISOString()}`;
          process.stdout.write(`${[key.id, key.tenant, key.createdAt.toISOString(), state, key.name].join('\t')}\n`);
        }
      });
    });

  withDataDir(keys.command('revoke'))
    .description('end a key; gateways refuse it within seconds')
    .argument('<id>', 'as `keys list` prints it')
    .action(async (id: string, options: DataDirOption) => {
      const { revokeApiKey } = await import('../platform/api-key-store.ts');
      await withPool(options, async (pool) => {
        if (!(await revokeApiKey(pool, id)))
          throw new Error(`there is no key ${id}: \`tallyline keys list\` shows those there are`);
        process.stdout.write(`revoked ${id}\n`);
      });
    });
}
