// `tallyline migrate`: create or upgrade the stores.
import type { Command } from 'commander';
import { withDataDir } from './command-context.ts';

export function registerMigrateCommand(program: Command): void {
  withDataDir(program.command('migrate').description('create or upgrade the stores')).action(
    async (options: { dataDir: string }) => {
      const { commandContext } = await import('./command-context.ts');
      const { openClickHouse, openPool } = await import('./stores.ts');
      const { migrate } = await import('../platform/migrate.ts');
      const { settings, logger } = commandContext(options);
      const pool = openPool(settings, logger, 'tallyline migrate');
      const clickhouse = openClickHouse(settings, logger);
      try {
        const applied = await migrate(pool, clickhouse, logger);
        for (const name of applied) process.stdout.write(`applied ${name}\n`);
        if (applied.length === 0) process.stdout.write('nothing to do\n');
      } finally {
        await clickhouse.close();
        await pool.end();
      }
    },
  );
}
