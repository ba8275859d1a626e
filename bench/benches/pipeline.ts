// The whole line on this machine, at a fixed rate for a while: what is sustained, how long until an event is queryable,
// and whether memory stays flat. On Kafka with a process for every stage, and as `tallyline up` without Kafka.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setInterval as every } from 'node:timers/promises';
import pino from 'pino';
import { createClickHouse } from '../../platform/clickhouse/client.ts';
import { startUp } from '../../test/support/processes/up.ts';
import { until } from '../../test/support/until.ts';
import type { Bench, CpuByStage, Measurement, RunContext } from '../bench.ts';
import type { HttpLoadInput, HttpLoadOutput } from '../programs/http-load.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import type { ProcessTimes } from '../stand/process-times.ts';
import { histogramOf, quantileOf, shareWithin } from '../stand/prometheus-histogram.ts';
import { catalogYaml, manySubjects } from '../workload/usage-stream.ts';

const EVENTS_PER_REQUEST = 100;
const CONNECTIONS = 32;
const SAMPLE_MS = 1_000;
const COUNTED_TIMEOUT_MS = 600_000;

interface Line {
  readonly url: string;
  readonly apiKey: string;
  readonly aggregatorUrl: string;
  countedEvents(): Promise<number>;
}

const onlyOf = <Value>(
  figures: Readonly<Record<string, Value>>,
  isOfLine: (role: string) => boolean,
): Record<string, Value> => Object.fromEntries(Object.entries(figures).filter(([role]) => isOfLine(role)));

/**
 * The memory of each role at the end, and by which share it grew from the second to the last quarter of the samples.
 */
function growthOf(samples: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const mean = (part: readonly Readonly<Record<string, number>>[], role: string): number =>
    part.reduce((sum, sample) => sum + (sample[role] ?? 0), 0) / Math.max(1, part.length);
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const early = samples.slice(quarter, 2 * quarter);
  const late = samples.slice(-quarter);
  const roles = Object.keys(samples.at(-1) ?? {});
  const growth: Record<string, number> = {};
  for (const role of roles) {
    growth[`${role}MemoryMB`] = mean(late, role) / 1e6;
    if (early.length > 0 && mean(early, role) > 0)
      growth[`${role}MemoryGrowth`] = mean(late, role) / mean(early, role) - 1;
  }
  return growth;
}

async function measureLine(
  { events, ratePerSecond, isSmoke }: RunContext,
  times: ProcessTimes,
  line: Line,
  isOfLine: (role: string) => boolean = () => true,
): Promise<Measurement> {
  const warmUpRequests = isSmoke ? CONNECTIONS : 2_000;
  const load: HttpLoadInput = {
    ...{ url: line.url, apiKey: line.apiKey, connections: CONNECTIONS, eventsPerRequest: EVENTS_PER_REQUEST },
    ...{ requests: Math.ceil(events / EVENTS_PER_REQUEST), warmUpRequests },
    requestsPerSecond: ratePerSecond / EVENTS_PER_REQUEST,
    workload: { ...manySubjects, stream: 1 },
  };
  const untilCounted = (wanted: number): Promise<void> =>
    until(
      async () => (await line.countedEvents()) === wanted,
      `${wanted} events are queryable`,
      COUNTED_TIMEOUT_MS,
      50,
    );
  const { program } = await BenchProgram.start<HttpLoadOutput>('http-load', load);
  await untilCounted(warmUpRequests * EVENTS_PER_REQUEST);
  const lagBefore = await histogramOf(line.aggregatorUrl, 'tallyline_metering_lag_seconds');

  const stop = times.start();
  const startedAt = performance.now();
  const samples: Readonly<Record<string, number>>[] = [];
  const sampling = new AbortController();
  const sampler = (async () => {
    for await (const _ of every(SAMPLE_MS, null, { signal: sampling.signal }))
      samples.push(onlyOf(times.memoryBytes(), isOfLine));
  })().catch(() => {});
  const { output, seconds: sentSeconds, cpuMicros: loadMicros } = await program.run();
  await untilCounted(output.events + warmUpRequests * EVENTS_PER_REQUEST);
  const seconds = (performance.now() - startedAt) / 1_000;
  sampling.abort();
  await sampler;
  samples.push(onlyOf(times.memoryBytes(), isOfLine));
  const cpuMicros: CpuByStage = { ...onlyOf(stop(), isOfLine), load: loadMicros };
  await program.end();
  const lag = await histogramOf(line.aggregatorUrl, 'tallyline_metering_lag_seconds');
  return {
    events: output.events,
    seconds,
    cpuMicros,
    counted: Object.keys(cpuMicros).filter((stage) => stage !== 'load'),
    details: {
      offeredPerSecond: ratePerSecond,
      sentPerSecond: output.events / sentSeconds,
      secondsBehindAtEnd: seconds - sentSeconds,
      requestP50Ms: output.p50Ms,
      requestP99Ms: output.p99Ms,
      queryableP50Seconds: quantileOf(lagBefore, lag, 0.5),
      queryableP99Seconds: quantileOf(lagBefore, lag, 0.99),
      queryableIn5SecondsPercent: 100 * shareWithin(lagBefore, lag, 5),
      refusedRequests: output.refused,
      ...growthOf(samples),
    },
  };
}

export const pipeline: Bench = {
  name: 'pipeline',
  unit: 'events',
  about:
    'load, gateway, Kafka, aggregator, ClickHouse and rater on one machine for ten minutes: rate, freshness, memory',
  events: { full: 36_000_000, smoke: 20_000 },
  ratePerSecond: { full: 60_000, smoke: 10_000 },
  runs: 1,
  needsKafka: true,
  variants: [
    {
      name: '',
      measure: (context) =>
        context.stand.withInstallation({ log: 'kafka' }, async (installation) => {
          const url = await installation.startStage('ingest', 'gateway');
          const aggregatorUrl = await installation.startStage('aggregator');
          await installation.startStage('rater');
          const { apiKey } = installation;
          const countedEvents = () => installation.countedEvents();
          return measureLine(context, context.stand.times, { url, apiKey, aggregatorUrl, countedEvents });
        }),
    },
  ],
};

/** Sets its stores apart from those of the stand, which other benches use. */
const UP = 'up-';

async function measureUp(context: RunContext): Promise<Measurement> {
  const { times, directory } = context.stand;
  const dataDir = await mkdtemp(join(directory, 'up-'));
  const catalogFile = join(dataDir, 'catalog.yaml');
  await writeFile(catalogFile, catalogYaml);
  const up = await startUp(dataDir, ['--catalog', catalogFile], { LOG_LEVEL: 'warn' });
  try {
    const stages = up.stages();
    for (const [name, { pid }] of Object.entries(stages)) times.add(pid, `${UP}${name}`);
    const { origin, username, password, pathname } = new URL(stages.clickhouse!.url);
    const clickhouse = createClickHouse(
      { url: origin, username, password, database: pathname.slice(1) },
      pino({ level: 'silent' }),
    );
    try {
      const countedEvents = async (): Promise<number> => {
        const [row] = await clickhouse.query<{ events: string }>(
          'SELECT toString(sum(accepted)) AS events FROM manifests FINAL',
        );
        return Number(row!.events);
      };
      const aggregatorUrl = stages.aggregator!.url;
      const line = { url: up.url, apiKey: up.apiKey, aggregatorUrl, countedEvents };
      return await measureLine(context, times, line, (role) => role.startsWith(UP));
    } finally {
      await clickhouse.close();
      for (const { pid } of Object.values(stages)) times.remove(pid);
    }
  } finally {
    await up.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

export const embedded: Bench = {
  name: 'embedded',
  unit: 'events',
  about: '`tallyline up` without Kafka: as many events as it takes, until all of them are queryable',
  events: { full: 2_000_000, smoke: 20_000 },
  variants: [{ name: '', measure: measureUp }],
};
