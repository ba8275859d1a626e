// `tallyline ingest | aggregator | rater | query`: one stage a process.
import type { Command } from 'commander';
import { type StageName, stages } from '../stage/stage-table.ts';

export function registerStageCommands(program: Command): void {
  for (const [name, description] of Object.entries(stages) as [StageName, string][]) {
    program
      .command(name, { hidden: name === 'edge' })
      .description(description)
      .option('--port <port>', 'where it serves HTTP (default: PORT or 8080)')
      .action(async (options: { port?: string }) => {
        const { runStage } = await import('../stage/stage-process.ts');
        process.exitCode = await runStage(name, { PORT: options.port });
      });
  }
}
