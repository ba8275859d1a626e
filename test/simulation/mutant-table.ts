// The table of docs/lab/simulation-mutants.md: of each mutant what its last hunt found, and of which day that is. A
// whole hunt takes hours, so it is done in parts, and each part replaces its own rows.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../platform/process/project-root.ts';
import type { Mutant } from './mutants.ts';

export interface HuntedRow {
  /** The first seed that noticed it, or that none did of so many, as the table says it. */
  readonly seeds: string;
  /** What noticed it. */
  readonly noticed: string;
  readonly day: string;
}

const file = join(projectRoot, 'docs/lab/simulation-mutants.md');
const SURVIVED = 'none of ';
export const survivedText = (seedsMax: number): string => `${SURVIVED}${seedsMax}`;

/** By name of the mutant. */
export function readHunted(): Map<string, HuntedRow> {
  const rows = readFileSync(file, 'utf8').split('\n').slice(1);
  const cells = rows.filter((row) => row.startsWith('| ')).map((row) => row.slice(2, -2).split(' | '));
  return new Map(
    cells.slice(1).map(([name, , , seeds, noticed, day]) => [name!, { seeds: seeds!, noticed: noticed!, day: day! }]),
  );
}

/** Whether its last hunt found it. */
export const isNoticed = (row: HuntedRow | undefined): boolean => row !== undefined && !row.seeds.startsWith(SURVIVED);

/** Those of `mutants`, in their order; one that was never hunted has no row. */
export function writeHunted(mutants: readonly Mutant[], hunted: ReadonlyMap<string, HuntedRow>): void {
  const rows = mutants.flatMap(({ name, description, file: source }) => {
    const row = hunted.get(name);
    return row === undefined
      ? []
      : [`| ${name} | ${description} | \`${source}\` | ${row.seeds} | ${row.noticed} | ${row.day} |`];
  });
  const text = [
    '# Mutants of the simulation',
    '',
    `${rows.length} of ${mutants.length} mutants. Each is the real code with one line changed. The number is the first seed,`,
    'counted from 1, in which the [simulation](simulation.md) noticed it, by the sources of that day; then what noticed',
    'it. Written by `npm run test:mutants -- --write`; `--missing --write` hunts those that have no row, or that nothing',
    'noticed.',
    '',
    '| mutant | the bug | in | seeds needed | noticed by | hunted on |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ];
  writeFileSync(file, text.join('\n'));
}
