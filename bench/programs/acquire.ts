// An aggregator takes over one partition whose sealed chunks hold many keys, and counts one more record of 500 events:
// how long until that record's rows are queryable.
import { setTimeout as delay } from 'node:timers/promises';
import pino from 'pino';
import { startAggregator } from '../../aggregator/main.ts';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { MemoryLog } from '../workload/memory-log.ts';
import { makeRecords, RECORD_EVENTS } from '../workload/records.ts';
import { manySubjects } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface AcquireInput {
  /** With a flush interval of 10 ms, so that the first flush does not wait for a second to pass. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of the installation's own log, whose place the one in memory takes. */
  readonly topicId: string;
  readonly fromOffset: number;
}

export interface AcquireOutput {
  readonly acquiredSeconds: number;
  readonly flushedSeconds: number;
  readonly residentBytes: number;
}

const logger = pino({ level: 'error' }, pino.destination(2));

await runAsProgram<AcquireInput, AcquireOutput>(async ({ environment, topicId, fromOffset }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench aggregator');
  const clickhouse = openClickHouse(settings, logger);
  const log = new MemoryLog(
    topicId,
    makeRecords({
      workload: { ...manySubjects, stream: 0 },
      events: RECORD_EVENTS,
      partitions: 1,
      fromOffset,
      until: Date.now(),
      isEnded: false,
    }),
  );
  return {
    async work() {
      const startedAt = performance.now();
      const seconds = (): number => (performance.now() - startedAt) / 1_000;
      const context = { settings, logger, registry: createRegistry(), clock: Date.now };
      const stage = await startAggregator(context, { pool, clickhouse, eventLog: log });
      await Promise.race([log.assigned, stage.failed]);
      const acquiredSeconds = seconds();
      await delay(settings.aggregator.flushIntervalMs + 1);
      await Promise.race([log.deliver(), stage.failed]);
      const flushedSeconds = seconds();
      await stage.stop();
      return { acquiredSeconds, flushedSeconds, residentBytes: process.memoryUsage().rss };
    },
  };
});
