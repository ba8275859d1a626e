// One of several raters: it has its share of the shards, and rates what is sealed from then on until everything is
// rated, by whomever. Without the auditor, which has work of its own.
import { setTimeout as wait } from 'node:timers/promises';
import pino from 'pino';
import { openClickHouse, openPool } from '../../cli/stores.ts';
import { SHARDS } from '../../domain/accounts/shard.ts';
import { readProgress } from '../../platform/billing-store/rater-progress.ts';
import { shardsOf } from '../../platform/billing-store/rater-shards.ts';
import { realTimers } from '../../platform/calls/timers.ts';
import { createRegistry } from '../../platform/http/admin-routes.ts';
import { parseSettings } from '../../platform/settings/config.ts';
import { startRating } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { storedRating } from '../../rater/store/stored-rating.ts';
import { runAsProgram } from './program.ts';

export interface RaterShareInput {
  readonly environment: Readonly<Record<string, string>>;
  readonly rater: string;
  /** How many there are. */
  readonly raters: number;
  /** It is done when all shards are rated up to there; milliseconds since the epoch. */
  readonly until: number;
}

const LOOK_MS = 200;
const logger = pino({ level: 'warn' }, pino.destination(2));

await runAsProgram<RaterShareInput, null>(async ({ environment, rater, raters, until }) => {
  const settings = parseSettings(environment);
  const pool = openPool(settings, logger, 'bench rater');
  const store = storedRating(pool, openClickHouse(settings, logger));
  const registry = createRegistry();
  const parts = { store, timers: realTimers, metrics: createRaterMetrics(registry), rater };
  const stage = startRating({ settings, logger, registry, clock: Date.now }, parts);
  // What is left to the last of them.
  const hasShare = async (): Promise<boolean> =>
    shardsOf((await store.readShards(rater)).own).length >= SHARDS - (raters - 1) * Math.ceil(SHARDS / raters);
  while (!(await hasShare())) await Promise.race([wait(LOOK_MS), stage.failed]);
  return {
    async work() {
      while (((await readProgress(pool)).watermark ?? 0) < until) await Promise.race([wait(LOOK_MS), stage.failed]);
      return null;
    },
    close: () => stage.stop(),
  };
});
