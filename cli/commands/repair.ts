// `tallyline repair`: recounts from the log what damaged parts of ClickHouse hold.
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { type DataDirOption, withDataDir, withStores } from '../command-context.ts';
import { printLine } from '../output.ts';
import { printAudit } from './verify.ts';

interface RepairOptions extends DataDirOption {
  readonly yes?: boolean;
}

async function isConfirmed(): Promise<boolean> {
  if (process.stdin.isTTY !== true) throw new Error('nothing was changed: with --yes it goes on from here by itself');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test(await terminal.question('Go on? [y/N] '));
  } finally {
    terminal.close();
  }
}

export function registerRepairCommand(program: Command): void {
  withDataDir(program.command('repair'))
    .description('recount from the log what damaged parts of ClickHouse hold; needs running aggregators')
    .option('--yes', 'do not ask before seals are taken back and parts are detached')
    .action(async (options: RepairOptions) => {
      const { planRepair, repair } = await import('../../rater/audit/repair/part-repair.ts');
      const { placeOf } = await import('../../domain/sealing/seals.ts');
      await withStores(options, async ({ pool, clickhouse, eventLog }) => {
        const parts = { pool, clickhouse, eventLog, say: printLine };
        const plan = await planRepair(parts);
        for (const part of plan.parts) printLine(`to be detached: part ${part.part} of ${part.table}`);
        for (const { table, detachedAs } of plan.lost) printLine(`to be dropped at the end: ${detachedAs} of ${table}`);
        for (const seal of plan.from)
          printLine(`to be counted again: ${placeOf(seal)} and all later ones of the partition`);
        const isNeeded = plan.parts.length > 0 || plan.lost.length > 0 || plan.from.length > 0;
        if (isNeeded && options.yes !== true && !(await isConfirmed())) return;
        const log = await repair(parts, plan);
        if (printAudit(log) > 0) process.exitCode = 1;
        else printLine(isNeeded ? 'repaired: every chunk is as it is sealed' : 'nothing is damaged');
      });
    });
}
