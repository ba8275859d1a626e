// Closed windows to line items: one step of the rater over everything that was sealed while it was away.
import type { Bench, RunContext } from '../bench.ts';
import type { RaterInput } from '../programs/rater.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import { insertWindowHistory, sealWindowHistory, type WindowHistory } from '../stand/history.ts';

const DAY_HOURS = 24;
const METERS = 2;

/** Noon of the 15th of the month before this one: all windows then lie in one billing period. */
function middleOfLastMonth(): number {
  const now = new Date();
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 15, 12);
}

export const rater: Bench = {
  name: 'rater',
  unit: 'line items',
  about: 'closed (subject, price) windows priced into line items and ledger entries',
  events: { full: 1_000_000, smoke: 2_000 },
  variants: [
    {
      name: '',
      measure: ({ stand, events }: RunContext) =>
        stand.withInstallation({ log: 'postgres' }, async (installation) => {
          const hours = events >= 100_000 ? 10 * DAY_HOURS : 5;
          const history: WindowHistory = {
            subjects: Math.max(1, Math.round(events / hours / METERS)),
            hours,
            until: middleOfLastMonth(),
            partitions: installation.eventLog.partitions,
            rowsPerInsert: 250_000,
          };
          const windows = history.subjects * hours * METERS;
          await insertWindowHistory(installation.clickhouse, history);
          await sealWindowHistory(installation.pool, installation.clickhouse, history);
          const { program } = await BenchProgram.start<{ residentBytes: number }>(
            'rater',
            { environment: installation.environment } satisfies RaterInput,
            { heapMB: 8_192 },
          );
          const stop = stand.times.start();
          const { output, seconds, cpuMicros } = await program.run();
          const cpuOfStores = stop();
          await program.end();
          const { rows } = await installation.pool.query<{ count: number }>(
            'SELECT count(*)::int AS count FROM tallyline.line_items',
          );
          const written = rows[0]!.count;
          if (written !== windows) throw new Error(`${written} line items were written for ${windows} closed windows`);
          return {
            events: written,
            seconds,
            cpuMicros: { rater: cpuMicros, ...cpuOfStores },
            counted: ['rater', 'clickhouse', 'postgres'],
            details: {
              subjects: history.subjects,
              windowsPerSubject: hours,
              residentMB: output.residentBytes / 1e6,
            },
          };
        }),
    },
  ],
};
