// What it takes to remember keys, and to take a partition over that has many.
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { AcquireInput, AcquireOutput } from '../programs/acquire.ts';
import type { DedupInput, DedupOutput } from '../programs/dedup.ts';
import { BenchProgram, runProgram } from '../stand/bench-program.ts';
import { type EventHistory, insertEventHistory, sealEventHistory } from '../stand/history.ts';

const PARTITIONS = 12;

export const dedup: Bench = {
  name: 'dedup',
  unit: 'keys',
  about: 'keys remembered in one process: bytes a key, time of a look-up, and a sample checked for false answers',
  events: { full: 100_000_000, smoke: 1_000_000 },
  variants: [
    { name: 'in memory', measure: (context: RunContext) => remember(context, null) },
    // A twentieth of what they take in memory.
    { name: 'in files', measure: (context: RunContext) => remember(context, context.events * 1.6) },
  ],
};

async function remember({ events }: RunContext, memoryBytes: number | null): Promise<Measurement> {
  const sample = Math.min(events, 200_000);
  const { output } = await runProgram<DedupOutput>('dedup', {
    keys: events,
    partitions: PARTITIONS,
    sample,
    memoryBytes,
  } satisfies DedupInput);
  return {
    events,
    seconds: output.addSeconds,
    cpuMicros: { aggregator: output.addCpuMicros },
    details: {
      indexBytesPerKey: output.indexBytes / events,
      residentBytesPerKey: output.residentBytes / events,
      hotLookNanos: output.hotLookNanos,
      newLookNanos: output.newLookNanos,
      untouchedLookNanos: output.untouchedLookNanos,
      checkedKeys: output.checked,
    },
  };
}

export const acquire: Bench = {
  name: 'acquire',
  unit: 'keys',
  about: 'taking over a partition whose sealed chunks hold many keys, until its first rows are queryable',
  events: { full: 50_000_000, smoke: 100_000 },
  variants: [
    {
      name: '',
      measure: ({ stand, events }: RunContext) =>
        stand.withInstallation(
          { log: 'postgres', settings: { TALLYLINE_PARTITIONS: '1', TALLYLINE_FLUSH_INTERVAL: '10ms' } },
          async (installation) => {
            const history: EventHistory = {
              ...{ events, partition: 0, until: Date.now() - 60_000, days: 30, rowsPerInsert: 1_000_000 },
            };
            await insertEventHistory(installation.clickhouse, history);
            const fromOffset = await sealEventHistory(installation.pool, installation.clickhouse, history);
            const input: AcquireInput = {
              environment: installation.environment,
              topicId: installation.eventLog.topicId,
              fromOffset,
            };
            const { program } = await BenchProgram.start<AcquireOutput>('acquire', input);
            const stop = stand.times.start();
            const { output, cpuMicros } = await program.run();
            const cpuOfStores = stop();
            await program.end();
            if ((await installation.countedEvents()) === 0) throw new Error('nothing was flushed');
            return {
              events,
              seconds: output.flushedSeconds,
              cpuMicros: { aggregator: cpuMicros, ...cpuOfStores },
              counted: ['aggregator', 'clickhouse', 'postgres'],
              details: {
                secondsToAcquired: output.acquiredSeconds,
                secondsToFirstFlush: output.flushedSeconds,
                residentBytesPerKey: output.residentBytes / events,
              },
            };
          },
        ),
    },
  ],
};
