import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Problem } from '../../domain/problem.ts';
import { orProblem } from '../../test/support/or-problem.ts';
import { bucketOf, planBuckets } from './buckets.ts';
import { bucketCount, withEmptyBuckets } from './empty-buckets.ts';

const HOUR_MS = 3_600_000;
const plan = planBuckets(0, 3 * HOUR_MS, '1h', 'UTC');
const row = (hour: number, subject: string | null, groups: string[] = [], value = 1) => ({
  ...{ bucketStart: hour * HOUR_MS, subject, groups, value },
});
const fill = (rows: ReturnType<typeof row>[], named: { subject: string | null; groups: string[] }[] = [], max = 100) =>
  withEmptyBuckets(rows, named, plan, max, (empty) => ({ ...empty, groups: [...empty.groups], value: 0 }));

describe('empty buckets', () => {
  it('are those of every series that has a row', () => {
    expect(fill([row(0, 'b'), row(1, 'a', []), row(1, 'b')])).toEqual([
      ...[row(0, 'a', [], 0), row(0, 'b')],
      ...[row(1, 'a'), row(1, 'b')],
      ...[row(2, 'a', [], 0), row(2, 'b', [], 0)],
    ]);
  });

  it('are those of a named series that has none', () => {
    expect(fill([], [{ subject: null, groups: [] }]).map(({ value }) => value)).toEqual([0, 0, 0]);
    expect(fill([])).toEqual([]);
  });

  it('keep the order of the store, which is that of the bytes', () => {
    const subjects = ['\u{1f600}', '\ufb01', 'z', 'é'];
    const first = fill(subjects.map((subject) => row(2, subject))).slice(0, 4);
    expect(first.map(({ subject }) => subject)).toEqual(['z', 'é', '\ufb01', '\u{1f600}']);
    const groups = fill([row(0, null, ['b', 'a']), row(0, null, ['a', 'z'])]);
    expect(groups.slice(0, 2).map((each) => each.groups)).toEqual([
      ['a', 'z'],
      ['b', 'a'],
    ]);
  });

  it('are refused above the bound', () => {
    expect(fill([row(0, 'a'), row(0, 'b')], [], 6)).toHaveLength(6);
    const refused = orProblem(() => fill([row(0, 'a'), row(0, 'b')], [], 5));
    expect(refused).toBeInstanceOf(Problem);
    expect(refused).toMatchObject({ code: 'result_too_large', message: expect.stringContaining('2 series of 3') });
  });

  it('are counted without being walked', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30_000_000 }),
        fc.integer({ min: 1, max: 60 * 24 * 40 }),
        fc.constantFrom('15m' as const, '1h' as const, '1d' as const, '1mo' as const, 'total' as const),
        fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kolkata'),
        (minute, minutes, size, zone) => {
          const any = planBuckets(minute * 60_000, (minute + minutes) * 60_000, size, zone);
          let walked = 0;
          for (let at = any.from; at < any.to; at = bucketOf(any, at).end) walked += 1;
          expect(bucketCount(any)).toBe(walked);
        },
      ),
    );
  });
});
