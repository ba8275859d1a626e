// `tallyline ingest | aggregator | rater | query`, one stage a process; and `edge` (internal), ingest and query behind one
// port, as `up` runs them.
import type { Command } from 'commander';

const stages = {
  ingest: 'the gateway: takes events over HTTP and appends them to the log',
  aggregator: 'counts the log into usage windows',
  rater: 'prices closed windows into line items',
  query: 'the read API and the status page',
  edge: 'ingest and query behind one port (internal)',
} as const;

export type StageName = keyof typeof stages;

export function registerStageCommands(program: Command): void {
  for (const [name, description] of Object.entries(stages) as [StageName, string][]) {
    program
      .command(name, { hidden: name === 'edge' })
      .description(description)
      .option('--port <port>', 'where it serves HTTP (default: PORT or 8080)')
      .action(async (options: { port?: string }) => {
        const { runStage } = await import('./stage-process.ts');
        process.exitCode = await runStage(name, { PORT: options.port });
      });
  }
}
