// Composition root of the rater: one loop that rates whatever was sealed, every settings.rater.intervalMs, and the
// auditor.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import { delay } from '../platform/calls/retry.ts';
import { realTimers, type Timers } from '../platform/calls/timers.ts';
import { auditTerms, moneyTerms, onTerms } from '../platform/clickhouse/call-terms.ts';
import { type ClickHouse, ClickHouseError } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { assertUnfenced } from '../platform/postgres/tenant-fence.ts';
import { isTransientPostgresError } from '../platform/postgres/transient.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import { Auditor } from './audit/watch/auditor.ts';
import { RatingInvariantError } from './core/rate.ts';
import { createRaterMetrics, type RaterMetrics } from './metrics.ts';
import { RatingLoop, type StepOutcome } from './rating/rating-loop.ts';
import { ShardLease } from './rating/shard-lease.ts';
import type { RatingStore } from './store/rating-store.ts';
import { storedRating } from './store/stored-rating.ts';

export interface RaterParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  /** Only asked what it holds. */
  readonly eventLog: Pick<EventLog, 'topicId' | 'bounds'>;
}

export interface RaterStage extends Stage {
  /** Rates now what is sealed now, without waiting for the interval; after a running step has ended. */
  rateNow(): Promise<StepOutcome>;
}

const faults: Readonly<Partial<Record<StepOutcome, string>>> = {
  mismatch: 'ClickHouse does not hold what was sealed; see the log for the chunks',
  damaged: 'a part of ClickHouse can’t be read, and what needs it is not rated: run `tallyline repair`',
};

/** A store did not answer: what was given up may be done again. */
export const isTransient = (error: unknown): boolean =>
  error instanceof ClickHouseError ? error.retriable : isTransientPostgresError(error);

export async function startRater(
  context: StageContext,
  { pool, clickhouse, eventLog }: RaterParts,
): Promise<RaterStage> {
  const { settings, clock, logger, registry } = context;
  await assertUnfenced(pool);
  const store = storedRating(pool, onTerms(clickhouse, moneyTerms));
  const metrics = createRaterMetrics(registry);
  const rating = startRating(context, { store, timers: realTimers, metrics });
  const auditor = new Auditor({
    // An audit takes its share beside the reads of the API, and none of what is billed.
    ...{
      pool,
      eventLog,
      clickhouse: onTerms(clickhouse, auditTerms),
      store: storedRating(pool, onTerms(clickhouse, auditTerms)),
      logger,
      clock,
      timers: realTimers,
    },
    audited: metrics.audited,
    intervalMs: settings.rater.auditIntervalMs,
  });
  auditor.start();
  return {
    ...rating,
    async stop() {
      await auditor.stop();
      await rating.stop();
    },
  };
}

export interface RatingParts {
  readonly store: RatingStore;
  readonly timers: Timers;
  readonly metrics: RaterMetrics;
  /** Customers rated in one transaction. */
  readonly batchCustomersMax?: number;
  /** Customers whom a version of the catalog concerns, marked in one statement. */
  readonly markedCustomersMax?: number;
  /** Windows held in memory. */
  readonly stepWindowsMax?: number;
  /** Its name among the raters. Default: that of the machine, the process and this life of it. */
  readonly rater?: string;
}

/** The rater's loop on any store. */
export function startRating(context: StageContext, parts: RatingParts): RaterStage {
  const { settings, logger, clock } = context;
  const { store, timers, metrics, rater = `${hostname()} ${process.pid} ${randomUUID()}` } = parts;
  const loop = new RatingLoop({ ...parts, rater, logger, clock, allowedLatenessMs: settings.allowedLatenessMs });
  const lease = new ShardLease({ store, rater, leaseMs: settings.rater.leaseMs, timers, logger });
  const stopping = new AbortController();
  let notReady: string | null = 'the first step is not done yet';

  const leasedStep = async (): Promise<StepOutcome> => {
    await lease.begin();
    try {
      return await loop.step();
    } catch (error) {
      // Another rater may reach the stores.
      await lease.end();
      loop.forgetShards();
      throw error;
    }
  };

  // Steps follow each other, never overlap; a step that was asked for waits its turn.
  let lastStep: Promise<unknown> = Promise.resolve();
  const step = (): Promise<StepOutcome> => {
    const next = lastStep.then(leasedStep);
    lastStep = next.catch(() => undefined);
    return next;
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const outcome = await step();
        notReady = faults[outcome] ?? null;
        if (outcome === 'unfinished') continue;
      } catch (error) {
        if (error instanceof RatingInvariantError) metrics.discrepancy('I4', 1);
        if (!isTransient(error)) throw error;
        // The step is done again as a whole; nothing of it that was not committed counts.
        notReady = `a store does not answer: ${(error as Error).message}`;
        logger.warn({ err: error }, 'a rating step was given up; it is done again');
      }
      await delay(settings.rater.intervalMs, stopping.signal, timers);
    }
  };
  const running = run();
  // Rejects with the loop, and stays open when the loop ends because of `stop`.
  const failed = new Promise<never>((_resolve, reject) => {
    running.catch(reject);
  });
  failed.catch(() => lease.stop());

  return {
    name: 'rater',
    notReady: () => notReady,
    failed,
    async rateNow() {
      for (;;) {
        const ended = await step();
        if (ended !== 'unfinished') return ended;
      }
    },
    async stop() {
      stopping.abort();
      await running.catch(() => undefined);
      await lastStep;
      await lease.stop();
    },
  };
}
