// The aggregator: what it computes alone, with all it writes, and with one subject that sends nearly everything.
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { AggregatorInput } from '../programs/aggregator.ts';
import type { AggregatorCoreInput, AggregatorCoreOutput } from '../programs/aggregator-core.ts';
import { BenchProgram, runProgram } from '../stand/bench-program.ts';
import type { Installation } from '../stand/installation.ts';
import { fewSubjects, manySubjects, type Workload } from '../workload/usage-stream.ts';

type Spread = Omit<Workload, 'stream'>;

const measureCore =
  (spread: Spread, counter: AggregatorCoreInput['counter'] = 'fast') =>
  async ({ events, isSmoke }: RunContext): Promise<Measurement> => {
    const input: AggregatorCoreInput = {
      counter,
      workload: { ...spread, stream: 1 },
      events,
      warmUpEvents: isSmoke ? 1_000 : Math.round(events / 4),
    };
    const { output, seconds, cpuMicros } = await runProgram<AggregatorCoreOutput>('aggregator-core', input, {
      heapMB: 8_192,
    });
    if (output.accepted !== events) throw new Error(`${output.accepted} of ${events} events were accepted`);
    const countingMicros = cpuMicros - output.rowsCpuMicros;
    return {
      events,
      seconds: seconds - output.rowsSeconds,
      cpuMicros: { aggregator: countingMicros },
      details: {
        eventsPerSecondACore: (events * 1e6) / countingMicros,
        rowsCpuMicrosPerEvent: output.rowsCpuMicros / events,
        rollUpRowsPerEvent: output.rollUpRows / events,
      },
    };
  };

export const aggregatorCore: Bench = {
  name: 'aggregator-core',
  unit: 'events',
  about: 'decode, decide and roll up, nothing written: 2 meters, 3 dimensions',
  events: { full: 2_000_000, smoke: 20_000 },
  variants: [
    { name: '20,000 subjects', measure: measureCore(manySubjects) },
    { name: '200 skewed subjects', measure: measureCore(fewSubjects) },
    { name: '20,000 subjects, plain counter', measure: measureCore(manySubjects, 'plain') },
  ],
};

/** Of one aggregator process; in a cluster of three on 12 partitions it would have as many. */
const PARTITIONS = 4;

/** Counts events from memory into the installation's stores. `stream`: of events that are new to it. */
export async function countInto(
  { stand, events }: Pick<RunContext, 'stand' | 'events'>,
  installation: Installation,
  workload: Workload,
): Promise<Measurement> {
  const input: AggregatorInput = {
    environment: installation.environment,
    topicId: installation.eventLog.topicId,
    workload,
    events,
    partitions: installation.eventLog.partitions,
  };
  const { program } = await BenchProgram.start<null>('aggregator', input, { heapMB: 8_192 });
  const stop = stand.times.start();
  const { seconds, cpuMicros } = await program.run();
  const cpuOfStores = stop();
  await program.end();
  const counted = await installation.countedEvents();
  if (counted !== events) throw new Error(`${counted} of ${events} events were counted`);
  const [rows] = await installation.clickhouse.query<{ rollups: string; parts: string }>(
    `SELECT (SELECT toString(count()) FROM usage_rollups FINAL) AS rollups,
       (SELECT toString(count()) FROM system.parts WHERE active AND database = currentDatabase()) AS parts`,
  );
  return {
    events,
    seconds,
    cpuMicros: { aggregator: cpuMicros, ...cpuOfStores },
    counted: ['aggregator', 'clickhouse'],
    details: { rollUpRowsPerEvent: Number(rows!.rollups) / events, parts: Number(rows!.parts) },
  };
}

const measureWithWrites =
  (spread: Spread) =>
  (context: RunContext): Promise<Measurement> =>
    context.stand.withInstallation(
      { log: 'postgres', settings: { TALLYLINE_PARTITIONS: String(PARTITIONS) } },
      (installation) => countInto(context, installation, { ...spread, stream: 1 }),
    );

export const aggregator: Bench = {
  name: 'aggregator',
  unit: 'events',
  about: 'the whole aggregator on a log in memory: all rows to ClickHouse, chunks read back and sealed in Postgres',
  events: { full: 1_500_000, smoke: 20_000 },
  variants: [
    { name: '20,000 subjects', measure: measureWithWrites(manySubjects) },
    { name: '200 skewed subjects', measure: measureWithWrites(fewSubjects) },
  ],
};

export const giant: Bench = {
  name: 'giant',
  unit: 'events',
  about: 'one subject sends 90 % of the events, against the even spread: the whole aggregator, as a ratio',
  events: { full: 1_500_000, smoke: 20_000 },
  variants: [
    { name: 'even', measure: measureWithWrites(manySubjects) },
    { name: 'giant', measure: measureWithWrites({ ...manySubjects, spread: 'giant' }) },
  ],
  compare(summaries) {
    const even = summaries.get('even')!;
    const giantOne = summaries.get('giant')!;
    return {
      eventsPerSecondToEven: giantOne.eventsPerSecond / even.eventsPerSecond,
      cpuToEven: giantOne.cpuMicrosPerEvent / even.cpuMicrosPerEvent,
    };
  },
};
