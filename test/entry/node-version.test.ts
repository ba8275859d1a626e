// An old Node meets a sentence that names the Node it needs, at every entry, and not the first name that it does not
// export.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { NODE_VERSIONS, nodeVersionFault } from '../../cli/node-version.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { compiledCommand } from '../support/processes/clickhouse.ts';

const directory = mkdtempSync(join(tmpdir(), 'tallyline-node-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/**
 * Runs a file as if this Node were another one. What it imports statically is loaded by this one: see the last test.
 */
function runAs(version: string, file: string, ...args: string[]) {
  const preload = join(directory, `${version}.cjs`);
  writeFileSync(
    preload,
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`,
  );
  return spawnSync(process.execPath, ['--require', preload, file, ...args], { encoding: 'utf8' });
}

describe('the version of Node', () => {
  it.each([
    ['18.20.4', false],
    ['20.10.0', false],
    ['20.18.3', false],
    ['20.19.0', true],
    ['21.7.3', false],
    ['22.0.0', true],
    ['23.11.0', false],
    ['24.0.0', true],
    ['26.1.0', true],
  ])('%s is taken: %s', (version, isTaken) => {
    expect(nodeVersionFault(version) === null).toBe(isTaken);
    if (isTaken) return;
    const setup = runAs(version, projectFile('scripts/setup.mjs'));
    expect([setup.status, setup.stderr]).toEqual([1, `${nodeVersionFault(version)}\n`]);
  });

  it('is what package.json says', () => {
    const read = (name: string) => JSON.parse(readFileSync(projectFile(name), 'utf8'));
    expect(read('package.json').engines).toEqual({ node: NODE_VERSIONS });
    expect(read('package-lock.json').packages[''].engines).toEqual({ node: NODE_VERSIONS });
    expect(readFileSync(projectFile('.npmrc'), 'utf8')).toMatch(/^engine-strict=true$/m);
  });

  it('is told by `tallyline` before anything that an old Node can’t load', () => {
    const [, main] = compiledCommand();
    const { status, stderr } = runAs('20.10.0', main, 'keys', 'list');
    expect([status, stderr]).toEqual([1, `tallyline: ${nodeVersionFault('20.10.0')}\n`]);
    const imports = (file: string) =>
      [...readFileSync(file, 'utf8').matchAll(/^import\s.*?['"](.+?)['"]/gm)].map(([, from]) => from);
    expect(imports(projectFile('cli/main.ts'))).toEqual(['./node-version.ts']);
    expect(imports(projectFile('cli/node-version.ts'))).toEqual([]);
  });
});
