// Makes a failing plan smaller while it still fails in the same way: first the faults, then what clients send, then the
// changes of the catalog and of accounts. Runs are deterministic, so what is left is enough to see the
// failure again.
import type { Plan } from './plan.ts';
import { runPlan } from './run.ts';

const RUNS_MAX = 150;

/** Failures are the same when the same invariant is broken. */
const kindOf = (failure: Error | null): string | null => failure && failure.message.split(':')[0]!;

export async function shrink(
  plan: Plan,
  failure: Error,
): Promise<{ plan: string; trace: readonly string[]; stack: string }> {
  const kind = kindOf(failure);
  let runs = 0;
  const fails = async (candidate: Plan): Promise<boolean> => {
    runs++;
    return kindOf((await runPlan(candidate)).failure) === kind;
  };
  let smallest = plan;
  for (const part of ['faults', 'requests', 'catalogs', 'assignments', 'subscribings'] as const) {
    // Leaves out ever smaller runs of entries (as delta debugging does).
    for (let size = Math.ceil(smallest[part].length / 2); size >= 1 && runs < RUNS_MAX; size = Math.floor(size / 2)) {
      for (let at = part === 'catalogs' ? 1 : 0; at < smallest[part].length && runs < RUNS_MAX; ) {
        const candidate: Plan = { ...smallest, [part]: smallest[part].toSpliced(at, size) };
        if (await fails(candidate)) smallest = candidate;
        else at += size;
      }
    }
  }
  const last = await runPlan(smallest, { trace: true });
  const events = smallest.requests.reduce((sum, request) => sum + request.events.length, 0);
  return {
    plan:
      `${smallest.requests.length} requests with ${events} events, ${smallest.catalogs.length} catalogs, ` +
      `${smallest.assignments.length} assignments, ${smallest.subscribings.length} changes of subscriptions, ` +
      `chunks of ${smallest.chunkOffsets} offsets and ${smallest.slotMs / 3_600_000} h; faults:\n` +
      smallest.faults
        .map(({ at, kind, a, b, c }) => `  ${new Date(at).toISOString()} ${kind} ${a} ${b} ${c}`)
        .join('\n'),
    trace: last.trace ?? [],
    stack: last.failure?.stack ?? '',
  };
}
