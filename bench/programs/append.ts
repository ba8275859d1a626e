// Batches of events appended to a log, to one partition after the other, as many at a time as the log has partitions.
import pino from 'pino';
import { openEventLog, openPool } from '../../cli/stores.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { makeRecords } from '../workload/records.ts';
import type { Workload } from '../workload/usage-stream.ts';
import { runAsProgram } from './program.ts';

export interface AppendInput {
  readonly environment: Readonly<Record<string, string>>;
  readonly workload: Workload;
  readonly events: number;
}

const logger = pino({ level: 'error' }, pino.destination(2));

await runAsProgram<AppendInput, null>(async ({ environment, workload, events }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench append');
  const log = await openEventLog(settings, pool, logger);
  const records = makeRecords({ workload, events, partitions: log.partitions, until: Date.now(), isEnded: false });
  return {
    async work() {
      await Promise.all(
        records.map(async (ofPartition, partition) => {
          for (const { value } of ofPartition) await log.append(partition, [value]);
        }),
      );
      return null;
    },
    async close() {
      await log.close();
      await pool.end();
    },
  };
});
