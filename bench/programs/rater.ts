// One step of the rater over everything that is sealed, and then how long it takes where nothing is to be done. Without
// the auditor, which has work of its own.
import pino from 'pino';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { startRating } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { runAsProgram } from './program.ts';

export interface RaterInput {
  readonly environment: Readonly<Record<string, string>>;
}

export interface RaterOutput {
  /** The most that was resident while it worked. */
  readonly residentBytes: number;
  readonly idleStepMs: number;
}

const IDLE_STEPS = 20;
const MEMORY_LOOK_MS = 100;
const logger = pino({ level: 'warn' }, pino.destination(2));

await runAsProgram<RaterInput, RaterOutput>(async ({ environment }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench rater');
  const store = storedRating(pool, openClickHouse(settings, logger));
  return {
    async work() {
      const registry = createRegistry();
      let residentBytes = 0;
      const look = (): void => {
        residentBytes = Math.max(residentBytes, process.memoryUsage.rss());
      };
      const timer = setInterval(look, MEMORY_LOOK_MS);
      const parts = { store, timers: realTimers, metrics: createRaterMetrics(registry) };
      const stage = startRating({ settings, logger, registry, clock: Date.now }, parts);
      const step = () => Promise.race([stage.rateNow(), stage.failed]);
      // The stage's own steps and those that are asked for here take turns until all is rated.
      while ((await step()) !== 'idle');
      const start = performance.now();
      for (let i = 0; i < IDLE_STEPS; i++) {
        const outcome = await step();
        if (outcome !== 'idle') throw new Error(`a step of the rater found something to do: ${outcome}`);
      }
      const idleStepMs = (performance.now() - start) / IDLE_STEPS;
      clearInterval(timer);
      look();
      await stage.stop();
      return { residentBytes, idleStepMs };
    },
  };
});
