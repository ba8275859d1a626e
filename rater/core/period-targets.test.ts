import { describe, expect, it } from '@jest/globals';
import type { RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import {
  type CatalogVersion,
  emptyCatalog,
  type Meter,
  type Plan,
  type Price,
  type Subscription,
} from '../../domain/catalog/catalog.ts';
import { subscriptionBook } from '../../domain/catalog/subscription-book.ts';
import type { WindowSize } from '../../domain/time/time-window.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { ownWork } from '../../test/support/own-work.ts';
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
  ...{
    tenant: 't',
    customer: 's',
    subscription: '',
    periodStart: start,
    periodEnd: end,
    plan: 'old',
    catalogVersion: 1,
  },
  ...{ subscriptionStart: null, timelineVersion: 1, sealVector: {}, ratedWatermark: start, closedUpTo: start },
};

const on20 = (time: string): number => Date.parse(`2026-11-20T${time}:00Z`);
const wider = (slug: string, itemWidth: WindowSize): Meter => aMeter(slug, { window: '15m', itemWidth });
/** The plan `old` prices these meters. */
const pricing = (meters: readonly Meter[], subscriptions: readonly Subscription[] = []): CatalogVersion[] => {
  const prices = meters.map(
    ({ slug }): Price => ({ slug, meter: slug, match: {}, model: 'per_unit', unitAmount: '1' }),
  );
  const plans = [{ ...plan('old', 'a'), prices }];
  return [{ ...versions[0]!, catalog: { ...versions[0]!.catalog, meters, plans, subscriptions } }];
};

const targets = (detail: Detail, known: readonly RatedPeriod[], times: readonly number[], of = versions) =>
  periodTargets(detail, { versions: of, book: subscriptionBook(of) }, [ownWork('t', 's', times)], known);

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

  it.each<[string, string, Meter[], string]>([
    ['the item that was touched', '18:45', [wider('calls', '1h')], '18:00'],
    ['the widest item that may hold it', '18:45', [wider('calls', '1h'), wider('seats', '1d')], '00:00'],
    ['the window, where items are windows', '18:45', [aMeter('calls', { window: '15m' })], '18:45'],
    ['the window, where items are windows and wider', '18:45', [aMeter('storage', { window: '1d' })], '18:45'],
  ])('is looked at item by item from %s', (_, time, meters, from) => {
    expect(targets('touched', [stored], [on20(time)], pricing(meters))).toMatchObject([{ detailFrom: on20(from) }]);
  });

  it('is looked at from its start where it begins inside the item that was touched', () => {
    const periodStart = on20('18:30');
    const begun = { ...stored, periodStart, subscriptionStart: periodStart };
    const meters = [wider('calls', '1h')];
    const of = pricing(meters, [{ subject: 's', plan: 'old', startsAt: periodStart, tenant: null }]);
    expect(targets('touched', [begun], [on20('18:45')], of)).toMatchObject([{ detailFrom: periodStart }]);
    expect(targets('touched', [begun], [on20('19:15')], of)).toMatchObject([{ detailFrom: on20('19:00') }]);
  });

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
