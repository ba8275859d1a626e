// Spreads seeds over worker processes.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Build } from './build.ts';
import type { SeedResult } from './worker.ts';

export interface SeedsToRun {
  readonly from: number;
  readonly count: number;
  readonly jobs: number;
  /** Once instead of twice. */
  readonly once?: boolean;
  /** Stop at the first failure. */
  readonly stop?: boolean;
  readonly shrink?: boolean;
}

/** Results come as they are ready. Resolves when all seeds are done, or one has failed and that is enough. */
export async function runSeeds(build: Build, seeds: SeedsToRun, onResult: (result: SeedResult) => void): Promise<void> {
  const jobs = Math.min(seeds.jobs, seeds.count);
  const workers: { readonly process: ReturnType<typeof spawn>; nextSeed: number }[] = [];
  // The first failure is the one of the lowest seed, whoever is faster: seeds below it are still run.
  let failedSeed = Number.POSITIVE_INFINITY;
  const stopThoseBehind = (): void => {
    for (const worker of workers) if (worker.nextSeed > failedSeed) worker.process.kill('SIGKILL');
  };
  await Promise.all(
    Array.from({ length: jobs }, async (_, job) => {
      const count = Math.ceil((seeds.count - job) / jobs);
      const args = ['--from', String(seeds.from + job), '--step', String(jobs), '--count', String(count)];
      if (seeds.once === true) args.push('--once');
      if (seeds.stop === true) args.push('--stop');
      if (seeds.shrink === true) args.push('--shrink');
      const script = join(build.directory, 'test/simulation/worker.js');
      // Runs make much garbage and little that lasts: a large young generation spares copying it. One thread a worker:
      // there are as many workers as cores.
      const node = ['--enable-source-maps', '--single-threaded', '--max-semi-space-size=64', script];
      const worker = spawn(process.execPath, [...node, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
      const place = { process: worker, nextSeed: seeds.from + job };
      workers.push(place);
      const ended = new Promise<number | null>((resolve) => worker.once('close', resolve));
      for await (const line of createInterface({ input: worker.stdout })) {
        const result = JSON.parse(line) as SeedResult;
        onResult(result);
        place.nextSeed = result.seed + jobs;
        const isEnough = seeds.stop === true || seeds.shrink === true;
        if (result.failure !== null && isEnough) failedSeed = Math.min(failedSeed, result.seed);
        stopThoseBehind();
      }
      const code = await ended;
      if (code !== 0 && place.nextSeed <= failedSeed)
        throw new Error(`a worker of the simulation ended with code ${code}`);
    }),
  );
}
