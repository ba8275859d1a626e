import { describe, expect, it } from '@jest/globals';
import {
  catalogOf,
  catalogs,
  customer,
  flatOf,
  on,
  perUnitOf,
  shownAt,
  sinceLongAgo,
  subscribed,
} from '../../test/terms/records.ts';
import { changedPrices } from './changed-prices.ts';
import { CustomerTerms } from './price-terms.ts';

const first = { pro: [perUnitOf('1'), flatOf('9')], team: [perUnitOf('2')] };
const second = { pro: [perUnitOf('3'), perUnitOf('5', { slug: 'more', meter: 'm' })], team: [perUnitOf('2')] };
const before = catalogs(sinceLongAgo(first));
const wanted = (appliesTo: 'running' | 'next' = 'running') =>
  catalogs(sinceLongAgo(first), { at: '10-16T10:20', catalog: catalogOf(second), appliesTo });

function shown(subscription: ReturnType<typeof subscribed>, after = wanted()): string[] {
  const of = (catalog: typeof after) => new CustomerTerms(customer(catalog, subscription));
  return changedPrices(of(before), of(after), on('10-16T10:20')).map(
    ({ price, from, change, period }) => `${price} ${change} ${shownAt(from)} in ${shownAt(period.start)}`,
  );
}

describe('what another catalog would change of a subscription', () => {
  it('is told price by price, from when on it holds', () => {
    expect(shown(subscribed('10-01', [['10-01', { plan: 'pro' }]]))).toEqual([
      'units changed 10-16T11:00 in 10-01',
      'fee gone 10-16T10:20 in 10-01',
      'more added 10-16T11:00 in 10-01',
    ]);
  });

  it('is nothing where its plan stays as it is, or was left before', () => {
    expect(shown(subscribed('10-01', [['10-01', { plan: 'team' }]]))).toEqual([]);
    const left = subscribed('10-01', [
      ['10-01', { plan: 'pro' }],
      ['10-10', { plan: 'team' }],
    ]);
    expect(shown(left)).toEqual([]);
  });

  it('is of when the subscription comes to have the plan, and with its next period where that is asked for', () => {
    const later = subscribed('10-01', [
      ['10-01', { plan: 'team' }],
      ['11-10', { plan: 'pro' }],
    ]);
    expect(shown(later)[0]).toBe('units changed 11-10 in 11-01');
    expect(shown(subscribed('10-01', [['10-01', { plan: 'pro' }]]), wanted('next'))[0]).toBe(
      'units changed 11-01 in 11-01',
    );
  });
});
