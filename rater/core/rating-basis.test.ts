import { describe, expect, it } from '@jest/globals';
import type { RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { RatingCatalog, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import { closedAsFarAs, isUnmoved, type RatingBasis } from './rating-basis.ts';

const basis: RatingBasis = {
  ...{
    seals: { vector: { 1: { 0: 5 } }, epochSteps: [], recountRuns: [], watermark: 900 },
    watermark: 900,
    closedUpTo: 600,
  },
  catalogs: new RatingCatalogs(new TenantVersions([{ version: 2, effectiveAt: 0, catalog: emptyCatalog }])),
};
const period = (more: Partial<RatedPeriod> = {}): RatedPeriod => ({
  ...{ tenant: 't', customer: 's', subscription: '', periodStart: 0, periodEnd: 1_000 },
  ...{ catalogVersion: 2, records: 0, sealVector: { 1: { 0: 5 } }, ratedWatermark: 900, closedUpTo: 600 },
  ...more,
});

describe('what was read', () => {
  it.each<[string, Partial<RatedPeriod>, boolean]>([
    ['is as it was', {}, true],
    [
      'was rated earlier',
      { sealVector: { 1: { 0: 4 } }, ratedWatermark: 800, closedUpTo: 500, catalogVersion: 1 },
      true,
    ],
    ['was never rated', { sealVector: {}, ratedWatermark: null, closedUpTo: null }, true],
    ['ends elsewhere', { periodEnd: 999 }, false],
    ['is of another subscription', { subscription: 's' }, false],
    ['was rated by a newer catalog', { catalogVersion: 3 }, false],
    ['was rated by later seals', { sealVector: { 1: { 0: 6 } } }, false],
    ['was rated at a later watermark', { ratedWatermark: 901 }, false],
    ['was closed further', { closedUpTo: 601 }, false],
  ])('stands where the locked period %s: %#', (_, more, expected) => {
    expect(isUnmoved([period()], [period(more)], basis)).toBe(expected);
  });

  it('does not stand where a period was added or is another one', () => {
    expect(isUnmoved([], [period()], basis)).toBe(false);
    expect(isUnmoved([period()], [period({ periodStart: 1 })], basis)).toBe(false);
  });
});

it('closes as far as any of the periods was', () => {
  expect(closedAsFarAs(basis, [period({ closedUpTo: 500 }), period({ closedUpTo: 700 })]).closedUpTo).toBe(700);
  expect(closedAsFarAs(basis, [period({ closedUpTo: null })]).closedUpTo).toBe(600);
});

it('charges in the currency of the version that defines a price, and of the newest where none does', () => {
  const of = (version: number, currency: string) => ({
    version,
    effectiveAt: 0,
    catalog: { ...emptyCatalog, currency },
  });
  const catalog = new RatingCatalog([of(1, 'EUR'), of(2, 'USD')]);
  expect([1, 2, null].map((version) => catalog.currencyOf(version))).toEqual(['EUR', 'USD', 'USD']);
});
