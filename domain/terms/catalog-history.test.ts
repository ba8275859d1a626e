import { describe, expect, it } from '@jest/globals';
import type { Catalog, Plan } from '../catalog/catalog.ts';
import type { Price } from '../pricing/prices.ts';
import { CatalogHistory } from './catalog-history.ts';

const flat = (flatAmount: string, more: object = {}): Price =>
  ({ slug: 'fee', model: 'flat', flatAmount, ...more }) as Price;
const plan = (slug: string, ...prices: Price[]): Plan => ({ slug, timezone: 'UTC', calendar: true, prices });

/** The plans that the last of some catalogs changes. */
function changedBy(...catalogs: readonly (Pick<Catalog, 'plans'> & Partial<Catalog>)[]): string[] {
  const versions = catalogs.map((catalog, i) => ({
    ...{ version: i + 1, effectiveAt: i },
    catalog: { currency: 'USD', meters: [], defaultPlan: null, ...catalog },
  }));
  return new CatalogHistory(versions).plansChangedBy(versions.length);
}

const [pro, team] = [plan('pro', flat('1')), plan('team', flat('2'))];

describe('the plans that a version changes', () => {
  it.each([
    ['all of them, in the first one', [{ plans: [pro, team] }], ['pro', 'team']],
    ['none, where it says the same', [{ plans: [pro, team] }, { plans: [team, plan('pro', flat('1'))] }], []],
    ['one whose price it changes', [{ plans: [pro, team] }, { plans: [plan('pro', flat('3')), team] }], ['pro']],
    ['one that gets a price', [{ plans: [plan('pro'), team] }, { plans: [pro, team] }], ['pro']],
    ['one that loses a price', [{ plans: [pro, team] }, { plans: [pro, plan('team')] }], ['team']],
    ['one that is gone', [{ plans: [pro, team] }, { plans: [team] }], ['pro']],
    [
      'one that says something else of itself',
      [{ plans: [pro, team] }, { plans: [pro, { ...team, afterEnd: 'default' as const }] }],
      ['team'],
    ],
    [
      'those that it makes the default one, or no more',
      [
        { plans: [pro, team], defaultPlan: 'pro' },
        { plans: [pro, team], defaultPlan: 'team' },
      ],
      ['pro', 'team'],
    ],
  ])('are %s', (_, catalogs, expected) => {
    expect(changedBy(...catalogs)).toEqual(expected);
  });
});
