// `tallyline verify`: recomputes the invariants from raw events and prints what was compared; exits 1 on a discrepancy.
import type { Command } from 'commander';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import type { AuditLog } from '../../rater/audit/discrepancy.ts';
import type { Invariant } from '../../rater/core/invariant.ts';
import { type DataDirOption, withDataDir, withStores } from '../command-context.ts';
import { printLine } from '../output.ts';

const DISCREPANCIES_SHOWN_MAX = 100;

interface VerifyOptions extends DataDirOption {
  readonly from?: string;
  readonly to?: string;
  readonly tenant?: string;
  readonly log: boolean;
}

function dayOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const time = parseRfc3339(`${text}T00:00:00Z`);
  if (time === null) {
    throw new Error(`${name} must be a UTC day such as 2026-11-01, not '${text}': a day cuts no window in two`);
  }
  return time;
}

/** Prints what was compared and what differs; returns how much that is. */
export function printAudit(log: AuditLog): number {
  for (const { invariant, where, expected, found } of log.discrepancies.slice(0, DISCREPANCIES_SHOWN_MAX)) {
    printLine(`${invariant} ${where}: expected ${expected}, found ${found}`);
  }
  const unshown = log.failures - DISCREPANCIES_SHOWN_MAX;
  if (unshown > 0) printLine(`… and ${unshown} more`);
  for (const [invariant, compared] of Object.entries(log.compared) as [Invariant, number][]) {
    printLine(`${invariant}: ${compared} compared, ${log.failed[invariant]} discrepancies`);
  }
  return log.failures;
}

export function registerVerifyCommand(program: Command): void {
  withDataDir(program.command('verify'))
    .description('recompute the invariants from raw events; exits 1 on a discrepancy')
    .option('--from <day>', 'only usage from this UTC day on, and billing periods that begin no earlier')
    .option('--to <day>', 'only usage before this UTC day, and billing periods that end no later')
    .option('--tenant <tenant>', 'only usage and billing periods of this tenant')
    .option('--no-log', 'do not read the event log again (it is large, or away)')
    .action(async (options: VerifyOptions) => {
      const scope = {
        from: dayOf('--from', options.from),
        to: dayOf('--to', options.to),
        tenant: options.tenant ?? null,
      };
      const { verify } = await import('../../rater/audit/verify/verify.ts');
      const { assertUnfenced } = await import('../../platform/postgres/tenant-fence.ts');
      const log = await withStores(options, async ({ pool, clickhouse, eventLog }) => {
        await assertUnfenced(pool);
        const group = `tallyline-verify-${process.pid}-${Date.now()}`;
        return verify({ pool, clickhouse, eventLog: options.log ? eventLog : null, group }, scope);
      });
      if (printAudit(log) > 0) process.exitCode = 1;
    });
}
