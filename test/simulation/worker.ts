// Runs seeds one after the other, in a process of its own, and says how each went: one line of JSON a seed. Started by
// workers.ts.
//   --from N --step N --count N   which seeds
//   --once                        run each seed once; else twice, and the traces have to be equal
//   --stop                        end at the first failure
//   --shrink                      shrink the plan of the first failure, and give its trace
import { parseArgs } from 'node:util';
import { Random } from '../../domain/random.ts';
import { type Plan, planOf } from './plan.ts';
import { type RunResult, runPlan } from './run.ts';
import { shrink } from './shrink.ts';

export interface SeedResult {
  readonly seed: number;
  /** Null: every invariant held. */
  readonly failure: string | null;
  readonly traceHash: number;
  readonly actions: number;
  readonly figures: Readonly<Record<string, number>>;
  /** Of a failure that was shrunk: what is left of the plan, and what happened. */
  readonly shrunk?: { readonly plan: string; readonly trace: readonly string[]; readonly stack: string };
}

const { values: options } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    step: { type: 'string', default: '1' },
    count: { type: 'string', default: '1' },
    once: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
  },
});

async function runTwice(plan: Plan): Promise<RunResult> {
  const result = await runPlan(plan);
  if (options.once || result.failure !== null) return result;
  const again = await runPlan(plan, { unwatched: true });
  if (again.failure !== null) return again;
  if (again.traceHash === result.traceHash) return result;
  return { ...result, failure: new Error(`two runs differ: ${result.traceHash} and ${again.traceHash}`) };
}

const [from, step, count] = [Number(options.from), Number(options.step), Number(options.count)];
for (let i = 0; i < count; i++) {
  const seed = from + i * step;
  const plan = planOf(new Random(seed));
  const { failure, traceHash, actions, figures } = await runTwice(plan);
  const shrunk = failure !== null && options.shrink ? await shrink(plan, failure) : undefined;
  const line: SeedResult = {
    ...{ seed, failure: failure === null ? null : failure.message, traceHash, actions, figures },
    ...(shrunk !== undefined && { shrunk }),
  };
  console.log(JSON.stringify(line));
  if (failure !== null && (options.stop || options.shrink)) break;
}
