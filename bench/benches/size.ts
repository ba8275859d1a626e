// What an event takes: bytes in the log and in ClickHouse once its parts are merged, and CPU time of every stage; and
// what a thousand million events cost by that. One copy of everything: a replicated log or table takes as many times
// the bytes.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { HttpLoadInput, HttpLoadOutput } from '../programs/http-load.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import type { Installation } from '../stand/installation.ts';
import { manySubjects } from '../workload/usage-stream.ts';

const EVENTS_PER_REQUEST = 100;
const CONNECTIONS = 32;
const BILLION = 1e9;
const MICROS_PER_HOUR = 3.6e9;

/** Bytes of the segments of a topic below a broker's directory. */
function logBytes(directory: string, topic: string): number {
  const data = join(directory, 'broker-0', 'data');
  return readdirSync(data)
    .filter((name) => name.startsWith(`${topic}-`))
    .flatMap((name) => readdirSync(join(data, name)).map((file) => join(data, name, file)))
    .filter((file) => file.endsWith('.log'))
    .reduce((sum, file) => sum + statSync(file).size, 0);
}

async function tableBytes({ clickhouse }: Installation): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for (const table of ['usage_events', 'usage_rollups', 'usage_totals']) {
    await clickhouse.command(`OPTIMIZE TABLE ${table} FINAL`);
    const [row] = await clickhouse.query<{ compressed: string; uncompressed: string; rows: string }>(
      `SELECT toString(sum(bytes_on_disk)) AS compressed, toString(sum(data_uncompressed_bytes)) AS uncompressed,
         toString(sum(rows)) AS rows
       FROM system.parts WHERE active AND database = currentDatabase() AND table = {table:String}`,
      { table },
    );
    bytes[table] = Number(row!.compressed);
  }
  return bytes;
}

/** What the server has done since its start: inserts, the rows of them, and the rows that merges wrote again. */
async function engineCounters({
  clickhouse,
}: Installation): Promise<Record<'inserts' | 'inserted' | 'merged', number>> {
  const [row] = await clickhouse.query<{ inserts: string; inserted: string; merged: string }>(
    `SELECT toString(sumIf(value, event = 'InsertQuery')) AS inserts, toString(sumIf(value, event = 'InsertedRows')) AS inserted,
       toString(sumIf(value, event = 'MergedRows')) AS merged
     FROM system.events`,
  );
  return { inserts: Number(row!.inserts), inserted: Number(row!.inserted), merged: Number(row!.merged) };
}

async function measure({ stand, events, isSmoke }: RunContext): Promise<Measurement> {
  const { directory } = await stand.kafka();
  return stand.withInstallation({ log: 'kafka' }, async (installation) => {
    const url = await installation.startStage('ingest', 'gateway');
    await installation.startStage('aggregator');
    await installation.startStage('rater');
    const requests = Math.ceil(events / EVENTS_PER_REQUEST);
    const { program } = await BenchProgram.start<HttpLoadOutput>('http-load', {
      ...{ url, apiKey: installation.apiKey, connections: CONNECTIONS, eventsPerRequest: EVENTS_PER_REQUEST, requests },
      ...{ warmUpRequests: 0, requestsPerSecond: isSmoke ? 0 : 400, workload: { ...manySubjects, stream: 1 } },
    } satisfies HttpLoadInput);
    const before = await engineCounters(installation);
    const stop = stand.times.start();
    const startedAt = performance.now();
    const { output, cpuMicros: loadMicros } = await program.run();
    await installation.untilCounted(output.events);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpuOfStages = stop();
    const after = await engineCounters(installation);
    await program.end();
    await installation.stopStages();

    const log = logBytes(directory!, installation.settings.log.topic);
    const tables = await tableBytes(installation);
    const [rows] = await installation.clickhouse.query<{ rollups: string }>(
      'SELECT toString(count()) AS rollups FROM usage_rollups FINAL',
    );
    const perEvent = (amount: number): number => amount / output.events;
    const cpu = perEvent(Object.values(cpuOfStages).reduce((sum, micros) => sum + micros, 0));
    const clickhouseBytes = perEvent(tables.usage_events! + tables.usage_rollups! + tables.usage_totals!);
    return {
      events: output.events,
      seconds,
      cpuMicros: { ...cpuOfStages, load: loadMicros },
      counted: Object.keys(cpuOfStages),
      details: {
        logBytesPerEvent: perEvent(log),
        clickhouseBytesPerEvent: clickhouseBytes,
        eventRowBytes: perEvent(tables.usage_events!),
        rollUpRowBytes: tables.usage_rollups! / Number(rows!.rollups),
        rollUpRowsPerEvent: perEvent(Number(rows!.rollups)),
        insertsPerSecond: (after.inserts - before.inserts) / seconds,
        insertedRowsPerEvent: perEvent(after.inserted - before.inserted),
        mergedRowsPerEvent: perEvent(after.merged - before.merged),
        billionCoreHours: (cpu * BILLION) / MICROS_PER_HOUR,
        billionLogGB: (perEvent(log) * BILLION) / 1e9,
        billionClickhouseGB: (clickhouseBytes * BILLION) / 1e9,
      },
    };
  });
}

export const size: Bench = {
  name: 'size',
  unit: 'events',
  about:
    'bytes an event in the log and in ClickHouse, CPU time by stage, and a thousand million events worked out from them',
  events: { full: 2_000_000, smoke: 10_000 },
  runs: 3,
  needsKafka: true,
  variants: [{ name: '', measure }],
};
