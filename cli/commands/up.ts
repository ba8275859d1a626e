// `tallyline up`: everything on this machine.
import type { Command } from 'commander';
import { DEFAULT_DATA_DIR } from '../command-context.ts';

interface Flags {
  readonly port?: string;
  readonly dataDir: string;
  readonly catalog?: string;
  readonly allowedLateness?: string;
}

export function registerUpCommand(program: Command): void {
  program
    .command('up')
    .description('run every stage on this machine, on embedded stores for whatever address is not set')
    .option('--port <port>', 'where the API is served; 0: any free port (default: PORT or 8080)')
    .option('--data-dir <dir>', 'where data, the API key and the addresses of what runs are kept', DEFAULT_DATA_DIR)
    .option('--catalog <file>', 'a price catalog to apply first')
    .option('--allowed-lateness <duration>', 'how long after its end a window is closed (default: 5m)')
    .action(async (flags: Flags) => {
      const { runUp } = await import('../up/run-up.ts');
      process.exitCode = await runUp({
        dataDir: flags.dataDir,
        catalogFile: flags.catalog ?? null,
        overrides: { PORT: flags.port, TALLYLINE_ALLOWED_LATENESS: flags.allowedLateness },
      });
    });
}
