// Reads of usage over a month of roll-up rows: when each week of them is one part, and right after a heavy load, when
// one and a half million rows of the last hour lie beside a full week in parts that were not merged yet. The same of a
// million subjects, and a meter with 50,000 values of one of its dimensions.
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import { insertRollUpHistory, type RollUpHistory } from '../stand/history.ts';
import type { Installation } from '../stand/installation.ts';
import { measureReads, measureReadsOfMany } from '../stand/usage-reads.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
const FIRST_MONDAY = Date.UTC(1970, 0, 5);
const DAYS = 30;
const SUBJECTS = 20_000;
const LOAD_FLUSHES = 10;

const TABLES = ['usage_rollups', 'usage_totals'] as const;

async function parts({ clickhouse }: Installation): Promise<{ parts: number; weeks: number }> {
  const [row] = await clickhouse.query<{ parts: string; weeks: string }>(
    `SELECT toString(count()) AS parts, toString(uniqExact(table, partition)) AS weeks FROM system.parts
     WHERE active AND database = currentDatabase() AND table IN {tables:Array(String)}`,
    { tables: TABLES },
  );
  return { parts: Number(row!.parts), weeks: Number(row!.weeks) };
}

/** Resolves once every week of each table is one part, as it is some hours after the last write to it. */
async function mergeWeeks(installation: Installation): Promise<void> {
  for (;;) {
    for (const table of TABLES) await installation.clickhouse.command(`OPTIMIZE TABLE ${table} FINAL`);
    const found = await parts(installation);
    if (found.parts === found.weeks) return;
    // A merge that was under way already: it leaves its parts out.
    await delay(200);
  }
}

interface State {
  readonly isAfterLoad: boolean;
  /** True: a million subjects and 50,000 group values. */
  readonly isOfMany: boolean;
}

async function measure(context: RunContext, { isAfterLoad, isOfMany }: State): Promise<Measurement> {
  const { stand, events, isSmoke } = context;
  return stand.withInstallation({ log: 'postgres' }, async (installation) => {
    const { clickhouse } = installation;
    // The last week is full, the most that new parts can lie beside.
    const until = FIRST_MONDAY + Math.floor((Date.now() - FIRST_MONDAY) / WEEK_MS) * WEEK_MS;
    // What one flush of 100,000 events writes.
    const rowsPerInsert = isSmoke ? 500 : 150_000;
    const loadRows = LOAD_FLUSHES * rowsPerInsert;
    const rows = isOfMany ? events / 4 : events;
    const history: RollUpHistory = {
      ...{ rows: rows - loadRows, days: DAYS, until },
      subjects: isOfMany ? Math.ceil(events / 20) : Math.min(SUBJECTS, Math.ceil(events / 100)),
      ...(isOfMany && { operations: Math.ceil(events / 400) }),
      partitions: installation.eventLog.partitions,
      rowsPerInsert: Math.max(rowsPerInsert, rows / 40),
    };
    await insertRollUpHistory(clickhouse, history);
    if (isAfterLoad) {
      await mergeWeeks(installation);
      await clickhouse.command('SYSTEM STOP MERGES usage_rollups');
    }
    await insertRollUpHistory(clickhouse, { ...history, rows: loadRows, days: 1 / 24, rowsPerInsert });
    if (!isAfterLoad) await mergeWeeks(installation);
    const queryUrl = await installation.startStage('query');
    const { subjects, operations } = history;
    const wanted = { until, days: DAYS, subjects };
    const readAll = (reads: number) =>
      operations === undefined
        ? measureReads(installation, queryUrl, { ...wanted, reads })
        : measureReadsOfMany(installation, queryUrl, { ...wanted, reads, operations });
    await readAll(1);
    const reads = isSmoke ? 5 : isAfterLoad ? 20 : isOfMany ? 50 : 200;
    const stop = stand.times.start();
    const startedAt = performance.now();
    const latencies = await readAll(reads);
    const seconds = (performance.now() - startedAt) / 1_000;
    return {
      events: (isOfMany ? 5 : 3) * reads,
      seconds,
      cpuMicros: stop(),
      counted: ['query', 'clickhouse', 'postgres'],
      details: { rows, subjects, parts: (await parts(installation)).parts, ...latencies },
    };
  });
}

export const query: Bench = {
  name: 'query',
  unit: 'reads',
  about:
    'usage of one subject by hour, total by model, and the ten largest subjects, over 30 days of roll-up rows; and by many names of a million',
  // Rows of history; what is counted are reads.
  events: { full: 20_000_000, smoke: 50_000 },
  variants: [
    { name: 'after a load', measure: (context) => measure(context, { isAfterLoad: true, isOfMany: false }) },
    { name: 'merged', measure: (context) => measure(context, { isAfterLoad: false, isOfMany: false }) },
    {
      name: 'a million subjects, after a load',
      measure: (context) => measure(context, { isAfterLoad: true, isOfMany: true }),
    },
    { name: 'a million subjects', measure: (context) => measure(context, { isAfterLoad: false, isOfMany: true }) },
  ],
};
