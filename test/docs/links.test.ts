// What the documents point at is there: links between them, and files of ours that they name.
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';
import { filesBelow, textOf } from '../support/sources.ts';

const pages = [
  ...readdirSync(projectFile('.')).filter((file) => file.endsWith('.md')),
  ...filesBelow('docs', /\.md$/),
  ...filesBelow('deploy', /\.md$/),
];

const LINK = /\]\(([^)#\s]+)(?:#[^)\s]*)?\)/g;
const FILE =
  /`((?:docs|domain|platform|ingest|aggregator|rater|query|accounts|demo|cli|test|bench|schemas|deploy|scripts)\/[\w./-]+\.\w+)`/g;

/** What a page names, from the project's root. */
function namedBy(page: string, text: string): string[] {
  const links = [...text.matchAll(LINK)].map(([, link]) => link!).filter((link) => !/^[a-z]+:/.test(link));
  return [...links.map((link) => join(dirname(page), link)), ...[...text.matchAll(FILE)].map(([, file]) => file!)];
}

describe('documents', () => {
  it.each(pages)('%s names what there is', (page) => {
    const missing = namedBy(page, textOf(page)).filter((file) => !existsSync(projectFile(file)));
    expect(missing).toEqual([]);
  });

  it('are all on the map', () => {
    const map = namedBy('docs/README.md', textOf('docs/README.md'));
    const unmapped = pages
      .filter((page) => page.startsWith('docs/') && !page.startsWith('docs/operate/runbooks/'))
      .filter((page) => page !== 'docs/README.md' && !map.includes(page));
    expect(unmapped).toEqual([]);
  });

  it('would be found out', () => {
    expect(
      namedBy('docs/a/page.md', 'see [that](../other.md#part) and `domain/none.ts`, not [this](https://x.y)'),
    ).toEqual(['docs/other.md', 'domain/none.ts']);
  });
});
