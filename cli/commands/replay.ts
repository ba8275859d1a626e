// `tallyline replay`: feeds rejected events back after their cause is mended.
import type { Command } from 'commander';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import { type DataDirOption, withDataDir, withStores } from '../command-context.ts';
import { printLine } from '../output.ts';

interface ReplayOptions extends DataDirOption {
  readonly code?: string;
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
}

function timeOf(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const time = parseRfc3339(text);
  if (time === null) throw new Error(`${name} must be an RFC 3339 time such as 2026-11-01T10:00:00Z, not '${text}'`);
  return time;
}

export function registerReplayCommand(program: Command): void {
  withDataDir(program.command('replay'))
    .description('feed rejected events (poison) back into the log after their cause is mended')
    .option('--code <code>', 'only rejects with this code, e.g. invalid_value')
    .option('--tenant <tenant>', 'only of this tenant')
    .option('--from <time>', 'only rejected at this RFC 3339 time or later')
    .option('--to <time>', 'only rejected before this RFC 3339 time')
    .action(async (options: ReplayOptions) => {
      const selection = {
        code: options.code ?? null,
        tenant: options.tenant ?? null,
        from: timeOf('--from', options.from),
        to: timeOf('--to', options.to),
      };
      const { replayRejects } = await import('../../aggregator/reject-replay.ts');
      const { events, records } = await withStores(options, ({ clickhouse, eventLog }) =>
        replayRejects(clickhouse, eventLog, selection),
      );
      printLine(`replayed ${events} events and ${records} unreadable records; their outcome follows in the usual way`);
    });
}
