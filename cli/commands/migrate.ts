// `tallyline migrate`: create or upgrade the stores.
import type { Command } from 'commander';
import { withDataDir } from '../command-context.ts';
import { printLine } from '../output.ts';

export function registerMigrateCommand(program: Command): void {
  withDataDir(program.command('migrate').description('create or upgrade the stores')).action(
    async (options: { dataDir: string }) => {
      const { commandContext } = await import('../command-context.ts');
      const { openClickHouse, openReachablePool } = await import('../stores.ts');
      const { migrate } = await import('../../platform/migrations/migrate.ts');
      const { settings, logger } = commandContext(options);
      const clickhouse = openClickHouse(settings, logger);
      const pool = await openReachablePool(settings, logger, 'tallyline migrate');
      try {
        const applied = await migrate(pool, clickhouse, logger);
        for (const name of applied) printLine(`applied ${name}`);
        if (applied.length === 0) printLine('nothing to do');
      } finally {
        await clickhouse.close();
        await pool.end();
      }
    },
  );
}
