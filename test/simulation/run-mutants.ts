// `npm run test:mutants [-- --only NAME] [--missing] [--seeds N] [--jobs J] [--write]` runs each mutant until a seed
// notices it, at most N. Exits 1 where one survives. `--write` puts what is found into docs/lab/simulation-mutants.md,
// `--missing` hunts those that this table does not say to be noticed.
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../platform/process/project-root.ts';
import { Build } from './build.ts';
import { isNoticed, readHunted, survivedText, writeHunted } from './mutant-table.ts';
import { type Mutant, mutants, mutated } from './mutants.ts';
import { runSeeds } from './workers.ts';

export interface MutantResult {
  readonly mutant: Mutant;
  /** How many seeds it took; null: none of them noticed. */
  readonly seeds: number | null;
  /** What noticed it. */
  readonly failure: string;
}

/** Throws where the sources fail by themselves: then nothing is known of the mutant. */
async function requireSound(base: Build, seed: number): Promise<void> {
  await runSeeds(base, { from: seed, count: 1, jobs: 1, once: true, stop: true }, ({ failure }) => {
    if (failure !== null) throw new Error(`seed ${seed} fails without any mutant: ${failure}`);
  });
}

/** Seeds are tried from 1 on, a few at first. */
export async function hunt(base: Build, mutant: Mutant, seedsMax: number, jobs: number): Promise<MutantResult> {
  const build = base.with(mutant.file, mutated(readFileSync(join(projectRoot, mutant.file), 'utf8'), mutant));
  try {
    let first: { seed: number; failure: string } | null = null;
    for (let from = 1; from <= seedsMax && first === null; ) {
      const count = Math.min(from === 1 ? jobs : Math.max(jobs, from - 1), seedsMax - from + 1);
      await runSeeds(build, { from, count, jobs, once: true, stop: true }, ({ seed, failure }) => {
        if (failure !== null && (first === null || seed < first.seed)) first = { seed, failure };
      });
      from += count;
    }
    const found = first as { seed: number; failure: string } | null;
    if (found !== null) await requireSound(base, found.seed);
    return { mutant, seeds: found?.seed ?? null, failure: found?.failure ?? '' };
  } finally {
    build.remove();
  }
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      seeds: { type: 'string', default: '1000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      missing: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  const hunted = readHunted();
  const named = mutants.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name));
  if (named.length === 0) throw new Error(`there is no mutant ${options.only}`);
  const wanted = named.filter(({ name }) => !options.missing || !isNoticed(hunted.get(name)));
  const day = new Date().toISOString().slice(0, 10);
  const base = Build.ofSources();
  const results: MutantResult[] = [];
  try {
    for (const mutant of wanted) {
      const result = await hunt(base, mutant, Number(options.seeds), Number(options.jobs));
      results.push(result);
      // A hunt takes hours where many mutants are hard to notice: what is known by now is written down.
      const seeds = result.seeds === null ? survivedText(Number(options.seeds)) : String(result.seeds);
      hunted.set(mutant.name, { seeds, noticed: result.failure.split(':')[0]!.slice(0, 40), day });
      if (options.write) writeHunted(mutants, hunted);
      console.log(`${String(result.seeds ?? 'SURVIVED').padStart(8)}  ${mutant.name}: ${result.failure.slice(0, 120)}`);
    }
  } finally {
    base.remove();
  }
  const survivors = results.filter(({ seeds }) => seeds === null);
  console.log(`${results.length} mutants, ${survivors.length} survived ${options.seeds} seeds`);
  if (survivors.length > 0) process.exitCode = 1;
}

if (process.argv[1]?.endsWith('run-mutants.ts') === true) await main();
