// `tallyline meters recount METER --from TIME`: counts a meter again over stored events, and says how far it is.
import type { Command } from 'commander';
import { commandActor, commandContext, type DataDirOption, withDataDir } from '../command-context.ts';
import { printLine, printNote } from '../output.ts';
import { readInstant } from '../time-options.ts';

interface RecountOptions extends DataDirOption {
  readonly from: number;
  readonly to?: number;
  readonly tenant?: string;
  readonly id?: string;
  readonly wait: boolean;
}

const POLL_MS = 500;
const SAY_EVERY_MS = 5_000;

async function recount(meter: string, { from, to, tenant, id, wait, ...options }: RecountOptions) {
  const { openPostgresStore } = await import('../stores.ts');
  const { readRecount, requestRecount } = await import('../../platform/recount-store/recounts.ts');
  const { tenantFault } = await import('../../platform/access/api-key-store.ts');
  const { inTransaction } = await import('../../platform/postgres/pool.ts');
  const { delay } = await import('../../platform/calls/retry.ts');
  const fault = tenant === undefined ? null : tenantFault(tenant);
  if (fault !== null) throw new Error(`--tenant must ${fault}`);
  if (from >= Date.now()) throw new Error('--from must be in the past');
  if (to !== undefined && to <= from) throw new Error('--to must be after --from');
  const { settings, logger } = commandContext(options);
  const store = await openPostgresStore(settings, logger, 'tallyline meters');
  try {
    const { pool } = store;
    const of = { tenant: tenant ?? '', id: id ?? `${meter} from ${new Date(from).toISOString()}` };
    const asked = { ...of, meter, from, to: to ?? null, actor: commandActor() };
    const { catalogVersion } = await inTransaction(pool, (client) => requestRecount(client, asked));
    printNote(`recount ${JSON.stringify(of.id)} of ${meter} as in catalog version ${catalogVersion}`);
    const { signal } = new AbortController();
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const { chunks, recounted, isDone } = (await readRecount(pool, of.tenant, of.id))!;
      if (isDone) {
        printLine(`done: ${recounted} chunks are recounted`);
        return;
      }
      if (!wait) return;
      if (waitedMs % SAY_EVERY_MS === 0) {
        printNote(chunks === null ? 'waiting for the aggregators' : `${recounted} of ${chunks} chunks`);
      }
      await delay(POLL_MS, signal);
    }
  } finally {
    await store.close();
  }
}

export function registerMetersCommand(program: Command): void {
  const meters = program.command('meters').description('what a meter has counted');
  withDataDir(meters.command('recount'))
    .description(
      'count a meter again over stored events, as the catalog in force defines it; needs running aggregators',
    )
    .argument('<meter>', 'its slug')
    .requiredOption('--from <time>', 'windows that start then or later, RFC 3339', readInstant)
    .option('--to <time>', 'and before this (default: all that were counted by an earlier catalog)', readInstant)
    .option('--tenant <tenant>', 'of this tenant (default: of all)')
    .option('--id <id>', 'what the recount is known by (default: made of the meter and --from)')
    .option('--no-wait', 'do not wait until it is done; the same command tells how far it is')
    .action(recount);
}
