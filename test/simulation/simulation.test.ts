// A few seeds of the simulation, run twice with equal traces, and that each mutant has a line to change. Many seeds are
// `npm run test:simulation`.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectRoot } from '../../platform/project-root.ts';
import { Build } from './build.ts';
import { mutants, mutated } from './mutants.ts';
import type { SeedResult } from './worker.ts';
import { runSeeds } from './workers.ts';

const JOBS = Math.min(2, availableParallelism());
let build: Build;
beforeAll(() => {
  build = Build.ofSources();
});
afterAll(() => build.remove());

async function failures(from: number, count: number, once: boolean): Promise<SeedResult[]> {
  const failed: SeedResult[] = [];
  let done = 0;
  await runSeeds(build, { from, count, jobs: JOBS, once }, (result) => {
    done++;
    if (result.failure !== null) failed.push(result);
  });
  expect(done).toBe(count);
  return failed;
}

describe('simulation', () => {
  it('holds every invariant, and runs a seed the same way twice', async () => {
    expect(await failures(5_000, 6, false)).toEqual([]);
  }, 300_000);

  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('mutant %s has its line', (_, mutant) => {
    const source = readFileSync(join(projectRoot, mutant.file), 'utf8');
    expect(mutated(source, mutant)).not.toBe(source);
  });
});
