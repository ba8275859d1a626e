// Runs seeds one after the other and prints what it found: a worker of run.mjs.
import { planOf } from './plan.ts';
import { Random } from './random.ts';
import { runPlan } from './run.ts';

const [from = 1, count = 1] = process.argv.slice(2).map(Number);
const trace = process.argv.includes('--trace');
const startedAt = performance.now();
for (let seed = from; seed < from + count; seed++) {
  const result = await runPlan(planOf(new Random(seed)), { trace });
  console.log(seed, result.failure?.message ?? 'ok', result.traceHash, result.actions, JSON.stringify(result.figures));
  if (trace && result.failure !== null) {
    console.log(result.trace!.slice(-150).join('\n'));
    console.log(result.failure.stack);
  }
}
console.log(`${(count / ((performance.now() - startedAt) / 1000)).toFixed(2)} runs/s`);
console.log(process.getActiveResourcesInfo());
