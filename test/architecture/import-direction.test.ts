// Imports run one way: domain <- platform <- {ingest, aggregator, rater, query, accounts} <- cli; demo/ stands beside
// the stages. Stages never import each other; a stage's core/ imports only domain/ (and its own core/) and does no I/O.
import { existsSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { stageRooms } from '../../cli/stage/stage-table.ts';
import { projectRoot } from '../../platform/process/project-root.ts';
import { sourcesOf, textOf } from '../support/sources.ts';

const stages = stageRooms;
const mayImport: Readonly<Record<string, readonly string[]>> = {
  domain: ['domain'],
  platform: ['domain', 'platform'],
  ...Object.fromEntries(stages.map((stage) => [stage, ['domain', 'platform', stage]])),
  demo: ['domain', 'platform', 'demo'],
  cli: ['domain', 'platform', ...stages, 'demo', 'cli'],
};

/** Pure computation; anything else from Node is I/O, a clock or randomness. */
const pureBuiltins = new Set(['node:crypto', 'node:buffer', 'node:assert']);

interface Import {
  readonly file: string;
  readonly target: string;
}

/** Stages that decide something; one that only passes on what others decided has no core. */
const cores = stages.map((stage) => `${stage}/core`).filter((core) => existsSync(join(projectRoot, core)));

function importsOf(file: string): Import[] {
  const specifiers = [...textOf(file).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    (match) => match[1]!,
  );
  return specifiers.map((specifier) => ({
    file,
    target: specifier.startsWith('.') ? relative(projectRoot, join(projectRoot, dirname(file), specifier)) : specifier,
  }));
}

const isLocal = ({ target }: Import): boolean => Object.keys(mayImport).some((room) => target.startsWith(`${room}/`));
const print = ({ file, target }: Import): string => `${file} imports ${target}`;

/** The files of a circle of imports, each importing the next; null where there is none. */
function circleIn(importsOfFile: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const target of importsOfFile.get(file) ?? []) {
      const circle = walk(target, [...way, file]);
      if (circle !== null) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of importsOfFile.keys()) {
    const circle = walk(file, []);
    if (circle !== null) return circle;
  }
  return null;
}

/** For each folder, which of its entries (a file, or a whole folder) imports which. */
function importsBetweenEntries(
  imports: readonly Import[],
): ReadonlyMap<string, ReadonlyMap<string, readonly string[]>> {
  const levels = new Map<string, Map<string, string[]>>();
  for (const { file, target } of imports) {
    const [from, to] = [file.split('/'), target.split('/')];
    const depth = from.findIndex((name, index) => name !== to[index]);
    if (depth === -1) continue;
    const folder = from.slice(0, depth).join('/');
    const graph = levels.get(folder) ?? new Map<string, string[]>();
    levels.set(folder, graph);
    graph.set(from[depth]!, [...(graph.get(from[depth]!) ?? []), to[depth]!]);
  }
  return levels;
}

describe('members', () => {
  it('are private by the keyword, in one style', () => {
    const hashed = (text: string): boolean => /(?:this\.|^\s+(?:readonly |static |async |get )*)#[a-z]/im.test(text);
    const files = Object.keys(mayImport).flatMap(sourcesOf);
    expect(files.filter((file) => hashed(textOf(file)))).toEqual([]);
    expect([hashed('  readonly #pool: Pool;'), hashed('    this.#pool.end();')]).toEqual([true, true]);
  });
});

describe('imports', () => {
  it('finds the imports it is to judge', () => {
    const found = importsOf('aggregator/main.ts').map(({ target }) => target);
    expect(found).toEqual(
      expect.arrayContaining(['node:os', 'aggregator/partition-group.ts', 'platform/event-log/topic-generation.ts']),
    );
  });

  it.each(Object.keys(mayImport))('of %s/ go towards domain/', (room) => {
    const wrong = sourcesOf(room)
      .flatMap(importsOf)
      .filter((found) =>
        [...Object.keys(mayImport), 'test', 'bench'].some((each) => found.target.startsWith(`${each}/`)),
      )
      .filter(({ target }) => !mayImport[room]!.some((allowed) => target.startsWith(`${allowed}/`)));
    expect(wrong.map(print)).toEqual([]);
  });

  it.each(cores)('of %s/ are pure', (core) => {
    const wrong = sourcesOf(core)
      .flatMap(importsOf)
      .filter((found) => {
        if (isLocal(found)) return !found.target.startsWith('domain/') && !found.target.startsWith(`${core}/`);
        return found.target.startsWith('node:') && !pureBuiltins.has(found.target);
      });
    expect(wrong.map(print)).toEqual([]);
  });

  it('of domain/ and of every core/ leave the clock and randomness alone', () => {
    const files = [...sourcesOf('domain'), ...cores.flatMap(sourcesOf)];
    const wrong = files.filter((file) => {
      const code = textOf(file).replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '');
      return /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bprocess\./.test(code);
    });
    expect(wrong).toEqual([]);
  });

  it('come round to no file, those of types neither', () => {
    const files = Object.keys(mayImport).flatMap(sourcesOf);
    const graph = new Map(files.map((file) => [file, importsOf(file).map(({ target }) => target)]));
    expect(circleIn(graph)).toBeNull();
    graph.set('domain/number/decimal.ts', ['domain/number/quantity.ts']);
    expect(circleIn(graph)).toEqual(expect.arrayContaining(['domain/number/decimal.ts', 'domain/number/quantity.ts']));
  });

  it('lead from folder to folder without a circle, at every level', () => {
    const imports = Object.keys(mayImport).flatMap(sourcesOf).flatMap(importsOf).filter(isLocal);
    for (const [folder, graph] of importsBetweenEntries(imports))
      expect({ folder, circle: circleIn(graph) }).toEqual({ folder, circle: null });
    const back = { file: 'domain/number/decimal.ts', target: 'domain/pricing/flat.ts' };
    expect(circleIn(importsBetweenEntries([...imports, back]).get('domain')!)).not.toBeNull();
  });

  it('join rooms that docs/architecture.md has a row for, each compiled', () => {
    const page = textOf('docs/architecture.md');
    const { include } = JSON.parse(textOf('tsconfig.json'));
    for (const room of Object.keys(mayImport)) {
      expect(page).toContain(`| \`${room}/\` |`);
      expect(include).toContain(room);
    }
  });

  it('name Node’s own modules with node:', () => {
    const wrong = Object.keys(mayImport)
      .flatMap(sourcesOf)
      .flatMap(importsOf)
      .filter(({ target }) => builtinModules.includes(target));
    expect(wrong.map(print)).toEqual([]);
  });
});
