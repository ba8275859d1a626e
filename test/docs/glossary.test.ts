// docs/glossary.md is short, and an exported name of the code means one thing.
import { describe, expect, it } from '@jest/globals';
import { stageRooms } from '../../cli/stage/stage-table.ts';
import { sourcesOf, textOf } from '../support/sources.ts';

const rooms = ['domain', 'platform', ...stageRooms, 'demo', 'cli'];
const EXPORT = /^export (?:async )?(?:abstract )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** The files that export a name. */
function exportsOf(files: readonly (readonly [file: string, text: string])[]): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  for (const [file, text] of files) {
    for (const [, name] of text.matchAll(EXPORT)) places.set(name!, (places.get(name!) ?? new Set()).add(file));
  }
  return places;
}
const twice = (places: ReadonlyMap<string, ReadonlySet<string>>): string[] =>
  [...places].filter(([, files]) => files.size > 1).map(([name, files]) => `${name}: ${[...files].join(', ')}`);

describe('the glossary', () => {
  it('has thirty words at most, each once', () => {
    const page = textOf('docs/glossary.md');
    const words = [...page.matchAll(/^\| ([a-z][\w -]*) \|/gm)]
      .map(([, word]) => word!)
      .filter((word) => word !== 'word');
    expect(words.length).toBeGreaterThan(20);
    expect(words.length).toBeLessThanOrEqual(30);
    expect(new Set(words).size).toBe(words.length);
  });
});

describe('exported names', () => {
  it('stand for one thing', () => {
    const files = rooms.flatMap((room) => sourcesOf(room).map((file) => [file, textOf(file)] as const));
    expect(exportsOf(files).size).toBeGreaterThan(500);
    expect(twice(exportsOf(files))).toEqual([]);
  });

  it('would be found out', () => {
    const names = exportsOf([
      ['a.ts', 'export const one = 1;\nexport interface Two {}'],
      ['b.ts', 'export async function one() {}'],
    ]);
    expect(twice(names)).toEqual(['one: a.ts, b.ts']);
  });
});
