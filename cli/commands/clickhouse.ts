// `tallyline clickhouse` (internal): the in-process ClickHouse as a process of its own. `up` starts it, and so do
// tests.
import type { Command } from 'commander';

export function registerClickHouseCommand(program: Command): void {
  program
    .command('clickhouse', { hidden: true })
    .description('serve the in-process ClickHouse over HTTP on loopback (internal: `up` starts it)')
    .requiredOption('--data-dir <dir>', 'where its data lives')
    .option('--port <port>', '0: any free port', '0')
    .action(async (options: { dataDir: string; port: string }) => {
      const [{ serveEmbeddedClickHouse }, { createLogger }, { untilStopped }] = await Promise.all([
        import('../../platform/clickhouse/embedded/http-endpoint.ts'),
        import('../../platform/process/logging.ts'),
        import('../../platform/process/lifecycle.ts'),
      ]);
      const logger = createLogger('clickhouse', process.env.LOG_LEVEL ?? 'info');
      const password = process.env.CLICKHOUSE_PASSWORD;
      if (password === undefined || password === '') throw new Error('CLICKHOUSE_PASSWORD is not set');
      const endpoint = await serveEmbeddedClickHouse(
        {
          dataDir: options.dataDir,
          port: Number(options.port),
          username: process.env.CLICKHOUSE_USER ?? 'default',
          password,
        },
        logger,
      );
      process.stdout.write(`ready ${endpoint.url}\n`);
      // Under a supervisor only that one decides when it ends: the stages need it to the last.
      await untilStopped({ signals: process.send === undefined ? ['SIGTERM', 'SIGINT'] : [] });
      await endpoint.close();
    });
}
