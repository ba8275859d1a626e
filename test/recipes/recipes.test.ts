// The recipes of CONTRIBUTING.md, tried as they are written: their blocks are applied to a copy of the sources, and
// what the last block of each says is run there. What the compiler then still names is what the recipe says that it
// names.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';

interface Block {
  readonly kind: 'new' | 'diff' | 'run';
  readonly file: string;
  readonly text: string;
}

interface Recipe {
  readonly name: string;
  readonly blocks: readonly Block[];
}

function recipesOf(page: string): Recipe[] {
  return page
    .split(/^### /m)
    .slice(1)
    .map((section) => ({
      name: section.slice(0, section.indexOf('\n')),
      blocks: [...section.matchAll(/^```(ts new|diff|ts run) ?(\S*)\n([\s\S]*?)^```$/gm)].map(
        ([, kind, file, text]) => ({
          kind: kind!.split(' ').at(-1) as Block['kind'],
          file: file!,
          text: text!,
        }),
      ),
    }))
    .filter(({ blocks }) => blocks.length > 0);
}

/** Lines that stay, lines that go and lines that come, in groups; each group is found by its lines that stay or go. */
function patched(source: string, diff: string): string {
  let lines = source.split('\n');
  let from = 0;
  for (const line of diff.trimEnd().split('\n')) {
    const [sign, text] = [line[0], line.slice(1)];
    if (sign === '+') lines = [...lines.slice(0, from), text, ...lines.slice(from)];
    else {
      const at = lines.indexOf(text, from);
      if (at === -1) throw new Error(`there is no line ${JSON.stringify(text)}`);
      if (sign === '-') lines.splice(at, 1);
      from = sign === '-' ? at : at + 1;
      continue;
    }
    from++;
  }
  return lines.join('\n');
}

function copyOfSources(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tallyline-recipe-'));
  const { include } = JSON.parse(readFileSync(projectFile('tsconfig.json'), 'utf8')) as { include: string[] };
  for (const room of [
    ...include,
    'docs',
    'scripts',
    'tsconfig.json',
    'jest.config.mjs',
    'package.json',
    'package-lock.json',
  ]) {
    cpSync(projectFile(room), join(directory, room), { recursive: true });
  }
  symlinkSync(projectFile('node_modules'), join(directory, 'node_modules'));
  return directory;
}

function node(directory: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

/** How many files each recipe touches, beside the generated schema and what it says in prose. */
const FILES: Readonly<Record<string, number>> = { 'A price model': 4, 'An aggregation': 3, 'A stage': 8, 'A read': 3 };

/** What the compiler names once all recipes are applied: what they say that it names. */
const NAMED = [
  'test/integration/usage-store.test.ts',
  'test/simulation/stores/rating-model.ts',
  'test/terms/compare.ts',
];

describe('recipes of CONTRIBUTING.md', () => {
  const recipes = recipesOf(readFileSync(projectFile('CONTRIBUTING.md'), 'utf8'));
  let directory: string;
  beforeAll(() => {
    directory = copyOfSources();
    for (const { kind, file, text } of recipes.flatMap(({ blocks }) => blocks)) {
      const path = join(directory, file);
      if (kind === 'new') {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
      }
      if (kind === 'diff') writeFileSync(path, patched(readFileSync(path, 'utf8'), text));
    }
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are those that are tried here', () => {
    expect(recipes.map(({ name }) => name)).toEqual(Object.keys(FILES));
  });

  it.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s works', (name, { blocks }) => {
    expect(blocks.filter(({ kind }) => kind !== 'run')).toHaveLength(FILES[name]!);
    const run = blocks.find(({ kind }) => kind === 'run')!;
    writeFileSync(join(directory, 'recipe.ts'), run.text);
    expect(node(directory, '--import', './scripts/typescript.mjs', 'recipe.ts')).toEqual({ status: 0, output: '' });
  });

  it('leave nothing to the checks of imports and deployments', () => {
    const jest = ['--experimental-vm-modules', 'node_modules/jest/bin/jest.js', '--ci'];
    const checks = ['test/architecture/', 'test/deploy/deployment.test.ts'];
    const { status, output } = node(directory, ...jest, ...checks);
    expect({ status, output: status === 0 ? '' : output }).toEqual({ status: 0, output: '' });
    expect(output).toContain('Test Suites: 2 passed');
  }, 300_000);

  it('leave to the compiler what they say', () => {
    rmSync(join(directory, 'recipe.ts'), { force: true });
    const { output } = node(directory, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit');
    const files = [...output.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)].map(([, file]) => file!);
    expect([...new Set(files)].sort()).toEqual(NAMED);
  }, 300_000);
});
