// One run of a plan, and what is known about it afterwards.
import type { Plan } from './plan.ts';
import { type RunOptions, World } from './world.ts';

export interface RunResult {
  /** Null: every invariant held. */
  readonly failure: Error | null;
  readonly traceHash: number;
  readonly actions: number;
  readonly trace: readonly string[] | null;
  readonly figures: Readonly<Record<string, number>>;
}

export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const world = new World(plan, options);
  let failure: Error | null = null;
  try {
    await world.run();
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const { scheduler, oracle, postgres, log } = world;
  return {
    failure,
    traceHash: scheduler.traceHash >>> 0,
    actions: scheduler.actions,
    trace: scheduler.trace,
    figures: {
      requests: plan.requests.length,
      faults: plan.faults.length,
      acknowledged: oracle.acknowledged,
      ...oracle.counts,
      records: log.partitions.reduce((sum, { records }) => sum + records.length, 0),
      seals: postgres.seals.reduce((sum, seals) => sum + seals.length, 0),
      reopened: postgres.reopenedSeals,
      recounted: postgres.recounts.seals.reduce((sum, seals) => sum + seals.length, 0),
      epochs: postgres.progress.reduce((sum, { epoch }) => sum + Number(epoch), 0),
      ratings: world.money.checks,
      items: [...world.rating.items.values()].reduce((sum, items) => sum + items.length, 0),
      crashes: world.deployment.restarts,
      halts: world.deployment.halts,
    },
  };
}
