import { describe, expect, it } from '@jest/globals';
import { aMeter } from '../../test/support/a-meter.ts';
import type { RatedPeriod } from '../billing/billing-period-terms.ts';
import type { Catalog, Plan } from '../catalog/catalog.ts';
import { TenantVersions } from '../catalog/tenant-versions.ts';
import { CatalogHistory } from '../terms/catalog-history.ts';
import type { CustomerSubscription } from '../terms/customer-subscription.ts';
import { nextDueAfter } from '../terms/next-due.ts';
import { billedBy } from './billed-by.ts';
import { RecordsByCustomer } from './customer-records.ts';
import { dueTargets, periodTargets } from './period-targets.ts';
import { RatingCatalogs } from './rating-catalog.ts';

const HOUR = 3_600_000;
const at = (day: number, hour = 0): number => Date.UTC(2026, 10, day, hour);

const plan: Plan = {
  ...{ slug: 'payg', calendar: true, timezone: 'UTC' },
  prices: [{ slug: 'base', model: 'flat', flatAmount: '37', charge: 'in_arrears', every: { days: 3 } }],
};
const catalog: Catalog = { currency: 'EUR', meters: [], plans: [plan], defaultPlan: 'payg' };
const by = billedBy(new CatalogHistory([{ version: 1, effectiveAt: at(1), catalog }]), []);
const work = { tenant: 'acme', customer: 'c', subjects: [{ subject: 'c', assignments: [] }], windows: new Map() };

describe('what is due of the default plan', () => {
  it('is looked at in a period that is over and of which nothing was billed', () => {
    const targets = dueTargets({ watermark: at(15, 1), closedUpTo: at(15, 1) }, by, { ...work, dueFrom: at(15) }, []);
    const fees = targets.flatMap(({ periodStart, fees: due }) =>
      due.map(({ slug, dueAt }) => [periodStart, slug, dueAt]),
    );
    // Periods of three days begin on the 12th and the 15th.
    expect(fees).toEqual([[at(12), 'base', at(15)]]);
  });

  it('is looked at no further back than anything can come to be charged of which nothing was', () => {
    const targets = dueTargets({ watermark: at(15, 1), closedUpTo: at(15, 1) }, by, { ...work, dueFrom: 0 }, []);
    expect(targets[0]!.periodStart).toBeGreaterThan(at(15, 1) - 404 * 24 * HOUR);
    expect(targets.length).toBeLessThanOrEqual(136);
  });

  it('is looked at in every period from an instant long past on', () => {
    const targets = dueTargets(
      { watermark: at(15, 1), closedUpTo: at(15, 1) },
      by,
      { ...work, dueFrom: at(8) + HOUR },
      [],
    );
    expect(targets.map(({ periodStart }) => periodStart)).toEqual([at(6), at(9), at(12), at(15)]);
  });
});

describe('a window is touched', () => {
  const meters = ['tokens', 'level'].map((slug) => aMeter(slug, { window: '1h' }));
  const priced = (slug: string) => ({ slug, meter: slug, match: {}, model: 'per_unit', unitAmount: '1' }) as const;
  const used: Catalog = { ...catalog, meters, plans: [{ ...plan, prices: [priced('tokens'), priced('level')] }] };
  const catalogs = new RatingCatalogs(new TenantVersions([{ version: 1, effectiveAt: at(1), catalog: used }]));
  const customer = { tenant: 'acme', customer: 'c' };
  const made = { recordedAt: at(9), sequence: 1, patches: [{ at: at(10), patch: { plan: 'payg' } }] };
  const opening = {
    startsAt: at(10),
    billedFrom: at(10),
    takesBegunWindow: false,
    anchor: 'calendar',
    timezone: 'UTC',
  };
  const subscription = { ...customer, opening: { id: 's', ...opening }, records: [made] };
  const period: RatedPeriod = {
    ...{ ...customer, subscription: '', periodStart: at(1), periodEnd: Date.UTC(2026, 11, 1), catalogVersion: 1 },
    ...{ records: 0, sealVector: {}, ratedWatermark: at(8), closedUpTo: at(8) },
  };
  const pricesOf = (subscriptions: readonly unknown[]) => {
    const records = new RecordsByCustomer(catalogs, subscriptions as CustomerSubscription[]);
    const windows = new Map([['c', new Set([at(8, 3)])]]);
    const [target] = periodTargets(
      'touched',
      { watermark: at(8, 5), closedUpTo: at(8) },
      records,
      [{ ...work, windows, dueFrom: null }],
      [period],
    );
    return target!.prices;
  };

  it('by the records that its period was rated by: the prices of all meters are what may be touched', () => {
    expect(pricesOf([])).toEqual(new Set(['tokens', 'level']));
  });

  it('and the customer has a record that is not due yet: the period is rated whole', () => {
    expect(pricesOf([subscription])).toBeNull();
  });
});

describe('a plan is changed while it is held back by a pause', () => {
  const pro: Plan = {
    ...{ slug: 'pro', calendar: true, timezone: 'UTC' },
    prices: [
      { slug: 'seats', model: 'flat', flatAmount: '31' },
      { slug: 'calls', meter: 'calls', match: {}, model: 'per_unit', unitAmount: '1' },
      { slug: 'users', meter: 'users', match: {}, model: 'per_unit', unitAmount: '1' },
    ],
  };
  const meters = [aMeter('calls', { window: '1h' }), aMeter('users', { window: '1d' })];
  const basic: Plan = { ...pro, slug: 'basic', prices: [] };
  const history = new CatalogHistory([
    {
      version: 1,
      effectiveAt: at(1),
      catalog: { currency: 'EUR', meters, plans: [pro, basic], defaultPlan: null },
    },
  ]);
  const patches = [
    { at: at(20), patch: { plan: 'basic' } },
    { at: at(28), patch: { pausedUntil: Date.UTC(2026, 11, 1, 21) } },
    { at: at(29), patch: { plan: 'pro' } },
    { at: Date.UTC(2026, 11, 1, 13), patch: { plan: 'basic' } },
  ];
  const subscription = {
    ...{ tenant: 'acme', customer: 'c', version: 4, createdAt: at(19), updatedAt: at(30) },
    opening: {
      ...{ id: 's', startsAt: at(20), billedFrom: at(20), takesBegunWindow: false, timezone: 'UTC' },
      anchor: 'calendar',
    },
    records: patches.map((patch, i) => ({ recordedAt: at(19), sequence: i + 1, patches: [patch] })),
  } as unknown as CustomerSubscription;
  const changed = billedBy(history, [subscription]);
  const december = Date.UTC(2026, 11, 1);
  const feesAt = (watermark: number) =>
    dueTargets({ watermark, closedUpTo: watermark }, changed, { ...work, dueFrom: december }, [])
      .filter(({ periodStart }) => periodStart === december)
      .flatMap(({ fees }) => fees.map(({ slug, amount }) => `${slug} ${amount}`));

  it('and costs what it did until the change is to be known, though it is never held in the end', () => {
    expect(feesAt(december + HOUR)).toEqual(['seats 31']);
    expect(feesAt(december + 13 * HOUR)).toEqual([]);
  });

  it('and is due where its period starts', () => {
    expect(nextDueAfter(changed.terms, changed.fees, at(30))).toBe(december);
  });
});
