// Reads of usage over a month of roll-up rows: right after a heavy load, when no part was merged yet, and when all were.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import { insertRollUpHistory, type RollUpHistory } from '../stand/history.ts';
import type { Installation } from '../stand/installation.ts';
import { measureReads } from '../stand/usage-reads.ts';

const HOUR_MS = 3_600_000;
const DAYS = 30;
const SUBJECTS = 20_000;

const parts = async ({ clickhouse }: Installation): Promise<number> => {
  const [row] = await clickhouse.query<{ parts: string }>(
    `SELECT toString(count()) AS parts FROM system.parts
     WHERE active AND database = currentDatabase() AND table = 'usage_rollups'`,
  );
  return Number(row!.parts);
};

/** Resolves once the engine has nothing left that it wants to merge. */
async function untilMerged(installation: Installation): Promise<void> {
  let before = await parts(installation);
  for (let quiet = 0; quiet < 10; ) {
    await delay(200);
    const [row] = await installation.clickhouse.query<{ merges: string }>(
      'SELECT toString(count()) AS merges FROM system.merges WHERE database = currentDatabase()',
    );
    const now = await parts(installation);
    quiet = row!.merges === '0' && now === before ? quiet + 1 : 0;
    before = now;
  }
}

async function measure(context: RunContext, isMerged: boolean): Promise<Measurement> {
  const { stand, events, isSmoke } = context;
  return stand.withInstallation({ log: 'postgres' }, async (installation) => {
    const { clickhouse } = installation;
    const until = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
    const history: RollUpHistory = {
      ...{ rows: events, subjects: Math.min(SUBJECTS, Math.ceil(events / 100)), days: DAYS, until },
      partitions: installation.eventLog.partitions,
      // What one flush of 100,000 events writes.
      rowsPerInsert: isSmoke ? 5_000 : 150_000,
    };
    if (!isMerged) await clickhouse.command('SYSTEM STOP MERGES usage_rollups');
    await insertRollUpHistory(clickhouse, history);
    if (isMerged) await untilMerged(installation);
    const queryUrl = await installation.startStage('query');
    const wanted = { until, days: DAYS, subjects: history.subjects };
    await measureReads(installation, queryUrl, { ...wanted, reads: 1 });
    const reads = isSmoke ? 5 : isMerged ? 200 : 20;
    const stop = stand.times.start();
    const startedAt = performance.now();
    const latencies = await measureReads(installation, queryUrl, { ...wanted, reads });
    const seconds = (performance.now() - startedAt) / 1_000;
    return {
      events: 3 * reads,
      seconds,
      cpuMicros: stop(),
      counted: ['query', 'clickhouse', 'postgres'],
      details: { rows: events, parts: await parts(installation), ...latencies },
    };
  });
}

export const query: Bench = {
  name: 'query',
  unit: 'reads',
  about: 'usage of one subject by hour, total by model, and the ten largest subjects, over 30 days of roll-up rows',
  // Rows of history; what is counted are reads.
  events: { full: 20_000_000, smoke: 50_000 },
  variants: [
    { name: 'before merges', measure: (context) => measure(context, false) },
    { name: 'merged', measure: (context) => measure(context, true) },
  ],
};
