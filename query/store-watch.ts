// Whether the stores answer, asked every few seconds: a replica of the query stage that can't answer takes itself out of
// rotation through /readyz, and comes back by itself.
import type { Logger } from 'pino';
import type { QueryContext } from './read.ts';
import { problemOf } from './store-problems.ts';

const WATCH_INTERVAL_MS = 5_000;

export interface StoreWatch {
  /** Null when the last question was answered, else the reason it was not. */
  notReady(): string | null;
  stop(): Promise<void>;
}

/** Resolves after the first answer or failure. */
export async function watchStores(context: QueryContext, logger: Logger): Promise<StoreWatch> {
  let reason: string | null = null;
  let asking: Promise<void> = Promise.resolve();
  const ask = async (): Promise<void> => {
    try {
      await context.freshnessWithin(0);
      if (reason !== null) logger.info('the stores answer again');
      reason = null;
    } catch (error) {
      const problem = problemOf(error);
      if (reason === null) logger.warn({ err: error }, 'the stores do not answer');
      reason = problem instanceof Error ? problem.message : String(problem);
    }
  };
  await ask();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    asking = ask().finally(() => {
      busy = false;
    });
  }, WATCH_INTERVAL_MS);
  timer.unref();
  return {
    notReady: () => reason,
    stop: async () => {
      clearInterval(timer);
      await asking;
    },
  };
}
