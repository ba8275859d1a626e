// A rater that is up to date and then rates what was sealed since. Without the auditor, which has work of its own.
import pino from 'pino';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { startRating } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { runAsProgram } from './program.ts';

export interface RaterHourInput {
  /** With an interval that does not end before the bench does: a step is to be taken when it is asked for. */
  readonly environment: Readonly<Record<string, string>>;
}

const logger = pino({ level: 'warn' }, pino.destination(2));

await runAsProgram<RaterHourInput, null>(async ({ environment }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench rater');
  const store = storedRating(pool, openClickHouse(settings, logger));
  const registry = createRegistry();
  const parts = { store, timers: realTimers, metrics: createRaterMetrics(registry) };
  const stage = startRating({ settings, logger, registry, clock: Date.now }, parts);
  const step = async (expected: string): Promise<null> => {
    const outcome = await Promise.race([stage.rateNow(), stage.failed]);
    if (outcome !== expected) throw new Error(`the rater's step was '${outcome}', not '${expected}'`);
    return null;
  };
  // After the stage's first step, which rates what is there.
  await step('idle');
  return { work: () => step('rated'), close: () => stage.stop() };
});
