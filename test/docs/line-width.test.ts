// Prose is at most 120 columns wide: comments of the code, and the paragraphs of documents. biome sets the width of the
// code itself.
import { describe, expect, it } from '@jest/globals';
import { filesBelow, textOf } from '../support/sources.ts';

const COLUMNS_MAX = 120;
const rooms: readonly string[] = JSON.parse(textOf('tsconfig.json')).include;

const isLong = (line: string): boolean => [...line].length > COLUMNS_MAX;
const longComments = (text: string): string[] =>
  text.split('\n').filter((line) => isLong(line) && /^\s*(\/\/|\*|\/\*\*)/.test(line));

/** Outside of tables, code, links of their own line, and what an indentation marks as code. */
function longProse(text: string): string[] {
  let isCode = false;
  return text.split('\n').filter((line) => {
    if (/^\s*```/.test(line)) isCode = !isCode;
    return !isCode && isLong(line) && !/^\s*\||^ {4}|^#/.test(line);
  });
}

describe('prose within 120 columns', () => {
  it('in comments', () => {
    const files = [...rooms, 'scripts'].flatMap((room) => filesBelow(room, /(?<!openapi\.d)\.(?:ts|mjs)$/));
    expect(files.length).toBeGreaterThan(400);
    const found = files.flatMap((file) => longComments(textOf(file)).map((line) => `${file}: ${line}`));
    expect(found).toEqual([]);
  });

  it('in documents', () => {
    const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', ...filesBelow('docs', /\.md$/)];
    const found = pages.flatMap((page) => longProse(textOf(page)).map((line) => `${page}: ${line}`));
    expect(found).toEqual([]);
  });

  it('would be found out', () => {
    const wide = 'x'.repeat(121);
    expect(longComments(`const a = '${wide}';\n  // ${wide}`)).toHaveLength(1);
    expect(longProse(`${wide}\n| ${wide} |\n\`\`\`\n${wide}\n\`\`\``)).toEqual([wide]);
  });
});
