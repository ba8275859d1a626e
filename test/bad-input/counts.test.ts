import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { projectFile } from '../../platform/process/project-root.ts';
import { caseCounts } from './counts.ts';

const total = Object.values(caseCounts).reduce((sum, count) => sum + count, 0);

it('there are at least 300 fixed cases over HTTP alone, and no surface is without', () => {
  const overHttp = Object.entries(caseCounts).filter(([surface]) => surface.startsWith('HTTP'));
  expect(overHttp.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThanOrEqual(300);
  for (const count of Object.values(caseCounts)) expect(count).toBeGreaterThan(20);
});

it('docs/inside/bad-input.md says how many there are', () => {
  const page = readFileSync(projectFile('docs/inside/bad-input.md'), 'utf8');
  const rows = Object.entries({ ...caseCounts, together: total }).map(
    ([surface, count]) => `| ${surface} | ${count} |`,
  );
  expect(rows.filter((row) => !page.includes(row))).toEqual([]);
});
