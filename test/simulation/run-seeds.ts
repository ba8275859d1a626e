// `npm run test:simulation -- --seeds N [--start S] [--jobs J]` runs seeds S to S+N-1, each twice; `--seed X` runs one.
// Exits 1 where an invariant is broken or two runs of a seed differ, and then prints the seed, what is left of its plan
// once it was shrunk, and how to see it again.
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Build } from './build.ts';
import type { SeedResult } from './worker.ts';
import { runSeeds } from './workers.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '300' },
    start: { type: 'string', default: '1' },
    seed: { type: 'string' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    'keep-going': { type: 'boolean', default: false },
  },
});

function whole(name: 'seeds' | 'start' | 'seed' | 'jobs'): number {
  const value = Number(options[name]);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number above 0, not '${options[name]}'`);
  return value;
}

const TRACE_LINES = 60;

function describe({ seed, failure, shrunk }: SeedResult): string {
  const lines = [`seed ${seed}: ${failure}`, `see it again: npm run test:simulation -- --seed ${seed}`];
  if (shrunk !== undefined) {
    lines.push(`shrunk to ${shrunk.plan}`, 'the end of its trace:');
    lines.push(...shrunk.trace.slice(-TRACE_LINES), shrunk.stack);
  }
  return lines.join('\n');
}

const from = options.seed === undefined ? whole('start') : whole('seed');
const count = options.seed === undefined ? whole('seeds') : 1;
const startedAt = performance.now();
const seconds = (): number => (performance.now() - startedAt) / 1_000;
const build = Build.ofSources();
const sums: Record<string, number> = { actions: 0 };
let done = 0;
let failed: SeedResult | null = null;
try {
  const shrink = !options['keep-going'];
  await runSeeds(build, { from, count, jobs: whole('jobs'), shrink }, (result) => {
    done++;
    sums.actions = sums.actions! + result.actions;
    for (const [name, figure] of Object.entries(result.figures)) sums[name] = (sums[name] ?? 0) + figure;
    if (result.failure !== null) {
      failed ??= result;
      console.log(describe(result));
    }
    if (done % 500 === 0) console.log(`${done} seeds, ${(done / seconds()).toFixed(1)} a second`);
  });
} finally {
  build.remove();
}
const total = Object.entries(sums).map(([name, sum]) => `${name} ${sum}`);
console.log(
  `${done} seeds from ${from} in ${seconds().toFixed(0)} s, each run twice; in one of the two: ${total.join(', ')}`,
);
if (failed !== null) process.exitCode = 1;
else console.log('every invariant held, and every seed ran the same twice');
