import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Catalog, Meter, Plan, Price } from '../../domain/catalog/catalog.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import type { DemoEvent } from '../demo-event.ts';
import { Oracle, scaled, unscaled, usageKey } from './oracle.ts';
import { billsOf, MONEY_SCALE, oracleAmount } from './oracle-money.ts';
import { periodAt } from './oracle-terms.ts';

const at = (iso: string): number => Date.parse(iso);

const tokens: Meter = aMeter('tokens', { dimensions: by('model') });
const calls: Meter = { ...tokens, slug: 'calls', aggregation: 'count', valuePath: null, dimensions: [] };

const large: Price = {
  slug: 'large',
  meter: 'tokens',
  match: { model: 'm-large' },
  model: 'per_unit',
  unitAmount: '0.000003',
};
const every: Price = {
  slug: 'every',
  meter: 'calls',
  match: {},
  model: 'package',
  packageSize: '2',
  packageAmount: '0.5',
};
const base: Price = { slug: 'base', model: 'flat', flatAmount: '10' };
const plan = (slug: string, prices: readonly Price[]): Plan => ({ slug, calendar: true, timezone: 'UTC', prices });
const catalog: Catalog = {
  currency: 'USD',
  meters: [tokens, calls],
  plans: [plan('free', [every]), plan('paid', [large, base])],
  defaultPlan: 'free',
};
/** Customer b has the plan `paid`, in months from 31 October. */
function agreed(): Oracle {
  const oracle = new Oracle(catalog);
  const start = at('2026-10-31T00:00:00Z');
  const subscription = { customer: 'b', id: 's1', billedFrom: start, anchor: start, timezone: 'UTC', endsAt: null };
  oracle.agreements.subscribe({ ...subscription, plans: [{ at: start, plan: 'paid' }] });
  return oracle;
}

let serial = 0;
const event = (subject: string, iso: string, data: DemoEvent['data']): DemoEvent => ({
  id: `e${serial++}`,
  source: '',
  type: 'llm.completion',
  subject,
  time: at(iso),
  data,
});

describe('exact text', () => {
  it.each([
    ['0', 0n],
    ['12', 12_000n],
    ['-0.5', -500n],
    ['1.250', 1250n],
    ['88.0', 88_000n],
  ])('reads %s at three digits', (text, value) => expect(scaled(text, 3)).toBe(value));

  it.each(['', 'x', '1e3', '1.2345', '.5', '1 '])('refuses %j', (text) =>
    expect(() => scaled(text, 3)).toThrow(RangeError),
  );

  it('writes what it read', () => {
    fc.assert(
      fc.property(
        fc.bigInt(),
        fc.integer({ min: 0, max: 40 }),
        (value, digits) => scaled(unscaled(value, digits), digits) === value,
      ),
    );
  });
});

describe('Oracle', () => {
  it('adds up what counts, by groups and by window, and nothing else', () => {
    const oracle = new Oracle(catalog);
    oracle.record('accepted', event('a', '2026-11-20T10:00:00.000Z', { model: 'm-large', tokens: 5 }));
    oracle.record('accepted', event('b', '2026-11-20T10:59:59.999Z', { model: 'm-large', tokens: '2.5' }));
    oracle.record('accepted', event('a', '2026-11-20T11:00:00.000Z', { model: 'm-small', tokens: 1 }));
    oracle.record('accepted', event('a', '2026-11-20T11:00:00.000Z', { model: 'm-small' }));
    oracle.record('duplicate', null);
    expect(oracle.totals('tokens')).toEqual(
      new Map([
        [usageKey(['m-large']), scaled('7.5', 12)],
        [usageKey(['m-small']), scaled('1', 12)],
      ]),
    );
    expect(oracle.windows('calls')).toEqual(
      new Map([
        [usageKey([String(at('2026-11-20T10:00:00Z'))]), scaled('2', 12)],
        [usageKey([String(at('2026-11-20T11:00:00Z'))]), scaled('2', 12)],
      ]),
    );
    expect(oracle.fates).toEqual({ accepted: 4, duplicate: 1, conflict: 0, rejected: 0 });
  });

  it('says so when a meter, or windows of two sizes, are beyond it', () => {
    expect(() => new Oracle({ ...catalog, meters: [tokens, { ...calls, window: '1m' }] })).toThrow(/of one size/);
    expect(() => new Oracle({ ...catalog, meters: [{ ...tokens, aggregation: 'latest' }] })).toThrow(
      /tokens.*not latest/,
    );
  });
});

describe('amounts', () => {
  const tiers = [
    { upTo: '10', unitAmount: '1', flatAmount: '0' },
    { upTo: '20', unitAmount: '0.5', flatAmount: '3' },
    { upTo: null, unitAmount: '0.1', flatAmount: '0' },
  ];
  const ofUsage = { slug: 'p', meter: 'tokens', match: {} } as const;
  const bounded = <Own>(first: Own, last: Own) => [
    { upTo: '10', ...first },
    { upTo: null, ...last },
  ];
  const stairstep: Price = { ...ofUsage, model: 'stairstep', tiers: bounded({ amount: '5' }, { amount: '9' }) };
  const packages: Price = {
    ...{ ...ofUsage, model: 'tiered_package' },
    tiers: bounded({ packageSize: '6', packageAmount: '2' }, { packageSize: '20', packageAmount: '3' }),
  };
  const rates: Price = {
    ...{ ...ofUsage, model: 'graduated_percentage' },
    tiers: [
      { upTo: '100', rate: '0.02' },
      { upTo: null, rate: '0.01' },
    ],
  };
  it.each<[string, Price, string, string]>([
    ['per unit', large, '1204', '0.003612'],
    ['package, exact', every, '4', '1'],
    ['package, begun', every, '4.000000000001', '1.5'],
    ['package, nothing', every, '0', '0'],
    ['graduated, within the first', { ...ofUsage, model: 'graduated', tiers }, '10', '10'],
    ['graduated, over all', { ...ofUsage, model: 'graduated', tiers }, '25', '18.5'],
    ['volume, at the bound', { ...ofUsage, model: 'volume', tiers }, '10', '10'],
    ['volume, past it', { ...ofUsage, model: 'volume', tiers }, '11', '8.5'],
    ['volume, last', { ...ofUsage, model: 'volume', tiers }, '100', '10'],
    ['stairstep, at the bound', stairstep, '10', '5'],
    ['stairstep, past it', stairstep, '10.000000000001', '9'],
    ['stairstep, nothing', stairstep, '0', '0'],
    ['tiered package, begun at the end of a tier', packages, '10', '4'],
    ['tiered package, begun in the next', packages, '11', '7'],
    ['graduated percentage', rates, '300', '4'],
    ['graduated percentage, refunded', rates, '-100', '-2'],
    ['cost plus', { ...ofUsage, model: 'cost_plus', factor: '1.2' }, '0.5', '0.6'],
    ['flat', base, '0', '10'],
  ])('%s', (_name, price, quantity, amount) => {
    expect(unscaled(oracleAmount(price, scaled(quantity, 12)), MONEY_SCALE)).toBe(amount);
  });
});

describe('bills', () => {
  it.each([
    ['2026-10-31T00:00:00Z', '2026-10-31T00:00:00Z'],
    ['2026-11-29T23:59:59Z', '2026-10-31T00:00:00Z'],
    ['2026-11-30T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['2027-03-01T00:00:00Z', '2027-02-28T00:00:00Z'],
    ['2027-03-31T00:00:00Z', '2027-03-31T00:00:00Z'],
  ])('finds the month anchored on the 31st that holds %s', (time, start) => {
    expect(periodAt(at('2026-10-31T00:00:00Z'), 'UTC', at(time)).start).toBe(at(start));
  });

  it('prices each period and customer by itself, closed windows only', () => {
    const oracle = agreed();
    for (const iso of [
      '2026-10-31T09:00:00Z',
      '2026-11-20T10:00:00Z',
      '2026-11-20T10:30:00Z',
      '2026-11-20T12:00:00Z',
    ]) {
      oracle.record('accepted', event('a', iso, { model: 'm-large', tokens: 1000 }));
      oracle.record('accepted', event('b', iso, { model: 'm-large', tokens: 1000 }));
    }
    const bills = billsOf(oracle.agreements, oracle.cells(), {
      watermark: at('2026-11-20T11:00:02Z'),
      allowedLatenessMs: 2_000,
    });
    // a: one package in October, one in November. b: one period of 3,000 tokens and its fee.
    expect(unscaled(bills.get('free')!.get('a')!, MONEY_SCALE)).toBe('1');
    expect(unscaled(bills.get('paid')!.get('b')!, MONEY_SCALE)).toBe('10.009');
    expect(bills.get('free')!.size).toBe(1);
  });

  it('charges a fee for every period that has begun, used or not', () => {
    const { agreements } = agreed();
    const owed = (watermark: string): string =>
      unscaled(
        billsOf(agreements, [], { watermark: at(watermark), allowedLatenessMs: 0 })
          .get('paid')
          ?.get('b') ?? 0n,
        MONEY_SCALE,
      );
    // Periods begin on 31 October, 30 November and 31 December.
    expect(owed('2026-10-30T23:59:59Z')).toBe('0');
    expect(owed('2026-10-31T00:00:00Z')).toBe('10');
    expect(owed('2026-11-29T23:59:59Z')).toBe('10');
    expect(owed('2026-11-30T00:00:00Z')).toBe('20');
    expect(owed('2027-01-01T00:00:00Z')).toBe('30');
  });
});
