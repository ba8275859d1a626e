import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Catalog, type CatalogVersion, emptyCatalog, type Plan, type Subscription } from './catalog.ts';
import { customerPeriodOf, subscriptionBook, subscriptionTimeline } from './subscription-book.ts';

const at = (text: string) => new Date(text).getTime();

const plan = (slug: string, flatAmount: string, rest: Partial<Plan> = {}): Plan => ({
  slug,
  billingPeriod: 'month',
  calendar: true,
  timezone: 'UTC',
  prices: [{ slug: 'fee', model: 'flat', flatAmount }],
  ...rest,
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

describe('customerPeriodOf', () => {
  const period = (instant: string, tenant = 'other', of: Catalog = catalog) => {
    const found = customerPeriodOf(of, tenant, 's', at(instant));
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
        const found = customerPeriodOf(catalog, tenant, 's', instant)!;
        expect(found.start <= instant && instant < found.end).toBe(true);
        expect(customerPeriodOf(catalog, tenant, 's', found.end)!.start).toBe(found.end);
        expect(customerPeriodOf(catalog, tenant, 's', found.start - 1)!.end).toBe(found.start);
      }),
    );
  });
});

describe('subscription book', () => {
  const usage = plan('usage', '0', { prices: [] });
  const subscription = (subject: string, more: Partial<Subscription> = {}): Subscription => ({
    ...{ subject, plan: 'calendar', startsAt: at('2026-01-20T00:00:00Z'), tenant: null },
    ...more,
  });
  const version = (number: number, subscriptions: Subscription[], more: Partial<Catalog> = {}): CatalogVersion => ({
    version: number,
    effectiveAt: number,
    catalog: { ...catalog, plans: [...catalog.plans, usage], subscriptions, defaultPlan: null, ...more },
  });
  const versions = [
    version(1, [subscription('kept'), subscription('moved'), subscription('gone')]),
    version(3, [
      ...[subscription('kept'), subscription('moved', { startsAt: 0 }), subscription('new', { tenant: 'acme' })],
      subscription('metered', { plan: 'usage' }),
    ]),
    version(4, [], { defaultPlan: 'default' }),
  ];

  it('is that of a revision', () => {
    expect([subscriptionBook([]).revision, subscriptionBook([]).isEmpty]).toEqual([0, true]);
    expect([subscriptionBook(versions, 0).revision, subscriptionBook(versions, 0).isEmpty]).toEqual([0, true]);
    expect([subscriptionBook(versions, 3).revision, subscriptionBook(versions, 3).isEmpty]).toEqual([3, false]);
    expect([subscriptionBook(versions).revision, subscriptionBook(versions).isEmpty]).toEqual([4, true]);
    expect([subscriptionBook(versions, 3).hasDefaultPlan, subscriptionBook(versions).hasDefaultPlan]).toEqual([
      false,
      true,
    ]);
  });

  it.each([
    [0, 1, ['gone', 'kept', 'moved']],
    [1, 1, []],
    [1, 3, ['gone', 'metered', 'moved', 'new']],
    [3, 4, ['kept', 'metered', 'moved', 'new']],
  ])('says who changed from revision %d to %d', (before, now, changed) => {
    expect([...subscriptionBook(versions, now).changedSince(before)].sort()).toEqual(changed);
  });

  it('says which tenants are named, and who is charged without usage', () => {
    const book = subscriptionBook(versions, 3);
    expect(book.tenants).toEqual(['acme']);
    expect([...book.chargedByPeriod].sort()).toEqual(['kept', 'moved', 'new']);
  });

  it('gives a customer its timeline, and pins its prices', () => {
    const timeline = subscriptionBook(versions, 3).timeline({ tenant: 'acme', customer: 'new' });
    expect(timeline.subscriptionStarts).toEqual([at('2026-01-20T00:00:00Z')]);
    expect(timeline.periodAt(at('2026-01-19T00:00:00Z'))).toBeNull();
    expect(timeline.periodAt(at('2026-01-21T00:00:00Z'))).toMatchObject({
      plan: 'calendar',
      start: at('2026-01-20T00:00:00Z'),
    });
    expect(timeline.pin('usage', 2)).toBe(1);
    expect(() => timeline.pin('none', 2)).toThrow('no catalog version has plan none');
  });
});
