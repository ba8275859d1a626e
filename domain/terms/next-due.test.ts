import { describe, expect, it } from '@jest/globals';
import type { Catalog, CatalogVersion } from '../catalog/catalog.ts';
import { billedBy } from '../rating/billed-by.ts';
import { CatalogHistory } from './catalog-history.ts';
import type { CustomerSubscription } from './customer-subscription.ts';
import { nextDueAfter } from './next-due.ts';

const at = (day: number, hour = 0): number => Date.UTC(2026, 10, day, hour);

const catalog = (pro: string, other: string): Catalog => ({
  ...{ currency: 'EUR', meters: [], defaultPlan: null },
  plans: Object.entries({ pro, other }).map(([slug, flatAmount]) => ({
    ...{ slug, calendar: false, timezone: 'UTC' },
    prices: [{ slug: 'fee', model: 'flat', flatAmount, every: { days: 10 } }],
  })),
});

const subscription: CustomerSubscription = {
  ...{ tenant: 'acme', customer: 'c', version: 1, createdAt: at(1), updatedAt: at(1) },
  opening: {
    ...{ id: 's', startsAt: at(1, 2), billedFrom: at(1, 2), takesBegunWindow: false },
    ...{ anchor: at(1, 2), timezone: 'UTC' },
  },
  records: [{ sequence: 1, recordedAt: at(1), patches: [{ at: at(1, 2), patch: { plan: 'pro' } }] }],
};

const dueWith = (next: Omit<CatalogVersion, 'version'>): number | null => {
  const versions = [
    { version: 1, effectiveAt: at(1), catalog: catalog('6', '7') },
    { ...next, version: 2 },
  ];
  const { terms, fees } = billedBy(new CatalogHistory(versions), [subscription]);
  return nextDueAfter(terms, fees, at(3));
};

describe('the next instant at which a customer is due', () => {
  it('is where a version takes effect that changes a price of its plan with the next period', () => {
    expect(dueWith({ effectiveAt: at(5), appliesTo: 'next', catalog: catalog('12', '7') })).toBe(at(5));
  });

  it('is not where one does that changes another plan', () => {
    expect(dueWith({ effectiveAt: at(5), appliesTo: 'next', catalog: catalog('6', '9') })).toBe(at(11, 2));
  });
});
