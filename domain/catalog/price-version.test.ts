import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Catalog, type CatalogVersion, emptyCatalog, type Plan } from './catalog.ts';
import { pinnedPlan, subjectPeriodOf, subscriptionTimeline } from './price-version.ts';

const at = (text: string) => new Date(text).getTime();

const plan = (slug: string, flatAmount: string, rest: Partial<Plan> = {}): Plan => ({
  slug,
  billingPeriod: 'month',
  calendar: true,
  timezone: 'UTC',
  prices: [{ slug: 'fee', model: 'flat', flatAmount }],
  ...rest,
});

const version = (number: number, effectiveAt: string, plans: Plan[]): CatalogVersion => ({
  version: number,
  effectiveAt: at(effectiveAt),
  catalog: { ...emptyCatalog, plans },
});

describe('pinnedPlan', () => {
  const versions = [
    version(1, '2026-01-01T00:00:00Z', [plan('a', '1')]),
    version(2, '2026-03-15T00:00:00Z', [plan('a', '2'), plan('b', '20')]),
    version(3, '2026-03-10T00:00:00Z', [plan('a', '3')]),
  ];
  const pinned = (slug: string, start: string, list: readonly CatalogVersion[] = versions) =>
    pinnedPlan(list, slug, at(start))?.version ?? null;

  it('takes the newest version in effect when the period starts', () => {
    expect(pinned('a', '2026-02-01T00:00:00Z')).toBe(1);
    expect(pinned('a', '2026-03-01T00:00:00Z')).toBe(1);
    // Version 3 was made after version 2 and overrules it, though it is in effect earlier.
    expect(pinned('a', '2026-03-10T00:00:00Z')).toBe(3);
    expect(pinned('a', '2026-04-01T00:00:00Z')).toBe(3);
  });

  it('passes over versions without the plan', () => {
    expect(pinned('b', '2026-04-01T00:00:00Z')).toBe(2);
  });

  it('takes the oldest version that has the plan where none was in effect yet', () => {
    expect(pinned('a', '2025-12-01T00:00:00Z')).toBe(1);
    expect(pinned('b', '2025-12-01T00:00:00Z')).toBe(2);
    expect(pinned('c', '2026-04-01T00:00:00Z')).toBeNull();
  });

  it('does not depend on the order of the versions', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(versions, { minLength: 3 }),
        fc.constantFrom('2025-01-01T00:00:00Z', '2026-03-12T00:00:00Z', '2026-05-01T00:00:00Z'),
        fc.constantFrom('a', 'b'),
        (shuffled, start, slug) => {
          expect(pinned(slug, start, shuffled)).toBe(pinned(slug, start));
        },
      ),
    );
  });

  it('gives the plan and the currency of that version', () => {
    expect(pinnedPlan(versions, 'a', at('2026-02-01T00:00:00Z'))).toEqual({
      version: 1,
      plan: plan('a', '1'),
      currency: 'USD',
    });
  });
});

const catalog: Catalog = {
  ...emptyCatalog,
  plans: [plan('calendar', '1'), plan('anchored', '2', { calendar: false }), plan('default', '0', { calendar: false })],
  subscriptions: [
    { subject: 's', plan: 'anchored', startsAt: at('2026-02-10T00:00:00Z'), tenant: null },
    { subject: 's', plan: 'calendar', startsAt: at('2026-01-20T00:00:00Z'), tenant: null },
    { subject: 's', plan: 'calendar', startsAt: at('2026-02-10T00:00:00Z'), tenant: 'acme' },
  ],
  defaultPlan: 'default',
};

describe('subscriptionTimeline', () => {
  const starts = (tenant: string, subject = 's') =>
    subscriptionTimeline(catalog, tenant, subject).map(({ plan: p, startsAt }) => [p, startsAt]);

  it('is in order of start, and a tenant own entry stands for the one of every tenant', () => {
    expect(starts('other')).toEqual([
      ['calendar', at('2026-01-20T00:00:00Z')],
      ['anchored', at('2026-02-10T00:00:00Z')],
    ]);
    expect(starts('acme')).toEqual([
      ['calendar', at('2026-01-20T00:00:00Z')],
      ['calendar', at('2026-02-10T00:00:00Z')],
    ]);
    expect(starts('acme', 'nobody')).toEqual([]);
  });
});

describe('subjectPeriodOf', () => {
  const period = (instant: string, tenant = 'other', of: Catalog = catalog) => {
    const found = subjectPeriodOf(of, tenant, 's', at(instant));
    return (
      found && [
        found.plan,
        new Date(found.start).toISOString().slice(0, 10),
        new Date(found.end).toISOString().slice(0, 10),
      ]
    );
  };

  it('cuts the months of a plan where a subscription starts', () => {
    expect(period('2025-12-31T00:00:00Z')).toEqual(['default', '2025-12-01', '2026-01-01']);
    expect(period('2026-01-19T00:00:00Z')).toEqual(['default', '2026-01-01', '2026-01-20']);
    expect(period('2026-01-20T00:00:00Z')).toEqual(['calendar', '2026-01-20', '2026-02-01']);
    expect(period('2026-02-09T00:00:00Z')).toEqual(['calendar', '2026-02-01', '2026-02-10']);
    expect(period('2026-02-10T00:00:00Z')).toEqual(['anchored', '2026-02-10', '2026-03-10']);
    expect(period('2026-02-10T00:00:00Z', 'acme')).toEqual(['calendar', '2026-02-10', '2026-03-01']);
  });

  it('is null where nothing is billed', () => {
    expect(period('2026-01-01T00:00:00Z', 'other', { ...catalog, defaultPlan: null })).toBeNull();
    expect(period('2026-01-20T00:00:00Z', 'other', { ...catalog, defaultPlan: null })).not.toBeNull();
  });

  it('tiles the time of a subject', () => {
    const instants = fc.integer({ min: at('2025-11-01T00:00:00Z'), max: at('2026-06-01T00:00:00Z') });
    fc.assert(
      fc.property(instants, fc.constantFrom('acme', 'other'), (instant, tenant) => {
        const found = subjectPeriodOf(catalog, tenant, 's', instant)!;
        expect(found.start <= instant && instant < found.end).toBe(true);
        expect(subjectPeriodOf(catalog, tenant, 's', found.end)!.start).toBe(found.end);
        expect(subjectPeriodOf(catalog, tenant, 's', found.start - 1)!.end).toBe(found.start);
      }),
    );
  });
});
