import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { PeriodTerms } from '../../domain/billing/billing-period-terms.ts';
import { type Catalog, emptyCatalog, type Plan, type Subscription } from '../../domain/catalog/catalog.ts';
import {
  type CustomerTimeline,
  customerPeriodOf,
  subscriptionTimeline,
} from '../../domain/catalog/subscription-book.ts';
import { ratingTargets } from './rating-targets.ts';

const day = (text: string): number => Date.parse(`2026-${text}T00:00:00Z`);
const plan = (slug: string, more: Partial<Plan> = {}): Plan => ({
  slug,
  billingPeriod: 'month',
  calendar: false,
  timezone: 'UTC',
  prices: [],
  ...more,
});
const subscription = (plan: string, startsAt: number): Subscription => ({ subject: 's', plan, startsAt, tenant: null });

function timelineOf(subscriptions: readonly Subscription[], more: Partial<Catalog> = {}): CustomerTimeline {
  const plans = ['free', 'basic', 'pro'].map((slug) => plan(slug));
  const catalog: Catalog = { ...emptyCatalog, plans, subscriptions, defaultPlan: 'free', ...more };
  return {
    periodAt: (time) => customerPeriodOf(catalog, 't', 's', time),
    subscriptionStarts: subscriptionTimeline(catalog, 't', 's').map((each) => each.startsAt),
    pin: () => 2,
  };
}

const short = (time: number): string => new Date(time).toISOString().slice(5, 10);
const brief = (terms: PeriodTerms & { planChangedFrom?: number | null }): string =>
  `${short(terms.periodStart)}..${short(terms.periodEnd)} ${terms.plan} v${terms.catalogVersion}` +
  (terms.planChangedFrom == null ? '' : ` changed from ${short(terms.planChangedFrom)}`);

const stored = (from: string, to: string, slug: string, subscriptionStart: string | null = null): PeriodTerms => ({
  periodStart: day(from),
  periodEnd: day(to),
  plan: slug,
  catalogVersion: 1,
  subscriptionStart: subscriptionStart === null ? null : day(subscriptionStart),
});

/** What the store holds after the targets are rated. */
function storedAfter(before: readonly PeriodTerms[], targets: readonly PeriodTerms[]): PeriodTerms[] {
  const rows = new Map([...before, ...targets].map((terms) => [terms.periodStart, terms]));
  return [...rows.values()].sort((a, b) => a.periodStart - b.periodStart);
}

describe('ratingTargets', () => {
  const table: {
    name: string;
    subscriptions: Subscription[];
    more?: Partial<Catalog>;
    stored: PeriodTerms[];
    touched: number[];
    expected: string[];
  }[] = [
    {
      name: 'usage of subjects without a subscription: calendar months of the default plan',
      subscriptions: [],
      stored: [],
      touched: [day('10-31'), day('11-01'), day('11-30')],
      expected: ['10-01..11-01 free v2', '11-01..12-01 free v2'],
    },
    {
      name: 'no default plan: not billed',
      subscriptions: [],
      more: { defaultPlan: null },
      stored: [],
      touched: [day('11-01')],
      expected: [],
    },
    {
      name: 'a stored period keeps its plan and its price version',
      subscriptions: [],
      more: { defaultPlan: 'pro' },
      stored: [stored('11-01', '12-01', 'free')],
      touched: [day('11-05')],
      expected: ['11-01..12-01 free v1'],
    },
    {
      name: 'a subscription that starts inside a period cuts it',
      subscriptions: [subscription('pro', day('11-10'))],
      stored: [stored('11-01', '12-01', 'free')],
      touched: [],
      expected: ['11-01..11-10 free v1 changed from 11-10', '11-10..12-10 pro v2'],
    },
    {
      name: 'a subscription that starts where a period does changes its plan',
      subscriptions: [subscription('pro', day('11-01'))],
      stored: [stored('11-01', '12-01', 'free')],
      touched: [],
      expected: ['11-01..12-01 pro v2 changed from 11-01'],
    },
    {
      name: 'a backdated subscription replaces periods that begin inside its own',
      subscriptions: [subscription('pro', day('10-15'))],
      stored: [stored('10-01', '11-01', 'free'), stored('11-01', '12-01', 'free')],
      touched: [day('11-05')],
      expected: [
        '10-01..10-15 free v1 changed from 10-15',
        '10-15..11-15 pro v2',
        '11-01..11-01 free v1 changed from 11-01',
        '11-15..12-15 pro v2',
      ],
    },
    {
      name: 'a subscription taken off the list leaves what was billed alone',
      subscriptions: [],
      stored: [stored('11-01', '11-10', 'free'), stored('11-10', '12-10', 'pro', '11-10')],
      touched: [day('11-05'), day('11-12'), day('12-15')],
      expected: ['11-01..11-10 free v1', '11-10..12-10 pro v1', '12-10..01-01 free v2'],
    },
    {
      name: 'a subscription before another that is gone takes its time back',
      subscriptions: [subscription('basic', day('11-01'))],
      stored: [stored('11-01', '11-10', 'basic', '11-01'), stored('11-10', '12-10', 'pro', '11-10')],
      touched: [],
      expected: [
        '11-01..12-01 basic v1 changed from 11-10',
        '11-10..11-10 pro v1 changed from 11-10',
        '12-01..01-01 basic v2',
      ],
    },
    {
      name: 'a plan moved to another time zone leaves stored periods, and starts after them',
      subscriptions: [],
      more: { plans: [plan('free', { timezone: 'Asia/Tokyo' })] },
      stored: [stored('11-01', '12-01', 'free')],
      touched: [day('11-30') + 20 * 3_600_000, day('12-01')],
      expected: ['11-01..12-01 free v1', '12-01..12-31 free v2'],
    },
  ];
  it.each(table)('$name', ({ subscriptions, more, stored, touched, expected }) => {
    const timeline = timelineOf(subscriptions, more);
    const targets = ratingTargets(timeline, stored, touched);
    expect(targets.map(brief)).toEqual(expected);
    // Done again on what it left behind, nothing changes any more.
    const again = ratingTargets(timeline, storedAfter(stored, targets), []);
    expect(again).toEqual([]);
  });

  it('never leaves an instant in two periods, nor a touched one in none, whatever the catalogs said', () => {
    const slug = fc.constantFrom('free', 'basic', 'pro');
    const subscriptions = fc.uniqueArray(fc.record({ slug, day: fc.nat({ max: 120 }) }), {
      selector: (each) => each.day,
      maxLength: 4,
    });
    const round = fc.record({ subscriptions, touched: fc.array(fc.nat({ max: 150 }), { maxLength: 5 }) });
    const dayMs = 86_400_000;
    const start = day('07-01');
    fc.assert(
      fc.property(fc.array(round, { minLength: 1, maxLength: 6 }), (rounds) => {
        let rows: PeriodTerms[] = [];
        for (const { subscriptions, touched } of rounds) {
          const timeline = timelineOf(subscriptions.map((each) => subscription(each.slug, start + each.day * dayMs)));
          const times = touched.map((n) => start + n * dayMs);
          const before = rows;
          const targets = ratingTargets(timeline, rows, times);
          rows = storedAfter(rows, targets);
          const standing = rows.filter((row) => row.periodEnd > row.periodStart);
          for (const [i, row] of standing.entries()) {
            expect(row.periodEnd).toBeLessThanOrEqual(standing[i + 1]?.periodStart ?? row.periodEnd);
            // Within a period no subscription starts.
            for (const at of timeline.subscriptionStarts)
              expect(at > row.periodStart && at < row.periodEnd).toBe(false);
          }
          const covered = (time: number): boolean =>
            standing.some((row) => row.periodStart <= time && time < row.periodEnd);
          expect(times.filter((time) => !covered(time))).toEqual([]);
          // What was billed before is billed still: no usage falls out when periods are cut anew.
          for (const row of before) {
            for (let time = row.periodStart; time < row.periodEnd; time += dayMs) expect(covered(time)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
