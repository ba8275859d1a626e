import { describe, expect, it } from '@jest/globals';
import {
  catalogs,
  customer,
  flatOf,
  on,
  perUnitOf,
  shownAt,
  sinceLongAgo,
  subscribed,
} from '../../test/terms/records.ts';
import { type CustomerRecords, CustomerTerms } from '../terms/price-terms.ts';
import { CustomerMinimums } from './minimums.ts';

const least = (minimum: string) => perUnitOf('0.1', { minimum });
const plans = { pro: [least('31')], team: [least('62'), flatOf('5')], free: [perUnitOf('0.1')] };
const catalog = catalogs(sinceLongAgo(plans));

const of = (records: CustomerRecords): CustomerMinimums => new CustomerMinimums(new CustomerTerms(records));

const shownFrom = (records: CustomerRecords, start: string): string[] =>
  of(records)
    .startingAt(on(start))
    .map(
      ({ name, last, amount, closesAt }) =>
        `${name} ${amount} ${shownAt(last.from)} to ${shownAt(last.to)} ${last.plan}, due ${shownAt(closesAt)}`,
    );

describe('the minimum of a price', () => {
  it('is of a whole period where nothing changes, and due where its last window closes', () => {
    const records = customer(catalog, subscribed('10-01', [['10-01', { plan: 'pro' }]]));
    expect(shownFrom(records, '10-01')).toEqual(['units/minimum 31 10-01 to 11-01 pro, due 11-01']);
  });

  it('is the sum of parts by the second, on what is held last', () => {
    const records = customer(
      catalog,
      subscribed('10-01', [
        ['10-01', { plan: 'pro' }],
        ['10-11', { plan: 'team' }],
        ['10-21', { plan: 'free' }],
      ]),
    );
    expect(shownFrom(records, '10-01')).toEqual(['units/minimum 30 10-11 to 10-21 team, due 11-01']);
  });

  it('is not owed in trials and pauses', () => {
    const changes = [
      ['10-01', { plan: 'pro', trialEndsAt: on('10-11') }],
      ['10-21', { pausedUntil: on('10-26') }],
    ] as const;
    expect(shownFrom(customer(catalog, subscribed('10-01', changes)), '10-01')).toEqual([
      'units/minimum 16 10-26 to 11-01 pro, due 11-01',
    ]);
  });

  it('is due where the subscription ends, once the window is closed that holds its end', () => {
    const changes = [['10-01', { plan: 'pro', endsAt: on('10-11T10:20') }]] as const;
    const [shown] = shownFrom(customer(catalog, subscribed('10-01', changes)), '10-01');
    expect(shown).toContain('due 10-11T11:00');
  });

  it('runs by the grid of the price, which is that of the one before', () => {
    const records = customer(
      catalog,
      subscribed('10-01', [['10-01', { plan: 'free', endsAt: on('10-10') }]], { anchor: on('10-01') }),
      subscribed('10-15', [['10-15', { plan: 'pro' }]], { id: 's2', anchor: on('10-15') }),
    );
    expect(shownFrom(records, '10-01')).toEqual(['units/minimum 17 10-15 to 11-01 pro, due 11-01']);
  });

  it('is of the subscription where it has a price of its own', () => {
    const own = { units: least('310') };
    const changes = [
      ['10-01', { plan: 'pro' }],
      ['10-11', { overrides: own }],
    ] as const;
    const records = customer(catalog, subscribed('10-01', changes));
    expect(shownFrom(records, '10-01')).toEqual(['units/minimum 220 10-11 to 11-01 pro, due 11-01']);
    expect(of(records).startingAt(on('10-01'))[0]!.last.catalogVersion).toBeNull();
  });
});

describe('the minimum of a plan', () => {
  const ofPlan = catalogs(
    sinceLongAgo({ pro: { minimum: { amount: '310' }, prices: [least('31')] }, free: [perUnitOf('0.1')] }),
  );

  it('comes after that of its prices, and counts what its own subscriptions are charged', () => {
    const records = customer(ofPlan, subscribed('10-01', [['10-01', { plan: 'pro' }]]));
    expect(shownFrom(records, '10-01')).toEqual([
      'units/minimum 31 10-01 to 11-01 pro, due 11-01',
      '*/minimum 310 10-01 to 11-01 pro, due 11-01',
    ]);
    expect(of(records).startingAt(on('10-01'))[1]).toMatchObject({ price: null, members: ['s1'] });
  });

  it('is owed by nobody who has the default plan', () => {
    const byDefault = catalogs(
      sinceLongAgo({ pro: { minimum: { amount: '310' }, prices: [least('31')] } }, { defaultPlan: 'pro' }),
    );
    expect(of(customer(byDefault)).isEmpty).toBe(true);
  });
});

describe('the next closing', () => {
  const records = customer(catalog, subscribed('10-01', [['10-01', { plan: 'pro', endsAt: on('12-11') }]]));
  it.each([
    ['09-01', '11-01'],
    ['10-31T23:30', '11-01'],
    ['11-01', '12-01'],
    ['12-01', '12-11'],
  ])('after %s is %s', (after, next) => {
    expect(shownAt(of(records).nextClosing(on(after))!)).toBe(next);
  });

  it('is none after the last', () => {
    expect(of(records).nextClosing(on('12-11'))).toBeNull();
  });
});
