// One, two and four aggregator processes share twelve partitions of Kafka. They own their partitions and stand idle
// before the first event comes, so that neither their start nor the rebalancing is measured.

import { until } from '../../test/support/until.ts';
import type { Bench, Measurement, RunContext } from '../bench.ts';
import type { AppendInput } from '../programs/append.ts';
import { BenchProgram } from '../stand/bench-program.ts';
import type { Installation } from '../stand/installation.ts';
import { manySubjects } from '../workload/usage-stream.ts';

const OWNED_TIMEOUT_MS = 60_000;

/** Every partition owned, and each process owner of its share. */
async function untilShared({ pool, eventLog }: Installation, aggregators: number): Promise<void> {
  await until(
    async () => {
      const { rows } = await pool.query<{ owned: number }>(
        'SELECT count(*)::int AS owned FROM tallyline.partition_progress WHERE owner IS NOT NULL GROUP BY owner',
      );
      const share = Math.floor(eventLog.partitions / aggregators);
      return rows.length === aggregators && rows.every(({ owned }) => owned >= share);
    },
    `${eventLog.partitions} partitions are shared by ${aggregators} aggregators`,
    OWNED_TIMEOUT_MS,
    50,
  );
}

async function measure({ stand, events }: RunContext, aggregators: number): Promise<Measurement> {
  return stand.withInstallation({ log: 'kafka' }, async (installation) => {
    for (let i = 0; i < aggregators; i++) await installation.startStage('aggregator', `aggregator-${i}`);
    await untilShared(installation, aggregators);
    const append: AppendInput = {
      environment: installation.environment,
      workload: { ...manySubjects, stream: 1 },
      events,
    };
    const { program } = await BenchProgram.start<null>('append', append, { heapMB: 8_192 });
    const stop = stand.times.start();
    const startedAt = performance.now();
    const appended = await program.run();
    await installation.untilCounted(events);
    const seconds = (performance.now() - startedAt) / 1_000;
    const byProcess = stop();
    await program.end();
    const cpuMicros: Record<string, number> = { load: appended.cpuMicros, aggregator: 0 };
    for (const [role, micros] of Object.entries(byProcess)) {
      const stage = role.replace(/-\d$/, '');
      cpuMicros[stage] = (cpuMicros[stage] ?? 0) + micros;
    }
    return {
      events,
      seconds,
      cpuMicros,
      counted: ['aggregator', 'clickhouse'],
      details: { aggregators },
    };
  });
}

export const scaleOut: Bench = {
  name: 'scale-out',
  unit: 'events',
  about: '1, 2 and 4 aggregator processes over 12 partitions of Kafka',
  events: { full: 3_000_000, smoke: 12_000 },
  needsKafka: true,
  variants: [1, 2, 4].map((aggregators) => ({
    name: aggregators === 1 ? '1 aggregator' : `${aggregators} aggregators`,
    measure: (context: RunContext) => measure(context, aggregators),
  })),
  compare(summaries) {
    const rate = (variant: string): number => summaries.get(variant)!.eventsPerSecond;
    return {
      speedUpOf2: rate('2 aggregators') / rate('1 aggregator'),
      speedUpOf4: rate('4 aggregators') / rate('1 aggregator'),
    };
  },
};
