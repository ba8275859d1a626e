// Several raters that share the customers: how long they take for what is sealed at once, and what it costs. One of
// them is killed in the middle, and the others take its shards over.
import { countLineItems } from '../../platform/billing-store/line-items.ts';
import { until } from '../../test/support/until.ts';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { RaterShareInput } from '../programs/rater-share.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import { insertWindowHistory, sealWindowHistory } from '../stand/history.ts';

const METERS = 2;
const HOURS = 1;
const LEASE_MS = 2_000;
/** A run of this size that is not done by then never is. */
const DONE_MS = 600_000;

/** In the middle of a billing period that has begun. */
function lastMonth(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 15, 12);
}

interface Crew {
  readonly raters: number;
  /** One of them is gone when a third is written. */
  readonly isOneKilled: boolean;
}

async function measureCrew({ stand, events }: RunContext, { raters, isOneKilled }: Crew): Promise<Measurement> {
  return stand.withInstallation({ log: 'postgres' }, async ({ pool, clickhouse, eventLog, environment, settings }) => {
    const end = lastMonth();
    const watermark = end + settings.allowedLatenessMs;
    const shared = { ...environment, TALLYLINE_RATER_INTERVAL: '100ms', TALLYLINE_RATER_LEASE: `${LEASE_MS}ms` };
    const crew = await Promise.all(
      Array.from({ length: raters }, async (_, i) => {
        const input: RaterShareInput = { environment: shared, rater: `bench ${i}`, raters, until: watermark };
        const { program } = await BenchProgram.start<null>('rater-share', input);
        stand.times.add(program.pid, 'rater');
        return program;
      }),
    );
    const subjects = Math.max(1, Math.round(events / METERS));
    const history = {
      ...{ subjects, hours: HOURS, until: end, partitions: eventLog.partitions, rowsPerInsert: 250_000 },
      ...{ watermark, isScattered: true },
    };
    await insertWindowHistory(clickhouse, history);
    const written = async (): Promise<number> =>
      [...(await countLineItems(pool)).values()].reduce((sum, count) => sum + count, 0);
    const stop = stand.times.start();
    const startedAt = performance.now();
    const others = isOneKilled ? crew.slice(1) : crew;
    const done = Promise.all(others.map((program) => program.run()));
    await sealWindowHistory(pool, clickhouse, history);
    let killedAtItems = 0;
    if (isOneKilled) {
      const isSomeWritten = async (): Promise<boolean> => {
        killedAtItems = await written();
        return killedAtItems >= (subjects * METERS) / 3;
      };
      await until(isSomeWritten, 'a third is written', DONE_MS);
      crew[0]!.child.kill('SIGKILL');
    }
    await done;
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpuMicros = stop();
    for (const program of crew) stand.times.remove(program.pid);
    for (const program of others) await program.end();
    const items = await written();
    if (items !== subjects * METERS)
      throw new Error(`${items} line items were written for ${subjects * METERS} windows`);
    return {
      ...{ events: items, seconds, cpuMicros, counted: ['rater', 'clickhouse', 'postgres'] },
      details: { raters, ...(isOneKilled && { killedAtItems, leaseMs: LEASE_MS }) },
    };
  });
}

export const raterShards: Bench = {
  name: 'rater-shards',
  unit: 'line items',
  about: 'an hour that closes for many subjects, rated by one, two and three raters; of three, one is killed',
  events: { full: 100_000, smoke: 2_000 },
  variants: [
    ...[1, 2, 3].map((raters) => ({
      name: `${raters} of ${raters}`,
      measure: (context: RunContext) => measureCrew(context, { raters, isOneKilled: false }),
    })),
    { name: '1 of 3 killed', measure: (context) => measureCrew(context, { raters: 3, isOneKilled: true }) },
  ],
};
