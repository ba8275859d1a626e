// One step of the rater over everything that is sealed.
import pino from 'pino';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { startRater } from '../../rater/main.ts';
import { runAsProgram } from './program.ts';

export interface RaterInput {
  readonly environment: Readonly<Record<string, string>>;
}

/** The roll-ups of the bench come from no log. */
const emptyLog = { topicId: '', bounds: async () => [] };
const logger = pino({ level: 'warn' }, pino.destination(2));

await runAsProgram<RaterInput, { readonly residentBytes: number }>(async ({ environment }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench rater');
  const clickhouse = openClickHouse(settings, logger);
  return {
    async work() {
      const context = { settings, logger, registry: createRegistry(), clock: Date.now };
      const stage = await startRater(context, { pool, clickhouse, eventLog: emptyLog });
      // The stage's first step does it all; the one that is asked for here waits for its end.
      const outcome = await Promise.race([stage.rateNow(), stage.failed]);
      if (outcome !== 'idle') throw new Error(`the rater's second step found something to do: ${outcome}`);
      await stage.stop();
      return { residentBytes: process.memoryUsage().rss };
    },
  };
});
