// A few thousand executions of each target with every run of the tests. `npm run fuzz` runs millions;
// docs/inside/bad-input.md has the figures.
import { describe, expect, it } from '@jest/globals';
import { type FuzzTarget, fuzz } from './campaign.ts';
import { targets } from './targets/all.ts';

const executions: Readonly<Record<string, number>> = { 'catalog-texts': 1_000, costs: 80 };
const isOurs = (): boolean => false;

describe('fuzzing', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s finds nothing', async (name, target) => {
    const count = executions[name] ?? 5_000;
    const result = await fuzz(target, { executions: count, seed: 20_261_120, guided: 0, isOurs });
    expect(result.findings.map(({ error, input }) => ({ error, input: input.toString('base64') }))).toEqual([]);
    expect(result.executions).toBe(count);
    // A target that refuses everything would find nothing either.
    for (const [what, tally] of Object.entries(target.tally())) expect([what, tally > 0]).toEqual([what, true]);
  });
});

describe('a campaign', () => {
  const target = (execute: (input: Buffer) => void): FuzzTarget => ({
    name: 'sample',
    seeds: [Buffer.from('seed')],
    dictionary: ['token'],
    execute,
    tally: () => ({}),
  });
  const options = { executions: 20_000, seed: 1, guided: 0, isOurs };

  it('finds what throws, once for each place, and says with which input', async () => {
    const result = await fuzz(
      target((input) => {
        if (input.includes('token') && input.length > 8) throw new Error('found');
      }),
      options,
    );
    expect(result.findings).toHaveLength(1);
    expect(result.findings[0]!.input.toString()).toContain('token');
    expect(result.findings[0]!.error).toContain('found');
  });

  it('repeats itself with the same seed', async () => {
    const runs = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        let sum = 0;
        await fuzz(
          target((input) => {
            for (const byte of input) sum = (Math.imul(sum, 31) + byte) | 0;
          }),
          { ...options, executions: 2_000, seed },
        );
        return sum;
      }),
    );
    expect(runs[0]).toBe(runs[1]);
    expect(runs[0]).not.toBe(runs[2]);
  });

  it('guided by coverage, comes to what lies behind one condition after another', async () => {
    // By blind chance this takes 2^32 inputs.
    const deep = (input: Buffer): void => {
      if (input[0] === 0x51) {
        if (input[1] === 0xa7) {
          if (input[2] === 0x33) {
            if (input[3] === 0xe2) throw new Error('deep');
          }
        }
      }
    };
    const result = await fuzz(target(deep), {
      ...options,
      executions: 400_000,
      guided: 400_000,
      isOurs: (url) => url.includes('fuzz.test'),
    });
    expect(result.findings.map(({ error }) => error)).toEqual([expect.stringContaining('deep')]);
  }, 300_000);
});
