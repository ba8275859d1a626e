// Every bench runs, on real components and small, half of them each day, and prints lines that charts and models can be
// made from. How fast is not asked: that takes a quiet machine and `npm run bench -- NAME`.
import { spawn } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { benches } from '../../bench/benches/all.ts';
import { projectFile } from '../../platform/process/project-root.ts';
import { sampleOfDay } from '../support/day-sample.ts';

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function bench(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [projectFile('dist/bench/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk: Buffer) => {
      output[stream] += chunk.toString();
    });
  }
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, ...output })));
}

const positive = ['events', 'seconds', 'eventsPerSecond', 'cpuMicrosPerEvent'] as const;

describe('npm run bench', () => {
  it('smoke runs each bench and prints a line of JSON for each variant', async () => {
    if (process.platform !== 'linux') {
      console.warn('skipped: benches read CPU time from /proc, which only Linux has');
      return;
    }
    const today = sampleOfDay('benches', benches, 2);
    const { status, stdout, stderr } = await bench('smoke', ...today.map(({ name }) => name));
    expect(status === 0 ? '' : stderr).toBe('');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const { name, variants } of today) {
      const ofBench = lines.filter((line) => line.bench === name);
      const skipped = ofBench.find((line) => line.skipped !== undefined);
      if (skipped !== undefined) {
        console.warn(`skipped: the bench ${name}: ${skipped.skipped}`);
        continue;
      }
      expect({ name, variants: ofBench.map((line) => line.variant) }).toEqual({
        name,
        variants: variants.map((variant) => variant.name),
      });
      for (const line of ofBench) {
        for (const figure of positive) {
          expect({ name, figure, value: line[figure] }).toEqual({ name, figure, value: expect.any(Number) });
          expect(line[figure] as number).toBeGreaterThan(0);
        }
        expect(line).toMatchObject({ size: 'smoke', machine: { cores: expect.any(Number) } });
      }
    }
  }, 900_000);

  it('refuses what it does not know, with the list of what there is', async () => {
    const { status, stderr } = await bench('gatway');
    expect(status).toBe(1);
    expect(stderr).toContain("there is no bench 'gatway'");
    for (const { name } of benches) expect(stderr).toContain(`\n  ${name} `);
    expect((await bench('dedup', '--runs', 'five')).stderr).toContain(
      "--runs must be a whole number of at least 1, not 'five'",
    );
  });
});
