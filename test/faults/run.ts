// `npm run test:faults -- --minutes N [--seed S]`: every process of a deployment is killed and stopped at random under
// continuous load; at checkpoints everything is drained and compared to the last digit. Exits 1 on any difference, and
// then keeps the logs. `--outages` runs the outage scenarios in full length instead.
import { parseArgs } from 'node:util';
import { formatTable } from '../../demo/account/comparison.ts';
import { kafkaUnavailable } from '../support/processes/kafka-broker.ts';
import { Account, catalogYaml, subscriptionsYaml } from './account.ts';
import { Chaos } from './chaos.ts';
import { checkpoint } from './checkpoint.ts';
import { Deployment } from './deployment.ts';
import { Load } from './load.ts';
import { runOutages, tallied } from './outages.ts';

const ALLOWED_LATENESS_MS = 5_000;
const HORIZON_MINUTES = 15;
const LATE_MAX_MS = 4 * 60_000;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    rate: { type: 'string', default: '2000' },
    'checkpoint-minutes': { type: 'string', default: '3' },
    brokers: { type: 'string', default: '3' },
    outages: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

function positive(name: 'minutes' | 'seed' | 'rate' | 'checkpoint-minutes'): number {
  const value = Number(options[name]);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not '${options[name]}'`);
  return value;
}

const startedAt = Date.now();
function say(line: string): void {
  const seconds = Math.floor((Date.now() - startedAt) / 1000);
  const time = `${String(Math.floor(seconds / 60)).padStart(3)}:${String(seconds % 60).padStart(2, '0')}`;
  console.log(`${time}  ${line}`);
}

const counts = (map: ReadonlyMap<string, number>): string => {
  const total = [...map.values()].reduce((a, b) => a + b, 0);
  const each = [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, count]) => `${name} ${count}`);
  return `${total}${total === 0 ? '' : ` (${each.join(', ')})`}`;
};

const settings = {
  LOG_LEVEL: 'warn',
  TALLYLINE_PARTITIONS: '6',
  // Bounds the dedup index, so that a run of an hour takes no more memory than one of half an hour.
  TALLYLINE_HORIZON: `${HORIZON_MINUTES}m`,
  TALLYLINE_CHUNK_SLOT: '4s',
  TALLYLINE_RATER_INTERVAL: '2s',
  TALLYLINE_RATER_LEASE: '10s',
  TALLYLINE_ALLOWED_LATENESS: `${ALLOWED_LATENESS_MS}ms`,
};

async function runChaos(): Promise<boolean> {
  const [minutes, seed, rate] = [positive('minutes'), positive('seed'), positive('rate')];
  const brokers = options.brokers === '1' ? 1 : 3;
  say(`seed ${seed}: ${minutes} minutes at ${rate} events/s, ${brokers} broker${brokers === 1 ? '' : 's'}`);
  const deployment = await Deployment.start({
    catalogYaml,
    subscriptionsYaml,
    settings,
    brokers,
    stages: { ingest: 2, aggregator: 3, rater: 2, query: 1 },
    onUnaskedEnd: say,
  });
  const account = new Account();
  const load = new Load({
    urls: () => deployment.urls('ingest'),
    apiKey: deployment.apiKey,
    account,
    seed,
    eventsPerSecond: rate,
    batchEvents: 100,
    connections: 6,
    horizonMs: HORIZON_MINUTES * 60_000,
    lateMaxMs: LATE_MAX_MS,
  });
  const chaos = new Chaos(deployment, { seed, onFault: say });
  const differences: string[] = [];
  let checkpoints = 0;
  try {
    const endAt = Date.now() + minutes * 60_000;
    while (Date.now() < endAt && differences.length === 0) {
      load.start();
      chaos.start();
      const roundEndsAt = Math.min(endAt, Date.now() + positive('checkpoint-minutes') * 60_000);
      await new Promise((resolve) => setTimeout(resolve, roundEndsAt - Date.now()));
      await chaos.stop();
      await load.pause();
      const found = await checkpoint(deployment, account, {
        allowedLatenessMs: ALLOWED_LATENESS_MS,
        logMayRepeat: true,
      });
      checkpoints++;
      differences.push(...found.differences);
      const { fates } = account.oracle;
      say(
        `checkpoint ${checkpoints} (${found.seconds.toFixed(1)} s): ${fates.accepted} events, ${fates.duplicate} repeats, ` +
          `${fates.conflict} conflicts, ${fates.rejected} rejected; ${found.lineItems} line items; ` +
          `${found.differences.length} differences`,
      );
      if (found.differences.length > 0) console.log(formatTable(found.rows));
    }
    // A process that ended by itself was started again, as a cluster does; that it had to is worth knowing.
    const ends = deployment.ends();
    say(`kills: ${counts(chaos.kills)}`);
    say(`pauses: ${counts(chaos.pauses)}, ${chaos.zombies} of them aggregators for longer than their session`);
    say(`ended by themselves: ${ends.length}${ends.length === 0 ? '' : ` (${tallied(ends)})`}`);
    say(
      `events: ${account.sent.acknowledged} acknowledged deliveries, ${account.sent.resent} of unknown fate sent again`,
    );
    say(`requests put off with 503: ${account.sent.deferred}; unexpected answers: ${account.sent.surpriseCount}`);
    say(`checkpoints: ${checkpoints}; differences: ${differences.length}`);
    for (const difference of differences) say(`DIFFERENCE ${difference}`);
  } catch (error) {
    differences.push(String(error));
    say(`the run broke off: ${error instanceof Error ? error.stack : String(error)}`);
  }
  const failed = differences.length > 0;
  await deployment.stop({ keep: failed });
  if (failed) say(`seed ${seed}; everything of the run is kept in ${deployment.directory}`);
  return !failed;
}

// An end by signal is an exit all the same: what was started is then ended.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1));
const unavailable = await kafkaUnavailable({ brokers: 3 });
if (unavailable !== null) throw new Error(unavailable);
const isGood = options.outages ? await runOutages({ say, only: options.only ?? null }) : await runChaos();
process.exit(isGood ? 0 : 1);
