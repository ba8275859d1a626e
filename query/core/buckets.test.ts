import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import { type BucketPlan, bucketOf, bucketSizes, misalignedBound, planBuckets } from './buckets.ts';

const at = (text: string): number => parseRfc3339(text)!;
const HOUR_MS = 3_600_000;

function tiles(plan: BucketPlan): { start: number; end: number }[] {
  const buckets = [];
  for (let instant = plan.from; instant < plan.to; ) {
    const bucket = bucketOf(plan, instant);
    buckets.push(bucket);
    instant = bucket.end;
  }
  return buckets;
}

const hours = (plan: BucketPlan): number[] => tiles(plan).map(({ start, end }) => (end - start) / HOUR_MS);

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Asia/Gaza',
  'Pacific/Apia',
];

describe('buckets', () => {
  it('gives a day 23 hours in spring and 25 in autumn', () => {
    const spring = planBuckets(at('2026-03-27T23:00:00Z'), at('2026-03-30T22:00:00Z'), '1d', 'Europe/Berlin');
    expect(hours(spring)).toEqual([24, 23, 24]);
    const autumn = planBuckets(at('2026-10-23T22:00:00Z'), at('2026-10-26T23:00:00Z'), '1d', 'Europe/Berlin');
    expect(hours(autumn)).toEqual([24, 25, 24]);
  });

  it('starts a day at one o’clock where summer time begins at midnight', () => {
    const plan = planBuckets(at('2018-11-03T03:00:00Z'), at('2018-11-05T02:00:00Z'), '1d', 'America/Sao_Paulo');
    expect(tiles(plan).map(({ start }) => start)).toEqual([at('2018-11-03T03:00:00Z'), at('2018-11-04T03:00:00Z')]);
    expect(hours(plan)).toEqual([24, 23]);
  });

  it('follows the months of a zone, and merges none of different length', () => {
    const plan = planBuckets(at('2025-12-31T23:00:00Z'), at('2026-12-31T23:00:00Z'), '1mo', 'Europe/Berlin');
    const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].map((days) => days * 24);
    lengths[2]! -= 1;
    lengths[9]! += 1;
    expect(hours(plan)).toEqual(lengths);
  });

  it('cuts the first and the last bucket off at the range', () => {
    const plan = planBuckets(at('2026-11-20T10:30:00Z'), at('2026-11-20T12:15:00Z'), '1h', 'UTC');
    expect(hours(plan)).toEqual([0.5, 1, 0.25]);
    const within = planBuckets(at('2026-11-20T10:30:00Z'), at('2026-11-20T10:45:00Z'), '1h', 'UTC');
    expect(hours(within)).toEqual([0.25]);
    const month = planBuckets(at('2026-11-20T00:00:00Z'), at('2026-11-21T00:00:00Z'), '1mo', 'Asia/Tokyo');
    expect(hours(month)).toEqual([24]);
  });

  it('makes one bucket of the whole range for total', () => {
    const plan = planBuckets(at('2026-01-03T00:00:00Z'), at('2026-11-21T07:00:00Z'), 'total', 'Asia/Tokyo');
    expect(tiles(plan)).toEqual([{ start: plan.from, end: plan.to }]);
  });

  it('tiles any range in any zone, and every calendar bucket begins where the zone begins a day or month', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: at('2010-01-01T00:00:00Z') / 60_000, max: at('2037-01-01T00:00:00Z') / 60_000 }),
        fc.integer({ min: 1, max: 60 * 24 * 100 }),
        fc.constantFrom(...bucketSizes.filter((size) => size !== '1m')),
        fc.constantFrom(...zones),
        (startMinute, minutes, size, zone) => {
          const [from, to] = [startMinute * 60_000, (startMinute + minutes) * 60_000];
          const buckets = tiles(planBuckets(from, to, size, zone));
          expect([buckets[0]!.start, buckets.at(-1)!.end]).toEqual([from, to]);
          const broken = buckets.filter(({ start, end }, i) => {
            if (end <= start || (i > 0 && start !== buckets[i - 1]!.end)) return true;
            if (i === 0 || (size !== '1d' && size !== '1mo')) return false;
            const local = Temporal.Instant.fromEpochMilliseconds(start).toZonedDateTimeISO(zone);
            return local.startOfDay().epochMilliseconds !== start || (size === '1mo' && local.day !== 1);
          });
          expect(broken).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('stays few segments however long the range', () => {
    const plan = planBuckets(at('2016-01-01T00:00:00Z'), at('2026-01-01T00:00:00Z'), '1d', 'Europe/Berlin');
    expect(plan.segments.length).toBeLessThan(60);
  });

  it('refuses more calendar buckets than its bound', () => {
    expect(() => planBuckets(0, at('2026-01-01T00:00:00Z'), '1d', 'Europe/Berlin')).toThrow(/more than 4018 buckets/);
  });
});

describe('misaligned bounds', () => {
  it.each([
    ['1d', 'Europe/Berlin', '1d', '2026-11-19T23:00:00Z'],
    ['1mo', 'Asia/Kolkata', '1h', '2026-11-30T18:30:00Z'],
    ['1d', 'Asia/Kolkata', '1h', '2026-11-19T18:30:00Z'],
  ] as const)('finds a bound of %s in %s inside a window of %s', (size, zone, window, bound) => {
    const windowMs = window === '1d' ? 24 * HOUR_MS : HOUR_MS;
    const plan = planBuckets(at('2026-11-19T00:00:00Z'), at('2026-12-03T00:00:00Z'), size, zone);
    expect(misalignedBound(plan, windowMs)).toBe(at(bound));
  });

  it.each([
    ['1d', 'Europe/Berlin', HOUR_MS],
    ['1d', 'Asia/Kolkata', HOUR_MS / 4],
    ['1d', 'UTC', 24 * HOUR_MS],
    ['1mo', 'UTC', 24 * HOUR_MS],
    ['total', 'Asia/Kolkata', HOUR_MS],
    ['1h', 'Asia/Kolkata', HOUR_MS],
  ] as const)('finds none for %s in %s', (size, zone, windowMs) => {
    const plan = planBuckets(at('2026-10-19T00:00:00Z'), at('2026-12-03T00:00:00Z'), size, zone);
    expect(misalignedBound(plan, windowMs)).toBeNull();
  });

  it('finds one that the summer time of half an hour makes', () => {
    const plan = planBuckets(at('2026-03-01T00:00:00Z'), at('2026-06-01T00:00:00Z'), '1d', 'Australia/Lord_Howe');
    expect(misalignedBound(plan, HOUR_MS)).toBe(at('2026-04-04T13:00:00Z') + 24.5 * HOUR_MS);
  });
});
