// Whether what is done now depends on how much was done before: the same events appended, counted and read over a
// history of 3, 30 and 300 days at one rate. Every curve is to be flat.
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { AppendInput } from '../programs/append.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import { insertEventHistory, insertRollUpHistory } from '../stand/history.ts';
import type { Installation } from '../stand/installation.ts';
import { measureReads } from '../stand/usage-reads.ts';
import { manySubjects } from '../workload/usage-stream.ts';
import { countInto } from './aggregator.ts';

const HOUR_MS = 3_600_000;
/** Of 1x; the rate is the same in all of them. */
const DAYS = 3;
const PARTITIONS = 4;
const RECORD_EVENTS = 500;

/** Old records of the log in Postgres: the size of a batch, and a place before the ones that are to come. */
async function insertLogHistory({ pool, settings }: Installation, events: number): Promise<void> {
  const records = Math.ceil(events / RECORD_EVENTS / PARTITIONS);
  await pool.query(
    `INSERT INTO tallyline.log_records (topic, partition, "offset", append_time, value)
     SELECT $1, partition, p.end_offset + number, now() - interval '1 day', convert_to(repeat(md5(number::text), 3000), 'UTF8')
     FROM tallyline.log_partitions p CROSS JOIN generate_series(0, $2::int - 1) AS number WHERE p.topic = $1`,
    [settings.log.topic, records],
  );
  await pool.query('UPDATE tallyline.log_partitions SET end_offset = end_offset + $2 WHERE topic = $1', [
    settings.log.topic,
    records,
  ]);
}

async function measure({ stand, events, isSmoke }: RunContext, factor: number): Promise<Measurement> {
  return stand.withInstallation(
    { log: 'postgres', settings: { TALLYLINE_PARTITIONS: String(PARTITIONS) } },
    async (installation) => {
      const { clickhouse } = installation;
      const until = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - HOUR_MS;
      const rows = (isSmoke ? 500 : 200_000) * factor;
      const rowsPerInsert = isSmoke ? 25_000 : 500_000;
      // Few enough that each of them has rows in the day that is read.
      const subjects = isSmoke ? 10 : 2_000;
      const place = { partitions: PARTITIONS, firstPartition: PARTITIONS };
      // A fixed day of the same rows, which is read; the history before it is as much longer as it is larger.
      const dayRows = isSmoke ? 500 : 200_000;
      await insertRollUpHistory(clickhouse, {
        ...{ ...place, rows, subjects, rowsPerInsert },
        days: DAYS * factor,
        until: until - 24 * HOUR_MS,
      });
      await insertRollUpHistory(clickhouse, { ...place, rows: dayRows, subjects, days: 1, until, rowsPerInsert });
      for (let partition = 0; partition < PARTITIONS; partition++) {
        await insertEventHistory(clickhouse, {
          ...{
            events: Math.ceil(rows / PARTITIONS),
            partition: PARTITIONS + partition,
            until,
            days: DAYS * factor,
            rowsPerInsert,
          },
        });
      }
      await insertLogHistory(installation, isSmoke ? 500 * factor : rows);

      const append: AppendInput = {
        environment: installation.environment,
        workload: { ...manySubjects, stream: 2 },
        events: Math.ceil(events / 4),
      };
      const { program } = await BenchProgram.start<null>('append', append);
      const stopAppend = stand.times.start();
      const appended = await program.run();
      const appendMicros = appended.cpuMicros + (stopAppend().postgres ?? 0);
      await program.end();

      const counted = await countInto({ stand, events }, installation, { ...manySubjects, stream: 1 });
      const queryUrl = await installation.startStage('query');
      const wanted = { until, days: 1, subjects };
      await measureReads(installation, queryUrl, { ...wanted, reads: 1 });
      const latencies = await measureReads(installation, queryUrl, { ...wanted, reads: isSmoke ? 3 : 50 });
      return {
        ...counted,
        details: {
          historyRows: rows,
          appendMicrosPerEvent: appendMicros / append.events,
          parts: counted.details!.parts!,
          ...latencies,
        },
      };
    },
  );
}

export const growth: Bench = {
  name: 'growth',
  unit: 'events',
  about: 'append, count and read over a history of 1x, 10x and 100x: the log in Postgres, rows in ClickHouse',
  events: { full: 500_000, smoke: 4_000 },
  variants: [1, 10, 100].map((factor) => ({
    name: `${factor}x`,
    measure: (context: RunContext) => measure(context, factor),
  })),
};
