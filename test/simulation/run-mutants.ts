// `npm run test:mutants [-- --only NAME] [--seeds N] [--jobs J] [--write]` runs each mutant until a seed notices it, at
// most N. Exits 1 where one survives. `--write` puts the table into docs/lab/simulation-mutants.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '../../platform/process/project-root.ts';
import { Build } from './build.ts';
import { type Mutant, mutants, mutated } from './mutants.ts';
import { runSeeds } from './workers.ts';

export interface MutantResult {
  readonly mutant: Mutant;
  /** How many seeds it took; null: none of them noticed. */
  readonly seeds: number | null;
  /** What noticed it. */
  readonly failure: string;
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
    return { mutant, seeds: found?.seed ?? null, failure: found?.failure ?? '' };
  } finally {
    build.remove();
  }
}

function table(results: readonly MutantResult[], seedsMax: number): string {
  const rows = results.map(({ mutant, seeds, failure }) => {
    const noticed = failure.split(':')[0]!.slice(0, 40);
    return `| ${mutant.name} | ${mutant.description} | \`${mutant.file}\` | ${seeds ?? `none of ${seedsMax}`} | ${noticed} |`;
  });
  return [
    '# Mutants of the simulation',
    '',
    'Written by `npm run test:mutants -- --write`. Each mutant is the real code with one line changed; the number is the',
    'first seed, counted from 1, in which the [simulation](simulation.md) noticed it, and the last column what noticed it.',
    '',
    '| mutant | the bug | in | seeds needed | noticed by |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const tableFile = join(projectRoot, 'docs/lab/simulation-mutants.md');

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      seeds: { type: 'string', default: '1000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      write: { type: 'boolean', default: false },
    },
  });
  const wanted = mutants.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name));
  if (wanted.length === 0) throw new Error(`there is no mutant ${options.only}`);
  const base = Build.ofSources();
  const results: MutantResult[] = [];
  try {
    for (const mutant of wanted) {
      const result = await hunt(base, mutant, Number(options.seeds), Number(options.jobs));
      results.push(result);
      // A hunt takes hours where many mutants are hard to notice: what is known by now is written down.
      if (options.write) writeFileSync(tableFile, table(results, Number(options.seeds)));
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
