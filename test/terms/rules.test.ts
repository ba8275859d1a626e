// The rules of prices in time, each with the example it was found by. docs/inside/prices-in-time.md says them in words.
import { describe, expect, it } from '@jest/globals';
import { termText } from '../../domain/billing/billing-period-terms.ts';
import type { NewLineItem, WrittenTerm } from '../../domain/billing/line-item.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import type { Price, UsagePrice } from '../../domain/pricing/prices.ts';
import { CustomerMinimums } from '../../domain/rating/minimums.ts';
import { wholeTarget } from '../../domain/rating/period-targets.ts';
import { ratedTerms } from '../../domain/rating/rated-terms.ts';
import { chargedTerms, countedTerms } from '../../domain/rating/term-usage.ts';
import { freeUnits } from '../../domain/terms/allowances.ts';
import { amountBetween } from '../../domain/terms/exact-share.ts';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { priceOverlap } from '../../domain/terms/overlaps.ts';
import { type CustomerRecords, CustomerTerms } from '../../domain/terms/price-terms.ts';
import {
  billedFromOf,
  changeInstant,
  changeNow,
  currencyFault,
  takesBegunWindow,
  versionFacts,
} from '../../domain/terms/record-rules.ts';
import type { SubscriptionRecord } from '../../domain/terms/subscription-history.ts';
import { gridPeriodOf, localDaysOf } from '../../domain/terms/subscription-periods.ts';
import { changeKindOf, countedTogether, termCharges } from '../../domain/terms/term-amounts.ts';
import { rate } from '../../rater/core/rate.ts';
import { goneTerms, termItems } from '../../rater/core/term-items.ts';
import {
  amountsOf,
  catalogOf,
  catalogs,
  changes,
  customer,
  feesShown,
  flatOf,
  HOUR,
  meterOf,
  on,
  periodOf,
  perUnitOf,
  shownAt,
  sinceLongAgo,
  subscribed,
  termsShown,
  tieredOf,
  units,
  used,
} from './records.ts';

const dearer = catalogs(
  { at: '01-01', catalog: catalogOf({ pro: [perUnitOf('0.10')] }) },
  { at: '10-16T10:20', catalog: catalogOf({ pro: [perUnitOf('0.30')] }) },
);
const twoPlans = (pro: readonly ReturnType<typeof perUnitOf>[], team: readonly ReturnType<typeof perUnitOf>[]) =>
  catalogs(sinceLongAgo({ pro, team }));

describe('P1', () => {
  it('P1 equal histories have equal terms, in whatever order they were recorded', () => {
    const catalog = twoPlans([perUnitOf('0.10')], [perUnitOf('0.30')]);
    const planned = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-16', { plan: 'team' }],
    ]);
    const shuffled = subscribed('10-01', [
      { sequence: 7, patches: [{ at: on('10-16'), patch: { plan: 'team' } }] },
      { sequence: 9, patches: [{ at: on('10-01'), patch: { plan: 'pro' } }] },
    ]);
    const terms = termsShown(periodOf(customer(catalog, planned), '10-20'));
    expect(terms).toEqual(['10-01 to 10-16 pro 1', '10-16 to 11-01 team 1']);
    expect(termsShown(periodOf(customer(catalog, shuffled), '10-20'))).toEqual(terms);
  });

  it('P1 owes the same at every instant, whether a change was planned or made on its day', () => {
    const catalog = catalogs(sinceLongAgo({ pro: [flatOf('90')], team: [flatOf('270')] }));
    const records = customer(
      catalog,
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16', { plan: 'team' }],
      ]),
    );
    expect(feesShown(records, '10-01', '10-05')).toEqual(['10-01 to 11-01: 90']);
    expect(feesShown(records, '10-01', '10-16')).toHaveLength(2);
  });
});

describe('P7', () => {
  const amount = Decimal.parse('1');

  it('P7 parts add up to the whole, however many and however small', () => {
    for (const parts of [1n, 3n, 7n, 1_000n]) {
      let sum = Decimal.zero;
      for (let i = 0n; i < parts; i++) sum = sum.plus(amountBetween(amount, i, i + 1n, parts));
      expect(sum.toString()).toBe('1');
    }
    expect(amountBetween(amount, 0n, 1n, 3n).toString()).toBe('0.333333333333');
    expect(amountBetween(amount, 2n, 3n, 3n).toString()).toBe('0.333333333333');
    expect(amountBetween(amount, 1n, 2n, 3n).toString()).toBe('0.333333333334');
  });

  it('P7 rounds half to even, of either sign, and not the end of the whole', () => {
    expect(amountBetween(Decimal.parse('0.000000000001'), 0n, 1n, 2n).toString()).toBe('0');
    expect(amountBetween(Decimal.parse('0.000000000003'), 0n, 1n, 2n).toString()).toBe('0.000000000002');
    expect(amountBetween(Decimal.parse('-0.000000000003'), 0n, 1n, 2n).toString()).toBe('-0.000000000002');
    expect(amountBetween(Decimal.parse('0.0000000000000001'), 1n, 2n, 2n).toString()).toBe('0.0000000000000001');
  });
});

describe('T1', () => {
  const plain = catalogs(sinceLongAgo({ pro: [perUnitOf('0.10')], free: [perUnitOf('0')] }, { defaultPlan: 'free' }));

  it('T1 a window is priced by what holds at its start', () => {
    const period = periodOf(customer(dearer, subscribed('10-01', [['10-01', { plan: 'pro' }]])), '10-16');
    expect(termsShown(period)).toEqual(['10-01 to 10-16T11:00 pro 1', '10-16T11:00 to 11-01 pro 2']);
    expect(amountsOf(period, used(['10-16T10:00', '1'], ['10-16T11:00', '1']))).toEqual(['0.1', '0.3']);
  });

  it.each([
    ['its first', true, '10-05T10:00 to 11-01 pro 1'],
    ['not its first, or billed already', false, '10-05T11:00 to 11-01 pro 1'],
  ])('T1 the window that holds the start of a subscription, %s', (_, takes, term) => {
    const opening = { takesBegunWindow: takes };
    const records = customer(plain, subscribed('10-05T10:20', [['10-05T10:20', { plan: 'pro' }]], opening));
    expect(termsShown(periodOf(records, '10-06'))).toEqual([term]);
    // The default plan has what is before, and no window is priced twice.
    const line = new CustomerTerms(records).usageLines.find(({ members }) => members.includes(null))!;
    expect(shownAt(line.segments[0]!.to)).toBe(takes ? '10-05T10:00' : '10-05T11:00');
    expect(takesBegunWindow(on('10-05T10:20'), HOUR, { isFirst: true, ratedUpTo: null })).toBe(true);
    expect(takesBegunWindow(on('10-05T10:20'), HOUR, { isFirst: true, ratedUpTo: on('10-05T11:00') })).toBe(false);
    expect(takesBegunWindow(on('10-05T10:20'), HOUR, { isFirst: false, ratedUpTo: null })).toBe(false);
  });
});

describe('T2', () => {
  it('T2 now is never before what was rated, and what was billed changes only where it is asked for', () => {
    const [clock, ratedUpTo] = [on('10-16T10:20'), on('10-16T10:30')];
    expect(changeNow({ clock, ratedUpTo: null })).toBe(clock);
    expect(changeNow({ clock, ratedUpTo })).toBe(ratedUpTo);
    expect(changeInstant('now', { clock, ratedUpTo, rerate: false })).toBe(ratedUpTo);
    expect(changeInstant(on('10-16'), { clock, ratedUpTo, rerate: false })).toBeNull();
    expect(changeInstant(on('10-16'), { clock, ratedUpTo, rerate: true })).toBe(on('10-16'));
    expect(changeInstant(on('10-17'), { clock, ratedUpTo, rerate: false })).toBe(on('10-17'));
  });
});

describe('T3', () => {
  const [small, large] = [
    { slug: 'small', match: { model: 's' } },
    { slug: 'large', match: { model: 'l' } },
  ];
  const pro = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
  const versions = (second: Parameters<typeof catalogOf>[0], more: object = {}, first = [perUnitOf('1', small)]) =>
    customer(
      catalogs(
        { at: '01-01', catalog: catalogOf({ pro: first }) },
        { at: '10-16T10:20', closedUpTo: on('10-16T09:00'), catalog: catalogOf(second), ...more },
      ),
      pro,
    );
  const added = { pro: [perUnitOf('1', small), perUnitOf('2', large)] };

  it('T3 a price for a second model bills from the first window that is not closed', () => {
    expect(termsShown(periodOf(versions(added), '10-20', 'large'))).toEqual(['10-16T09:00 to 11-01 pro 2']);
    expect(termsShown(periodOf(versions(added), '10-20', 'small'))).toEqual(['10-01 to 11-01 pro 1']);
  });

  it('T3 it begins like a change where something else priced the usage', () => {
    const all = versions(added, {}, [perUnitOf('1', { slug: 'all' })]);
    expect(termsShown(periodOf(all, '10-20', 'large'))).toEqual(['10-16T11:00 to 11-01 pro 2']);
  });

  it('T3 window by window: not in those that another subscription prices', () => {
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf({ pro: [perUnitOf('1', small)], other: [perUnitOf('1', { slug: 'all' })] }) },
      { at: '10-16T10:20', closedUpTo: on('10-16T05:00'), catalog: catalogOf({ ...added, other: [] }) },
    );
    const other = subscribed(
      '10-16T06:00',
      [
        ['10-16T06:00', { plan: 'other' }],
        ['10-16T06:00', { endsAt: on('10-16T08:00') }],
      ],
      { id: 's2' },
    );
    expect(termsShown(periodOf(customer(catalog, pro, other), '10-20', 'large'))).toEqual([
      '10-16T05:00 to 10-16T06:00 pro 2',
      '10-16T08:00 to 11-01 pro 2',
    ]);
  });

  it('T3 what was closed is stored with a version, and one before its time counts from the window it begins in', () => {
    const clock = on('10-16T10:20');
    const situation = { clock, closingUpTo: on('10-16T09:00') };
    expect(versionFacts('now', situation)).toEqual({ effectiveAt: clock, closedUpTo: on('10-16T09:00') });
    expect(versionFacts(on('10-16T09:30'), situation)).toEqual({
      effectiveAt: on('10-16T09:30'),
      closedUpTo: on('10-16T09:00'),
    });
    expect(versionFacts(on('10-16T08:59'), situation)).toEqual({ earliest: on('10-16T09:00') });
    expect(versionFacts(on('10-16T08:20'), { ...situation, rerate: true })).toEqual({
      effectiveAt: on('10-16T08:20'),
      closedUpTo: on('10-16T08:20'),
    });
    expect(versionFacts('now', { clock, closingUpTo: null })).toEqual({ effectiveAt: clock, closedUpTo: 0 });
    expect(versionFacts('now', { clock, closingUpTo: clock + 5 })).toMatchObject({ effectiveAt: clock + 5 });
    const scheduled = { ...versionFacts(on('10-20T10:20'), situation), at: '10-20T10:20' };
    expect(termsShown(periodOf(versions(added, scheduled), '10-25', 'large'))).toEqual(['10-20T10:00 to 11-01 pro 2']);
  });

  it('T3 a plan change begins at the next boundary, also where nothing priced the usage', () => {
    const catalog = twoPlans([perUnitOf('1', small)], [perUnitOf('2', large)]);
    const upgraded = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-16T10:20', { plan: 'team' }],
    ]);
    expect(termsShown(periodOf(customer(catalog, upgraded), '10-20', 'large'))).toEqual([
      '10-16T11:00 to 11-01 team 1',
    ]);
  });

  it('T3 what is gone ends at the next boundary, and is unpriced and seen', () => {
    const records = versions({ pro: [] });
    expect(termsShown(periodOf(records, '10-05', 'small'))).toEqual(['10-01 to 10-16T11:00 pro 1']);
    const covers = ['10-16T10:00', '10-16T11:00'].map((window) =>
      new CustomerTerms(records).coverOf('m', { model: 's' }, on(window)),
    );
    expect(covers).toEqual(['priced', 'none']);
  });

  it('T3 for next periods: each subscription changes where its own begins, and a later one at once', () => {
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf({ pro: [perUnitOf('0.10')] }) },
      { at: '10-16T10:20', appliesTo: 'next', catalog: catalogOf({ pro: [perUnitOf('0.30')] }) },
    );
    const since = (from: string) => subscribed(from, [[from, { plan: 'pro' }]], { anchor: on(from) });
    expect(termsShown(periodOf(customer(catalog, since('10-05')), '10-20'))).toEqual(['10-05 to 11-05 pro 1']);
    expect(termsShown(periodOf(customer(catalog, since('10-05')), '11-20'))).toEqual(['11-05 to 12-05 pro 2']);
    expect(termsShown(periodOf(customer(catalog, since('10-17')), '10-20'))).toEqual(['10-17 to 11-17 pro 2']);
  });
});

describe('P3 otherwise', () => {
  const byModel = { meters: [meterOf('m', { dimensions: [{ name: 'model', path: ['model'] }] })] };
  const small = { slug: 'small', match: { model: 's' } };
  const rest = (more: Partial<UsagePrice> = {}) => perUnitOf('9', { slug: 'rest', otherwise: true, ...more });
  const pro = [perUnitOf('1', small), rest()];
  const add = [perUnitOf('2', { slug: 'large', match: { model: 'l' } })];
  const takersAt = (records: CustomerRecords, model: string, window: string) =>
    new CustomerTerms(records).takersOf('m', { model }, on(window)).map(({ price }) => price.slug);

  it('takes what no other price in any active subscription matches, window by window, as one term', () => {
    const catalog = catalogs(sinceLongAgo({ pro, add }, byModel));
    const base = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
    const addOn = subscribed(
      '10-11',
      [
        ['10-11', { plan: 'add', endsAt: on('10-26') }],
        ['10-16T10:20', { pausedUntil: on('10-21') }],
      ],
      { id: 's2' },
    );
    const records = customer(catalog, base, addOn);
    const period = periodOf(records, '10-15', 'rest');
    expect(termsShown(period)).toEqual(['10-01 to 11-01 pro 1']);
    expect(period.terms[0]!.taken.map(({ from, leftOut }) => [shownAt(from), JSON.stringify(leftOut)])).toEqual([
      ['10-01', '[{"model":"s"}]'],
      ['10-11', '[{"model":"l"},{"model":"s"}]'],
      ['10-16T11:00', '[{"model":"s"}]'],
      ['10-21', '[{"model":"l"},{"model":"s"}]'],
      ['10-26', '[{"model":"s"}]'],
    ]);
    expect(['s', 'l', 'x'].map((model) => takersAt(records, model, '10-12'))).toEqual([['small'], ['large'], ['rest']]);
    // In a pause and after the end nothing of that subscription matches.
    expect(['10-17', '10-21', '10-26'].map((window) => takersAt(records, 'l', window))).toEqual([
      ['rest'],
      ['large'],
      ['rest'],
    ]);
    expect(
      countedTerms(period)[0]!
        .taken.map(({ from, to }) => [from, to])
        .at(0),
    ).toEqual([-Infinity, on('10-11')]);
  });

  it('leaves what is free in a trial to the price that is on trial', () => {
    const free = { prices: add, trialUsage: 'free' as const };
    const records = customer(
      catalogs(sinceLongAgo({ pro, add: free }, byModel)),
      subscribed('10-01', [['10-01', { plan: 'pro' }]]),
      subscribed('10-01', [['10-01', { plan: 'add', trialEndsAt: on('10-11') }]], { id: 's2' }),
    );
    expect(new CustomerTerms(records).coverOf('m', { model: 'l' }, on('10-05'))).toBe('trial');
    expect(countedTerms(periodOf(records, '10-05', 'rest'))[0]!.taken).toHaveLength(1);
  });

  it('takes nothing where a price matches everything, and within its match only', () => {
    const all = customer(
      catalogs(sinceLongAgo({ pro: [perUnitOf('1'), rest()] }, byModel)),
      subscribed('10-01', [['10-01', { plan: 'pro' }]]),
    );
    expect(takersAt(all, 'x', '10-05')).toEqual(['units']);
    const some = customer(
      catalogs(sinceLongAgo({ pro: [rest({ match: { model: 'x' } })] }, byModel)),
      subscribed('10-01', [['10-01', { plan: 'pro' }]]),
    );
    expect([takersAt(some, 'x', '10-05'), takersAt(some, 'y', '10-05')]).toEqual([['rest'], []]);
  });

  it('begins with the open windows, beside prices that were there; what is new beside it begins at a boundary', () => {
    const fresh = { closedUpTo: on('10-16T08:00'), at: '10-16T10:20' };
    const since = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
    const of = (first: readonly Price[], second: readonly Price[]) =>
      customer(
        catalogs(sinceLongAgo({ pro: first }, byModel), { ...fresh, catalog: catalogOf({ pro: second }, byModel) }),
        since,
      );
    const begun = of([perUnitOf('1', small)], pro);
    expect(termsShown(periodOf(begun, '10-20', 'rest'))).toEqual(['10-16T08:00 to 11-01 pro 2']);
    const beside = of(pro, [...pro, ...add]);
    expect(termsShown(periodOf(beside, '10-20', 'large'))).toEqual(['10-16T11:00 to 11-01 pro 2']);
    expect(['10-16T10:00', '10-16T11:00'].map((window) => takersAt(beside, 'l', window))).toEqual([
      ['rest'],
      ['large'],
    ]);
    // Both at once: the one that matches takes its part of the open windows.
    const both = of([perUnitOf('1', small)], [...pro, ...add]);
    expect(takersAt(both, 'l', '10-16T08:00')).toEqual(['large']);
    expect(takersAt(both, 'x', '10-16T08:00')).toEqual(['rest']);
  });

  it('a price that becomes otherwise counts other usage, and waits for the next period', () => {
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf({ pro: [perUnitOf('1')] }, byModel) },
      { at: '10-16', catalog: catalogOf({ pro: [perUnitOf('1', { otherwise: true }), ...add] }, byModel) },
    );
    const records = customer(catalog, subscribed('10-01', [['10-01', { plan: 'pro' }]]));
    expect(takersAt(records, 'l', '10-20')).toEqual(['units', 'large']);
    expect([takersAt(records, 'l', '11-05'), takersAt(records, 'x', '11-05')]).toEqual([['large'], ['units']]);
  });

  it('overlaps with another otherwise price alone', () => {
    const catalog = catalogs(sinceLongAgo({ pro, add, other: [rest({ slug: 'rest-too' })] }, byModel));
    const base = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
    const second = (plan: string) => subscribed('10-11', [['10-11', { plan }]], { id: 's2' });
    expect(priceOverlap(new CustomerTerms(customer(catalog, base, second('add'))), 0)).toBeNull();
    expect(priceOverlap(new CustomerTerms(customer(catalog, base, second('other'))), 0)).toEqual({
      one: { subscription: 's1', price: 'rest' },
      other: { subscription: 's2', price: 'rest-too' },
      from: on('10-11'),
    });
  });
});

describe('P3 overlap', () => {
  const byModel = { meters: [meterOf('m', { dimensions: [{ name: 'model', path: ['model'] }] })] };
  const rest = perUnitOf('9', { slug: 'rest', otherwise: true });
  const surcharge = perUnitOf('1', { slug: 'surcharge', overlap: true, match: { model: 'l' } });
  const base = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
  const second = (plan: string) => subscribed('10-11', [['10-11', { plan }]], { id: 's2' });
  const overlapOf = (plans: Parameters<typeof catalogOf>[0], ...subscriptions: Parameters<typeof customer>[1][]) =>
    priceOverlap(new CustomerTerms(customer(catalogs(sinceLongAgo(plans, byModel)), ...subscriptions)), 0);

  it('is allowed beside any other price, whichever of the two came first', () => {
    const plans = { pro: [perUnitOf('2')], add: [surcharge] };
    expect(overlapOf(plans, base, second('add'))).toBeNull();
    expect(overlapOf({ pro: [surcharge], add: [perUnitOf('2')] }, base, second('add'))).toBeNull();
    const { overlap: _, ...plain } = surcharge as UsagePrice;
    expect(overlapOf({ ...plans, add: [plain] }, base, second('add'))).toMatchObject({ from: on('10-11') });
  });

  it('is no leave for a slug to count the same usage twice', () => {
    expect(overlapOf({ pro: [surcharge], add: [surcharge] }, base, second('add'))).toEqual({
      one: { subscription: 's1', price: 'surcharge' },
      other: { subscription: 's2', price: 'surcharge' },
      from: on('10-11'),
    });
  });

  it('takes nothing from a price that is otherwise', () => {
    const records = customer(catalogs(sinceLongAgo({ pro: [rest], add: [surcharge] }, byModel)), base, second('add'));
    const terms = new CustomerTerms(records);
    expect(terms.takersOf('m', { model: 'l' }, on('10-12')).map(({ price }) => price.slug)).toEqual([
      'rest',
      'surcharge',
    ]);
    expect(periodOf(records, '10-15', 'rest').terms.flatMap(({ taken }) => taken)).toHaveLength(1);
  });

  it('what it priced is priced: a price for the rest begins at the next boundary', () => {
    const fresh = { closedUpTo: on('10-16T08:00'), at: '10-16T10:20' };
    const everything = perUnitOf('1', { slug: 'surcharge', overlap: true });
    const records = customer(
      catalogs(sinceLongAgo({ pro: [everything] }, byModel), {
        ...fresh,
        catalog: catalogOf({ pro: [everything, rest] }, byModel),
      }),
      base,
    );
    expect(termsShown(periodOf(records, '10-20', 'rest'))).toEqual(['10-16T11:00 to 11-01 pro 2']);
  });
});

describe('T4', () => {
  it('T4 A -> A costs nothing and makes no term', () => {
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf({ pro: [perUnitOf('0.10'), flatOf('90')] }) },
      { at: '10-10', catalog: catalogOf({ pro: [perUnitOf('0.10'), flatOf('90'), flatOf('5', { slug: 'extra' })] }) },
    );
    const changed = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-20', { plan: 'pro', quantities: { seats: '7' } }],
    ]);
    const records = customer(catalog, changed);
    expect(termsShown(periodOf(records, '10-05'))).toEqual(['10-01 to 11-01 pro 1']);
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 11-01: 90']);
  });
});

describe('T5', () => {
  const free = tieredOf('graduated', '1000:0 0.10');
  const anchored = { anchor: on('10-05') };

  it('T5 start and end cut the stretch and never the denominator', () => {
    const catalog = catalogs(sinceLongAgo({ pro: [flatOf('31')] }));
    const short = subscribed('10-10', [['10-10', { plan: 'pro', endsAt: on('10-20') }]]);
    expect(feesShown(customer(catalog, short), '10-10')).toEqual(['10-10 to 10-20: 10']);
  });

  it('T5 A -> B -> A gives no allowance twice', () => {
    const there = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-10', { plan: 'other' }],
      ['10-20', { plan: 'pro' }],
    ]);
    const period = periodOf(customer(twoPlans([free], [perUnitOf('1', { slug: 'x' })]), there), '10-25');
    expect(termsShown(period)).toEqual(['10-01 to 10-10 pro 1', '10-20 to 11-01 pro 1']);
    // What is used while nothing prices it is not in the quantity.
    const windows = used(['10-05', '800'], ['10-15', '5000'], ['10-25', '800']);
    expect(amountsOf(period, windows)).toEqual(['0', '60']);
  });

  it('T5 cancelling and coming back gives no allowance twice: the successor inherits anchor and quantity', () => {
    const first = subscribed('10-05', [['10-05', { plan: 'pro', endsAt: on('10-10T10:20') }]], anchored);
    const second = subscribed('10-20', [['10-20', { plan: 'pro' }]], { id: 's2', anchor: on('10-20') });
    const period = periodOf(customer(twoPlans([free], []), first, second), '10-25', 'units', 's2');
    expect([shownAt(period.period.start), shownAt(period.period.end)]).toEqual(['10-05', '11-05']);
    expect(amountsOf(period, used(['10-05', '800'], ['10-25', '800']))).toEqual(['0', '60']);
    // One that comes back later is a new one.
    const later = subscribed('11-06', [['11-06', { plan: 'pro' }]], { id: 's2', anchor: on('11-06') });
    const fresh = periodOf(customer(twoPlans([free], []), first, later), '11-06', 'units', 's2');
    expect(shownAt(fresh.period.start)).toBe('11-06');
  });

  it('T5 coming back by way of another plan does not either', () => {
    const first = subscribed('10-05', [['10-05', { plan: 'pro', endsAt: on('10-10') }]], anchored);
    const detour = subscribed(
      '10-20',
      [
        ['10-20', { plan: 'other' }],
        ['10-21', { plan: 'pro' }],
      ],
      { id: 's2', anchor: on('10-20') },
    );
    const records = customer(twoPlans([free], []), first, detour);
    expect(amountsOf(periodOf(records, '10-25', 'units', 's2'), used(['10-05', '800'], ['10-25', '800']))).toEqual([
      '0',
      '60',
    ]);
  });

  it('T5 a fee is not paid twice by who comes back', () => {
    const catalog = catalogs(sinceLongAgo({ pro: [flatOf('31', { giveBack: false })] }));
    const first = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-10', { endsAt: on('10-10') }],
    ]);
    const second = subscribed('10-20', [['10-20', { plan: 'pro' }]], { id: 's2' });
    expect(feesShown(customer(catalog, first, second), '10-01')).toEqual(['10-01 to 10-10: 31', '10-20 to 11-01: 0']);
  });

  it('T5 a definition that counts other usage, or by another length, begins with the next period', () => {
    const yearly = { every: { years: 1 } };
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf({ pro: [tieredOf('graduated', '1000:0 0.10')] }) },
      { at: '10-16', catalog: catalogOf({ pro: [tieredOf('graduated', '12000:0 0.10', yearly)] }) },
    );
    const records = customer(catalog, subscribed('10-01', [['10-01', { plan: 'pro' }]]));
    // Or 12,000 units would be free in half a month.
    expect(termsShown(periodOf(records, '10-20'))).toEqual(['10-01 to 11-01 pro 1']);
    expect(termsShown(periodOf(records, '11-20'))).toEqual([
      `11-01 to ${shownAt(new Date('2027-01-01').getTime())} pro 2`,
    ]);
  });
});

describe('T6', () => {
  const halves = (before: ReturnType<typeof perUnitOf>, after: ReturnType<typeof perUnitOf>, meters = [meterOf('m')]) =>
    customer(
      catalogs(sinceLongAgo({ pro: [before], team: [after] }, { meters })),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16', { plan: 'team' }],
      ]),
    );
  const kindAndAmounts = (records: ReturnType<typeof halves>, windows: ReturnType<typeof used>) => {
    const period = periodOf(records, '10-20');
    return [changeKindOf(period), ...amountsOf(period, windows)];
  };

  it('T6 carry: what was used before stays in the tiers and at its price', () => {
    const windows = used(['10-05', '900'], ['10-20', '200']);
    expect(kindAndAmounts(halves(perUnitOf('0.10'), perUnitOf('0.30')), windows)).toEqual(['carry', '90', '60']);
    const tiered = tieredOf('graduated', '1000:0.20 0.10');
    expect(kindAndAmounts(halves(perUnitOf('0.10'), tiered), windows)).toEqual(['carry', '90', '30']);
  });

  it('T6 share: a volume price that is entered at 900 with 200 to come is never negative', () => {
    const volume = tieredOf('volume', '1000:0.20 0.10');
    const windows = used(['10-05', '900'], ['10-20', '200']);
    // By carry it would be 110 - 180 = -70.
    expect(kindAndAmounts(halves(perUnitOf('0.20'), volume), windows)).toEqual(['share', '180', '20']);
    expect(kindAndAmounts(halves(volume, volume), windows)).toEqual(['share', '110']);
  });

  it('T6 share: parts add up to the price of all where the definition comes back', () => {
    const [volume, third] = [tieredOf('volume', '1000:0.20 0.10'), tieredOf('volume', '1000:0.30 0.10')];
    const records = customer(
      catalogs(sinceLongAgo({ pro: [volume], team: [third] })),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-11', { plan: 'team' }],
        ['10-21', { plan: 'pro' }],
      ]),
    );
    const windows = used(['10-05', '1'], ['10-15', '1'], ['10-25', '1']);
    expect(kindAndAmounts(records, windows)).toEqual(['share', '0.2', '0.3', '0.2']);
  });

  it('T6 prorate: a level costs its share of the time', () => {
    const seats = [meterOf('m', { aggregation: 'max', window: '1d' })];
    const windows = used(['10-05', '10'], ['10-20', '5']);
    expect(kindAndAmounts(halves(perUnitOf('31'), perUnitOf('62'), seats), windows)).toEqual(['prorate', '150', '320']);
  });

  it('T6 restart: each term is a period of its own', () => {
    const pack = (packageAmount: string) =>
      perUnitOf('0', { model: 'package', packageSize: '100', packageAmount, onChange: 'restart' } as never);
    const windows = used(['10-05', '150'], ['10-20', '150']);
    expect(kindAndAmounts(halves(pack('10'), pack('20')), windows)).toEqual(['restart', '20', '40']);
    const period = periodOf(halves(pack('10'), pack('20')), '10-20');
    expect(countedTogether(period)).toHaveLength(2);
  });

  it('T6 a package is shared by use', () => {
    const pack = (packageAmount: string) =>
      perUnitOf('0', { model: 'package', packageSize: '100', packageAmount } as never);
    expect(kindAndAmounts(halves(pack('10'), pack('20')), used(['10-05', '150'], ['10-20', '150']))).toEqual([
      'share',
      '15',
      '30',
    ]);
  });

  it('T6 all terms are of one kind: where carry and another meet, all are shared', () => {
    const restarting = perUnitOf('0.30', { onChange: 'restart' });
    const period = periodOf(halves(perUnitOf('0.10'), restarting), '10-20');
    expect(changeKindOf(period)).toBe('share');
    const level = [meterOf('m', { aggregation: 'latest' })];
    expect(changeKindOf(periodOf(halves(perUnitOf('0.10', { onChange: 'carry' }), restarting, level), '10-20'))).toBe(
      'prorate',
    );
  });

  it('T6 what falls later is given back last in, first out', () => {
    const records = halves(perUnitOf('1'), perUnitOf('10'));
    // 100 units at 1 and then -100 at 10 would be -900 for nothing used.
    expect(kindAndAmounts(records, used(['10-05', '100'], ['10-20', '-100']))).toEqual(['carry', '0', '0']);
    expect(kindAndAmounts(records, used(['10-05', '100'], ['10-18', '20'], ['10-20', '-50']))).toEqual([
      'carry',
      '70',
      '0',
    ]);
    expect(kindAndAmounts(records, used(['10-05', '-5'], ['10-20', '10']))).toEqual(['carry', '0', '50']);
    const [first, second] = termCharges(periodOf(records, '10-20'), () => used(['10-05', '100'], ['10-20', '-50']));
    expect(first!.contributions.map(({ windowStart, quantity }) => [shownAt(windowStart), quantity])).toEqual([
      ['10-05', units('100')],
      ['10-20', units('-50')],
    ]);
    expect(second!.contributions).toEqual([]);
  });

  it('T6 late usage before a change moves the terms after it', () => {
    const tiered = [tieredOf('graduated', '1000:0.20 0.10'), tieredOf('graduated', '1000:0.40 0.30')] as const;
    const records = halves(...tiered);
    expect(kindAndAmounts(records, used(['10-05', '900'], ['10-20', '200']))).toEqual(['carry', '180', '70']);
    expect(kindAndAmounts(records, used(['10-05', '900'], ['10-06', '100'], ['10-20', '200']))).toEqual([
      'carry',
      '200',
      '60',
    ]);
  });
});

describe('T7', () => {
  const [pro, team] = [
    [perUnitOf('0.10'), flatOf('90')],
    [perUnitOf('0.05'), flatOf('270')],
  ];
  const catalog = (proFee: object = {}, teamFee: object = {}) =>
    catalogs(sinceLongAgo({ pro: [pro[0]!, flatOf('90', proFee)], team: [team[0]!, flatOf('270', teamFee)] }));

  it('T7 90 until 16 October and 270 from then on, by the second', () => {
    const records = customer(
      catalog(),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16', { plan: 'team' }],
      ]),
    );
    // 90 x 15/31, and 270 less 270 x 15/31.
    expect(feesShown(records, '10-01')).toEqual([
      '10-01 to 10-16: 43.548387096774',
      '10-16 to 11-01: 139.354838709677',
    ]);
  });

  it('T7 holding a dear plan for two seconds at each full hour pays for the hours', () => {
    const hours = Array.from({ length: 10 }, (_, i) => on('10-16') + i * HOUR);
    const records: SubscriptionRecord[] = [
      { sequence: 1, patches: [{ at: on('10-01'), patch: { plan: 'pro' } }] },
      ...hours.map((hour, i) => ({
        sequence: 2 + i,
        patches: [
          { at: hour, patch: { plan: 'team' } },
          { at: hour + 2_000, patch: { plan: 'pro' } },
        ],
      })),
    ];
    expect(feesShown(customer(catalog(), subscribed('10-01', records)), '10-01')).toEqual([
      '10-01 to 10-16: 43.548387096774',
      '10-16 to 10-16T10:00: 3.629032258064',
      '10-16T10:00 to 11-01: 45.241935483871',
    ]);
  });

  it('T7 holding it between the full hours prices nothing and pays nothing', () => {
    const records = customer(
      catalog(),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16T10:01', { plan: 'team' }],
        ['10-16T10:59', { plan: 'pro' }],
      ]),
    );
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 11-01: 90']);
  });

  it('T7 a month from 10:20 to 10:20 is a whole month, first subscription or not', () => {
    const anchored = subscribed('10-05T10:20', [['10-05T10:20', { plan: 'pro' }]], { anchor: on('10-05T10:20') });
    expect(feesShown(customer(catalog(), anchored), '10-06', '11-01')).toEqual(['10-05T10:20 to 11-05T10:20: 90']);
    expect(feesShown(customer(catalog(), anchored), '11-06', '11-10')).toEqual(['11-05T10:20 to 12-05T10:20: 90']);
  });

  it('T7 a later plan with longer windows moves no cut before it', () => {
    const meters = [meterOf('m'), meterOf('daily', { window: '1d' })];
    const long = perUnitOf('1', { slug: 'daily', meter: 'daily' });
    const plans = { pro: [perUnitOf('0.10'), flatOf('744')], team: [perUnitOf('0.05'), flatOf('1488')], all: [long] };
    const upgrade = [
      ['10-01', { plan: 'pro' }],
      ['10-03T10:20', { plan: 'team' }],
    ] as const;
    const shown = (of: Parameters<typeof subscribed>[1]) =>
      feesShown(customer(catalogs(sinceLongAgo(plans, { meters })), subscribed('10-01', of)), '10-01');
    expect(shown(upgrade)[0]).toBe('10-01 to 10-03T11:00: 59');
    expect(shown([...upgrade, ['10-20T10:20', { plan: 'all' }]])).toEqual([
      '10-01 to 10-03T11:00: 59',
      '10-03T11:00 to 10-21: 842',
    ]);
  });

  it('T7 a plan without usage prices is paid where it is held', () => {
    const bare = catalogs(sinceLongAgo({ pro: [flatOf('31')], team: [flatOf('62')] }));
    const records = customer(
      bare,
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16T12:00', { plan: 'team' }],
      ]),
    );
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 10-16T12:00: 15.5', '10-16T12:00 to 11-01: 31']);
  });

  it('T7 by the day, a local day belongs to the dearest that held in it', () => {
    const byDay = { proration: 'day' };
    const berlin = { timezone: 'Europe/Berlin' };
    const records = customer(
      catalog(byDay, byDay),
      subscribed(
        '09-30T22:00',
        [
          ['09-30T22:00', { plan: 'pro' }],
          ['10-16T10:00', { plan: 'team' }],
          ['10-17T10:00', { plan: 'pro' }],
        ],
        berlin,
      ),
    );
    // The 16th and the 17th are the dear plan's, of 31 days (one of which has 25 hours).
    expect(feesShown(records, '10-05')).toEqual([
      '09-30T22:00 to 10-15T22:00: 43.548387096774',
      '10-16T10:00 to 10-17T22:00: 17.419354838709',
      '10-17T22:00 to 10-31T23:00: 40.645161290323',
    ]);
  });

  it('T7 none: the period belongs to the dearest, whole', () => {
    const none = { proration: 'none' };
    const records = customer(
      catalog(none, none),
      subscribed('10-10', [
        ['10-10', { plan: 'pro' }],
        ['10-16', { plan: 'team' }],
        ['10-20', { plan: 'pro', endsAt: on('10-25') }],
      ]),
    );
    expect(feesShown(records, '10-10')).toEqual(['10-16 to 11-01: 270']);
    expect(feesShown(records, '10-10', '10-15')).toEqual(['10-10 to 11-01: 90']);
  });

  it('T7 seats are paid for as long as they are held', () => {
    const seats = catalogs(sinceLongAgo({ pro: [flatOf('31', { quantity: 'seats' })] }));
    const records = customer(
      seats,
      subscribed('10-01', [
        ['10-01', { plan: 'pro', quantities: { seats: '5' } }],
        ['10-11', { quantities: { seats: '8' } }],
      ]),
    );
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 10-11: 50', '10-11 to 11-01: 168']);
  });

  it('T7 in arrears, a fee is due when the period or the subscription ends', () => {
    const arrears = catalogs(sinceLongAgo({ pro: [flatOf('31', { charge: 'in_arrears' })] }));
    const whole = customer(arrears, subscribed('10-01', [['10-01', { plan: 'pro' }]]));
    expect(feesShown(whole, '10-01', '10-31')).toEqual([]);
    expect(feesShown(whole, '10-01', '11-01')).toEqual(['10-01 to 11-01: 31']);
    const cut = customer(arrears, subscribed('10-01', [['10-01', { plan: 'pro', endsAt: on('10-11') }]]));
    expect(feesShown(cut, '10-01', '10-11')).toEqual(['10-01 to 10-11: 10']);
  });
});

describe('T8', () => {
  const changed = (pro: object, team: object, back = false) =>
    customer(
      catalogs(sinceLongAgo({ pro: [flatOf('31', pro)], team: [flatOf('62', team)] })),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-11', { plan: 'team' }],
        ...(back ? [['10-21', { plan: 'pro' }] as const] : []),
      ]),
    );

  it('T8 what was taken for a stretch that is now another’s is given back', () => {
    expect(feesShown(changed({}, {}), '10-01', '10-10')).toEqual(['10-01 to 11-01: 31']);
    expect(feesShown(changed({}, {}), '10-01')).toEqual(['10-01 to 10-11: 10', '10-11 to 11-01: 42']);
  });

  it('T8 giveBack false: nothing back, and a stretch pays only what exceeds what was paid for it', () => {
    const kept = { giveBack: false };
    expect(feesShown(changed(kept, kept), '10-01')).toEqual(['10-01 to 10-11: 31', '10-11 to 11-01: 21']);
    expect(feesShown(changed(kept, kept, true), '10-01')).toEqual([
      '10-01 to 10-11: 31',
      '10-11 to 10-21: 21',
      '10-21 to 11-01: 0',
    ]);
  });

  it('T8 giveBack false: a stretch that never began was not paid', () => {
    const catalog = catalogs(sinceLongAgo({ pro: [flatOf('31', { giveBack: false })], none: [] }));
    const records = customer(
      catalog,
      subscribed('10-01', [
        ['10-01', { plan: 'pro', trialEndsAt: on('10-11') }],
        ['10-06', { plan: 'none' }],
      ]),
    );
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 10-06: 0']);
  });

  it('T8 an allowance is prorated with the fee', () => {
    const term = (quantity: string, allowance: string, from: number, to: number) => ({
      quantity: units(quantity),
      allowance: units(allowance),
      from,
      to,
    });
    const free = (...terms: ReturnType<typeof term>[]) => freeUnits(terms, 30);
    // A day of a plan with 3,000 free units has 100 of them.
    expect(free(term('900', '3000', 0, 1))).toEqual([units('100')]);
    // To and fro: no allowance twice, and never more than the term's own.
    expect(free(term('900', '3000', 0, 10), term('900', '600', 10, 20), term('900', '3000', 20, 30))).toEqual([
      units('900'),
      0n,
      units('900'),
    ]);
    expect(free(term('3000', '3000', 0, 30))).toEqual([units('3000')]);
    expect(free(term('-5', '3000', 0, 15), term('9000', '3000', 15, 30))).toEqual([0n, units('3000')]);
  });
});

describe('T9', () => {
  const plans = (afterEnd: 'none' | 'default') =>
    catalogs(
      sinceLongAgo(
        { pro: { prices: [perUnitOf('0.10')], afterEnd }, free: [perUnitOf('0.01')] },
        { defaultPlan: 'free' },
      ),
    );
  const ended = subscribed('10-10', [['10-10', { plan: 'pro', endsAt: on('10-20') }]], { billedFrom: on('10-12') });
  const pricesOf = (afterEnd: 'none' | 'default') => {
    const terms = new CustomerTerms(customer(plans(afterEnd), ended));
    return ['10-05', '10-11', '10-15', '10-25'].map((window) => {
      const periods = terms.usageLines.map((line) => terms.usagePeriodsAt(line, on(window))[0] ?? null);
      return periods
        .flatMap((period) => period?.terms.filter(({ from, to }) => from <= on(window) && on(window) < to) ?? [])
        .map(({ plan }) => plan)
        .join();
    });
  };

  it('T9 the default plan holds until the first billedFrom, and after the last end where the plan says so', () => {
    expect(pricesOf('none')).toEqual(['free', 'free', 'pro', '']);
    expect(pricesOf('default')).toEqual(['free', 'free', 'pro', 'free']);
  });

  it('T9 the default plan keeps its quantity around a subscription', () => {
    const catalog = catalogs(
      sinceLongAgo(
        {
          pro: { prices: [perUnitOf('0.10', { slug: 'x' })], afterEnd: 'default' },
          free: [tieredOf('graduated', '1000:0 0.10')],
        },
        { defaultPlan: 'free' },
      ),
    );
    const terms = new CustomerTerms(customer(catalog, ended));
    const line = terms.usageLines.find(({ members }) => members.includes(null))!;
    const period = terms.usagePeriodsAt(line, on('10-25'))[0]!;
    expect(amountsOf(period, used(['10-05', '800'], ['10-25', '800']))).toEqual(['0', '60']);
  });
});

describe('T10', () => {
  it('T10 moving from elsewhere bills nothing twice', () => {
    expect(billedFromOf(on('03-01'), undefined, on('10-16T10:20'))).toBe(on('10-16T10:20'));
    expect(billedFromOf(on('03-01'), on('10-01'), on('10-16'))).toBe(on('10-01'));
    expect(billedFromOf(on('11-01'), undefined, on('10-16'))).toBe(on('11-01'));
    const moved = subscribed('03-05', [['03-05', { plan: 'pro' }]], { anchor: on('03-05'), billedFrom: on('10-16') });
    const catalog = catalogs(sinceLongAgo({ pro: [perUnitOf('0.10'), flatOf('30')] }));
    const period = periodOf(customer(catalog, moved), '10-20');
    expect([shownAt(period.period.start), ...termsShown(period)]).toEqual(['10-05', '10-16 to 11-05 pro 1']);
    expect(feesShown(customer(catalog, moved), '10-20', '10-31')).toEqual(['10-16 to 11-05: 19.354838709677']);
  });
});

describe('T11', () => {
  const prices = [perUnitOf('0.10'), flatOf('31')];
  const trial = [['10-01', { plan: 'pro', trialEndsAt: on('10-11') }]] as const;
  const coversOf = (trialUsage: 'charged' | 'free') => {
    const records = customer(catalogs(sinceLongAgo({ pro: { prices, trialUsage } })), subscribed('10-01', trial));
    return ['10-05', '10-15'].map((window) => new CustomerTerms(records).coverOf('m', {}, on(window)));
  };

  it('T11 in a trial fees are zero, and usage is by the plan’s word', () => {
    expect(coversOf('charged')).toEqual(['priced', 'priced']);
    expect(coversOf('free')).toEqual(['trial', 'priced']);
    const records = customer(catalogs(sinceLongAgo({ pro: prices })), subscribed('10-01', trial));
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 10-11: 0', '10-11 to 11-01: 21']);
    expect(feesShown(records, '10-01', '10-05')).toEqual(['10-01 to 10-11: 0']);
  });

  it('T11 in a pause fees stop, and usage is unpriced and seen', () => {
    const paused = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-11', { pausedUntil: on('10-21') }],
    ]);
    const records = customer(catalogs(sinceLongAgo({ pro: prices })), paused);
    expect(feesShown(records, '10-01')).toEqual(['10-01 to 10-11: 10', '10-21 to 11-01: 11']);
    const covers = ['10-05', '10-15', '10-25'].map((window) => new CustomerTerms(records).coverOf('m', {}, on(window)));
    expect(covers).toEqual(['priced', 'none', 'priced']);
  });
});

describe('T12', () => {
  it('T12 seven days are no week of the calendar: usage is in a period of one of them', () => {
    const every = (length: object) => ({ pro: [perUnitOf('1', { every: length as never })] });
    const catalog = catalogs(
      { at: '01-01', catalog: catalogOf(every({ days: 7 })) },
      { at: '10-10T10:00', catalog: catalogOf(every({ weeks: 1 })) },
    );
    const terms = new CustomerTerms(customer(catalog, subscribed('10-01', [['10-01', { plan: 'pro' }]])));
    const periods = terms.usagePeriodsIn(terms.usageLines[0]!, on('10-01'), on('10-27'));
    const usage = ['10-05', '10-09', '10-11', '10-13', '10-16', '10-20'].map((at) => [at, '1'] as const);
    const amounts = periods.flatMap((period) => amountsOf(period, used(...usage)));
    expect(amounts.reduce((sum, amount) => sum + Number(amount), 0)).toBe(6);
  });

  const starts = (anchor: number | 'calendar', timezone: string, every: object, from: string, count: number) => {
    const found: string[] = [];
    let period = gridPeriodOf({ anchor, timezone }, every as never, new Date(from).getTime());
    for (let i = 0; i < count; i++) {
      found.push(new Date(period.start).toISOString().slice(0, 16));
      period = gridPeriodOf({ anchor, timezone }, every as never, period.end);
    }
    return found;
  };
  const instant = (text: string) => new Date(text).getTime();

  it('T12 the 31st stays the 31st, counted from the anchor', () => {
    expect(starts(instant('2026-01-31'), 'UTC', { months: 1 }, '2026-01-31', 4)).toEqual([
      '2026-01-31T00:00',
      '2026-02-28T00:00',
      '2026-03-31T00:00',
      '2026-04-30T00:00',
    ]);
    expect(starts(instant('2026-11-30'), 'UTC', { months: 3 }, '2026-11-30', 3)).toEqual([
      '2026-11-30T00:00',
      '2027-02-28T00:00',
      '2027-05-30T00:00',
    ]);
  });

  it('T12 a year from 29 February ends on the 28th, and the fourth on the 29th', () => {
    expect(starts(instant('2024-02-29'), 'UTC', { years: 1 }, '2024-02-29', 5)).toEqual([
      '2024-02-29T00:00',
      '2025-02-28T00:00',
      '2026-02-28T00:00',
      '2027-02-28T00:00',
      '2028-02-29T00:00',
    ]);
  });

  it('T12 days and weeks keep their local time when the clocks change', () => {
    const berlin = 'Europe/Berlin';
    expect(starts(instant('2026-10-24T10:00+02:00'), berlin, { days: 1 }, '2026-10-24T10:00Z', 3)).toEqual([
      '2026-10-24T08:00',
      '2026-10-25T09:00',
      '2026-10-26T09:00',
    ]);
    expect(starts(instant('2026-03-25T02:30+01:00'), berlin, { weeks: 1 }, '2026-03-25T12:00Z', 2)).toEqual([
      '2026-03-25T01:30',
      '2026-04-01T00:30',
    ]);
    // 02:30 does not exist on 29 March: moved on by the gap, for that day only.
    expect(starts(instant('2026-03-28T02:30+01:00'), berlin, { days: 1 }, '2026-03-28T12:00Z', 3)).toEqual([
      '2026-03-28T01:30',
      '2026-03-29T01:30',
      '2026-03-30T00:30',
    ]);
  });

  it('T12 the calendar: quarters from January, weeks from Monday, years from 1 January', () => {
    expect(starts('calendar', 'UTC', { months: 3 }, '2026-11-29', 2)).toEqual(['2026-10-01T00:00', '2027-01-01T00:00']);
    expect(starts('calendar', 'UTC', { weeks: 1 }, '2026-11-29', 2)).toEqual(['2026-11-23T00:00', '2026-11-30T00:00']);
    expect(starts('calendar', 'America/New_York', { years: 1 }, '2026-11-29', 1)).toEqual(['2026-01-01T05:00']);
  });

  it('T12 periods tile time and lie before their anchor too', () => {
    for (const every of [{ days: 10 }, { weeks: 2 }, { months: 2 }, { years: 1 }]) {
      const grid = { anchor: instant('2026-05-31T10:20'), timezone: 'Europe/Berlin' };
      const period = gridPeriodOf(grid, every, instant('2025-03-30T12:00'));
      expect(gridPeriodOf(grid, every, period.end).start).toBe(period.end);
      expect(gridPeriodOf(grid, every, period.start - 1).end).toBe(period.start);
    }
  });

  it('T12 the local days of a period, over a change of the clock', () => {
    const days = localDaysOf(
      { start: instant('2026-10-24T08:00Z'), end: instant('2026-10-27T09:00Z') },
      'Europe/Berlin',
    );
    expect(days.map((day) => new Date(day).toISOString().slice(0, 16))).toEqual([
      '2026-10-24T08:00',
      '2026-10-24T22:00',
      '2026-10-25T23:00',
    ]);
  });
});

describe('T13', () => {
  const catalog = catalogs(
    sinceLongAgo({ pro: [flatOf('31', { quantity: 'seats' })], team: [flatOf('62', { quantity: 'seats' })] }),
  );
  const feesOf = (records: SubscriptionRecord[]) => feesShown(customer(catalog, subscribed('10-01', records)), '10-01');

  it('T13 a change is a patch by field: what was recorded before keeps what it did not name', () => {
    const seatsAfterPlan: Parameters<typeof changes>[0] = [
      ['10-01', { plan: 'pro', quantities: { seats: '1' } }],
      ['10-11', { plan: 'team' }],
      ['10-06', { quantities: { seats: '2' } }],
    ];
    const seatsBeforePlan = [seatsAfterPlan[0]!, seatsAfterPlan[2]!, seatsAfterPlan[1]!];
    expect(feesOf(changes(seatsAfterPlan))).toEqual(['10-01 to 10-06: 5', '10-06 to 10-11: 10', '10-11 to 11-01: 84']);
    expect(feesOf(changes(seatsBeforePlan))).toEqual(feesOf(changes(seatsAfterPlan)));
  });

  it('T13 of one instant, the greatest sequence counts', () => {
    const twice = changes([
      ['10-01', { plan: 'pro', quantities: { seats: '1' } }],
      ['10-01', { quantities: { seats: '3' } }],
    ]);
    expect(feesOf(twice)).toEqual(['10-01 to 11-01: 93']);
  });

  it('T13 an undo withdraws what has not begun, and brings no value back', () => {
    const [opening, ten, seven] = changes([
      ['10-01', { plan: 'pro', quantities: { seats: '5' } }],
      ['10-11', { quantities: { seats: '10' } }],
      ['10-06', { quantities: { seats: '7' } }],
    ]);
    const undo = (sequence: number, at: string) => ({ sequence, undoes: 2, at: on(at) });
    // As a patch with the old value it would be 5 seats or 7 from the 11th, by which was recorded first.
    const expected = ['10-01 to 10-06: 25', '10-06 to 11-01: 182'];
    expect(feesOf([opening!, ten!, undo(4, '10-02'), { ...seven!, sequence: 5 }])).toEqual(expected);
    expect(feesOf([opening!, ten!, { ...seven!, sequence: 4 }, undo(5, '10-02')])).toEqual(expected);
    // What has begun stays.
    expect(feesOf([opening!, ten!, undo(4, '10-12')])).toEqual(['10-01 to 10-11: 50', '10-11 to 11-01: 210']);
  });

  it('T13 an undo leaves what has happened of a change in several steps', () => {
    const phases: SubscriptionRecord = {
      sequence: 1,
      patches: [
        { at: on('10-01'), patch: { plan: 'pro', quantities: { seats: '1' } } },
        { at: on('10-11'), patch: { plan: 'team' } },
        { at: on('10-21'), patch: { plan: 'pro' } },
      ],
    };
    expect(feesOf([phases, { sequence: 2, undoes: 1, at: on('10-15') }])).toEqual([
      '10-01 to 10-11: 10',
      '10-11 to 11-01: 42',
    ]);
  });

  it('T13 a pause that was ended does not end the next one', () => {
    const records = changes([
      ['10-01', { plan: 'pro', quantities: { seats: '1' } }],
      ['10-05', { pausedUntil: on('10-20') }],
      ['10-10', { pausedUntil: null }],
      ['10-12', { pausedUntil: 'open' }],
    ]);
    expect(feesOf(records)).toEqual(['10-01 to 10-05: 4', '10-10 to 10-12: 2']);
  });

  it('T13 the latest word on an end counts, until it is over', () => {
    const ends = (first: string, second: string) =>
      feesOf(
        changes([
          ['10-01', { plan: 'pro', quantities: { seats: '1' } }],
          ['10-05', { endsAt: on(first) }],
          ['10-10', { endsAt: on(second) }],
        ]),
      );
    expect(ends('10-20', '10-25')).toEqual(['10-01 to 10-25: 24']);
    expect(ends('10-20', '10-15')).toEqual(['10-01 to 10-15: 14']);
    expect(ends('10-08', '10-25')).toEqual(['10-01 to 10-08: 7']);
  });

  const [x, y] = [
    (amount: string) => perUnitOf(amount, { slug: 'x' }),
    (amount: string) => perUnitOf(amount, { slug: 'y' }),
  ];
  const pro = subscribed('10-01', [['10-01', { plan: 'pro' }]]);
  const scheduled = (third: Parameters<typeof catalogOf>[0]) =>
    customer(
      catalogs(
        { at: '01-01', catalog: catalogOf({ pro: [x('1'), y('1')] }) },
        { at: '10-21', catalog: catalogOf({ pro: [x('2'), y('1')] }) },
        { at: '10-11', catalog: catalogOf(third) },
      ),
      pro,
    );

  it('T13 a later version of another price moves no change that was scheduled', () => {
    const records = scheduled({ pro: [x('2'), y('5')] });
    expect(termsShown(periodOf(records, '10-05', 'x'))).toEqual(['10-01 to 10-21 pro 1', '10-21 to 11-01 pro 2']);
    expect(termsShown(periodOf(records, '10-05', 'y'))).toEqual(['10-01 to 10-11 pro 1', '10-11 to 11-01 pro 3']);
  });

  it('T13 a version that changes a price replaces that price’s changes still to come', () => {
    expect(termsShown(periodOf(scheduled({ pro: [x('3'), y('1')] }), '10-05', 'x'))).toEqual([
      '10-01 to 10-11 pro 1',
      '10-11 to 11-01 pro 3',
    ]);
    // Back to what it was: as if nothing had been scheduled.
    expect(termsShown(periodOf(scheduled({ pro: [x('1'), y('1')] }), '10-05', 'x'))).toEqual(['10-01 to 11-01 pro 1']);
  });
});

describe('a period', () => {
  it('is the same object, whichever instant of one of its windows it is asked for by', () => {
    // Windows of a day in periods that begin at one o'clock: what a meter with windows of an hour touches is asked too.
    const daily = { meters: [meterOf('m', { window: '1d' })] };
    const terms = new CustomerTerms(
      customer(
        catalogs(sinceLongAgo({ pro: [perUnitOf('1', { every: { days: 1 } })] }, daily)),
        subscribed('10-01T01:00', [['10-01T01:00', { plan: 'pro' }]], { anchor: on('10-01T01:00') }),
      ),
    );
    const [line] = terms.usageLines;
    const found = ['10-05T00:00', '10-05T12:00', '10-05T23:00'].flatMap((at) => terms.usagePeriodsAt(line!, on(at)));
    expect(found).toHaveLength(3);
    expect(new Set(found).size).toBe(1);
    expect(terms.usagePeriodsFrom(line!, on('10-04T01:00'))).toEqual([found[0]]);
    expect(terms.usagePeriodsFrom(line!, on('10-04T01:00'))[0]).toBe(found[0]);
  });
});

describe('T14', () => {
  it('T14 a term is known by its first window, and one that is no more is rated to zero', () => {
    const by = (at: string) => {
      const { catalog, subscriptions } = customer(
        twoPlans([perUnitOf('1')], [perUnitOf('2')]),
        subscribed('10-01', [
          ['10-01', { plan: 'pro' }],
          [at, { plan: 'team' }],
        ]),
      );
      const records = { catalog, subscriptions };
      const terms = new CustomerTerms(records);
      return { terms, fees: new CustomerFees(records, terms), minimums: new CustomerMinimums(terms), records: 2 };
    };
    const windows = used(['10-05', '100'], ['10-16T11:00', '10'], ['10-16T12:00', '5']);
    const who = { tenant: 't', customer: 'c', subjects: [{ subject: 'c', assignments: [] }] };
    const termsOf = (at: string) => {
      const target = wholeTarget({ watermark: on('10-20'), closedUpTo: on('10-20') }, by(at), who, on('10-01'));
      const usage = target.usage.map((period) => ({
        period,
        charged: chargedTerms(period, countedTerms(period), ({ terms }) => [
          { subject: 'c', windows: windows.filter((window) => terms.some((term) => isIn(window, term))) },
        ]),
      }));
      return { target, terms: ratedTerms(target, usage, [], { currencyOf: () => 'USD' }) };
    };
    const situation = {
      catalog: { version: 2, numberAt: (version: number) => version },
      records: 2,
      stored: new Map(),
    };
    const first = termsOf('10-16T10:20');
    const before = termItems(first.terms, [], { ...situation, written: new Map() });
    const written = new Map([['units', new Map(before.map((item) => [termText(item), writtenOf(before, item)]))]]);
    // The change is now said to have been half an hour later, in the next window.
    const { target, terms } = termsOf('10-16T11:20');
    const gone = goneTerms(target, terms, written);
    expect(gone.map(({ termStart }) => shownAt(termStart))).toEqual(['10-16T11:00']);
    expect(goneTerms(target, first.terms, written)).toEqual([]);
    const after = termItems(terms, before.filter(({ termStart }) => termStart === on('10-16T11:00')).slice(0, 1), {
      ...situation,
      written,
    });
    const amounts = new Map<string, Decimal>();
    for (const { termStart, item } of [...before, ...after])
      amounts.set(shownAt(termStart), (amounts.get(shownAt(termStart)) ?? Decimal.zero).plus(item.amount));
    expect([...amounts].map(([term, amount]) => `${term} ${amount}`)).toEqual([
      '10-01 110',
      '10-16T11:00 0',
      '10-16T12:00 10',
    ]);
    expect(after.every(({ item }) => item.kind === 'adjustment' || item.cause === 'window_closed')).toBe(true);
  });
});

const isIn = ({ windowStart }: { windowStart: number }, { from, to }: { from: number; to: number }): boolean =>
  from <= windowStart && windowStart < to;

function writtenOf(items: readonly NewLineItem[], of: NewLineItem): WrittenTerm {
  const own = items.filter((item) => termText(item) === termText(of));
  const { subscription, periodEnd, termStart, subject } = of;
  return {
    ...{ subscription, periodEnd, termStart, subject },
    windows: own.map(({ item }) => ({ ...item, lastStart: item.windowStart })),
    amount: own.reduce((sum, { item }) => sum.plus(item.amount), Decimal.zero),
  };
}

describe('a term', () => {
  it('is rated as a period is, and what is written for it is its amount', () => {
    const volume = tieredOf('volume', '1000:0.20 0.10');
    const records = customer(
      twoPlans([perUnitOf('0.20')], [volume]),
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-16', { plan: 'team' }],
      ]),
    );
    const windows = used(['10-05', '900'], ['10-17', '-100'], ['10-20', '250'], ['10-21', '50']);
    const charges = termCharges(periodOf(records, '10-20'), () => windows);
    const written = charges.map(({ contributions, price }) =>
      rate({
        price,
        contributions,
        ...{ written: [], writtenAmount: Decimal.zero },
        wasClosed: () => false,
        ...{ changedFrom: null, mayReprice: false },
        onTimeCause: 'window_closed',
        repricedBy: 'plan_change',
      }),
    );
    expect(written.map((items) => items.length)).toEqual([2, 2]);
    const sums = written.map((items) => items.reduce((sum, { amount }) => sum.plus(amount), Decimal.zero).toString());
    expect(sums).toEqual(charges.map(({ amount }) => amount.toString()));
    // 1,100 x 0.20 x 800/1,100 and 1,100 x 0.10 x 300/1,100.
    expect(sums).toEqual(['160', '30']);
  });
});

describe('T15', () => {
  it('T15 a customer has one currency from its first line item on', () => {
    expect(currencyFault(null, 'EUR')).toBeNull();
    expect(currencyFault('EUR', 'EUR')).toBeNull();
    expect(currencyFault('EUR', 'USD')).toContain('is charged in EUR');
  });
});
