// `tallyline ingest | aggregator | rater | query`: one stage a process; and `edge`, what `up` runs of them behind one
// port.
import type { Command } from 'commander';
import { type ProcessName, stageNames, stages } from '../stage/stage-table.ts';

export function registerStageCommands(program: Command): void {
  for (const name of stageNames) register(program.command(name).description(stages[name].description), name);
  register(program.command('edge', { hidden: true }), 'edge');
}

function register(command: Command, name: ProcessName): void {
  command
    .option('--port <port>', 'where it serves HTTP (default: PORT or 8080)')
    .action(async (options: { port?: string }) => {
      const { runStage } = await import('../stage/stage-process.ts');
      process.exitCode = await runStage(name, { PORT: options.port });
    });
}
