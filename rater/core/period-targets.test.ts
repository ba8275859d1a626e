import { describe, expect, it } from '@jest/globals';
import type { RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import { type CatalogVersion, emptyCatalog, type Plan } from '../../domain/catalog/catalog.ts';
import { subscriptionBook } from '../../domain/catalog/subscription-book.ts';
import { type Detail, periodTargets } from './period-targets.ts';

const at = (day: string): number => Date.parse(`2026-11-${day}T00:00:00Z`);
const [start, end] = [at('01'), Date.parse('2026-12-01T00:00:00Z')];
const plan = (slug: string, fee: string): Plan => ({
  ...{ slug, billingPeriod: 'month', calendar: true, timezone: 'UTC' },
  prices: [{ slug: fee, model: 'flat', flatAmount: '1' }],
});
const versions: CatalogVersion[] = [
  {
    ...{ version: 1, effectiveAt: 0 },
    catalog: { ...emptyCatalog, plans: [plan('old', 'a'), plan('new', 'b')], defaultPlan: 'old' },
  },
];
const subscribed = (subscriptionPlan: string): CatalogVersion[] => [
  {
    ...versions[0]!,
    catalog: {
      ...versions[0]!.catalog,
      subscriptions: [{ subject: 's', plan: subscriptionPlan, startsAt: start, tenant: null }],
    },
  },
];
const stored: RatedPeriod = {
  ...{ tenant: 't', subject: 's', periodStart: start, periodEnd: end, plan: 'old', catalogVersion: 1 },
  ...{ subscriptionStart: null, timelineVersion: 1, sealVector: {}, ratedWatermark: start, closedUpTo: start },
};

const targets = (detail: Detail, known: readonly RatedPeriod[], times: readonly number[], of = versions) =>
  periodTargets(detail, { versions: of, book: subscriptionBook(of) }, [{ tenant: 't', subject: 's', times }], known);

describe('a period to rate', () => {
  it.each<[string, Detail, readonly RatedPeriod[], readonly number[], number]>([
    ['is new', 'touched', [], [at('20')], start],
    ['was rated before', 'touched', [stored], [at('20'), at('10')], at('10')],
    ['did not add up as a sum', 'all', [stored], [at('20'), at('10')], start],
  ])(
    'that %s is looked at window by window from where it was touched, or as a whole: %#',
    (_, detail, known, times, from) => {
      expect(targets(detail, known, times)).toMatchObject([{ periodStart: start, detailFrom: from }]);
    },
  );

  it('whose plan has changed is looked at as a whole, and the prices it has no more have to cancel out', () => {
    const [target] = targets('touched', [stored], [at('20')], subscribed('new'));
    expect(target).toMatchObject({ plan: 'new', detailFrom: start });
    expect(target!.prices.map(({ price, isCharged }) => [price.slug, isCharged])).toEqual([
      ['b', true],
      ['a', false],
    ]);
  });

  it('has each price once', () => {
    const [target] = targets('touched', [stored], [at('20')]);
    expect(target!.prices.map(({ price, isCharged }) => [price.slug, isCharged])).toEqual([['a', true]]);
  });
});
