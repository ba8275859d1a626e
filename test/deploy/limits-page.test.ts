// docs/operate/what-a-client-can-do.md names settings, metrics, alerts and codes that there are.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { stageRooms } from '../../cli/stage/stage-table.ts';
import { problemCodes } from '../../domain/problem.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { variables } from '../../platform/settings/setting-variables.ts';
import { sourcesOf, textOf } from '../support/sources.ts';

const page = textOf('docs/operate/what-a-client-can-do.md');
const found = (pattern: RegExp): string[] => [...new Set([...page.matchAll(pattern)].map(([, name]) => name!))];
const sources = ['platform', ...stageRooms].flatMap(sourcesOf).map(textOf).join('\n');

describe('the page of limits', () => {
  it('names settings that there are', () => {
    const names = found(/\b(TALLYLINE_[A-Z_]+)/g);
    expect(names.length).toBeGreaterThan(8);
    expect(names.filter((name) => !Object.hasOwn(variables, name))).toEqual([]);
  });

  it('names metrics that are exported', () => {
    const names = found(/\b(tallyline_[a-z_]+)/g);
    expect(names.length).toBeGreaterThan(8);
    expect(names.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
  });

  it('names alerts that there are', () => {
    const alerts = readFileSync(projectFile('deploy/prometheus/alerts.yaml'), 'utf8');
    const names = found(/\b(Tallyline[A-Z]\w+)/g);
    expect(names.length).toBeGreaterThan(3);
    expect(names.filter((name) => !alerts.includes(`alert: ${name}\n`))).toEqual([]);
  });

  it('names codes that clients meet', () => {
    const codes = found(/\b[45]\d\d `(\w+)`/g);
    expect(codes.length).toBeGreaterThan(6);
    expect(codes.filter((code) => !Object.hasOwn(problemCodes, code))).toEqual([]);
  });
});
