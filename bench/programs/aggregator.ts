// The whole aggregator on a log in memory: decode, decide, roll up, rows to ClickHouse, chunks read back and sealed in
// Postgres.
import pino from 'pino';
import { startAggregator } from '../../aggregator/main.ts';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import type { LogRecord } from '../../platform/event-log/event-log.ts';
import { encodeCatalogChange } from '../../platform/event-log/record-codec.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { MemoryLog } from '../workload/memory-log.ts';
import { makeRecords } from '../workload/records.ts';
import type { Workload } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface AggregatorInput {
  readonly environment: Readonly<Record<string, string>>;
  /** Of the installation's own log, whose place the one in memory takes. */
  readonly topicId: string;
  readonly workload: Workload;
  readonly events: number;
  readonly partitions: number;
}

const logger = pino({ level: 'error' }, pino.destination(2));

/** The catalog takes effect with the first record of each partition. */
const withCatalog = (records: LogRecord[]): LogRecord[] => [
  { offset: 0, appendTime: records[0]?.appendTime ?? Date.now(), value: encodeCatalogChange({ version: 1 }) },
  ...records,
];

await runAsProgram<AggregatorInput, null>(async ({ environment, topicId, workload, events, partitions }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench aggregator');
  const clickhouse = openClickHouse(settings, logger);
  const made = makeRecords({ workload, events, partitions, fromOffset: 1, until: Date.now(), isEnded: true });
  const log = new MemoryLog(topicId, made.map(withCatalog));
  const context = { settings, logger, registry: createRegistry(), clock: Date.now };
  const stage = await startAggregator(context, { pool, clickhouse, eventLog: log });
  await log.assigned;
  return {
    async work() {
      await Promise.race([log.deliver(), stage.failed]);
      return null;
    },
    async close() {
      await stage.stop();
      await clickhouse.close();
      await pool.end();
    },
  };
});
