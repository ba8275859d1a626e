import { describe, expect, it } from '@jest/globals';
import {
  catalogOf,
  catalogs,
  customer,
  meterOf,
  on,
  perUnitOf,
  shownAt,
  sinceLongAgo,
  subscribed,
} from '../../test/terms/records.ts';
import { CustomerTerms } from '../terms/price-terms.ts';
import { type GroupsInUse, LeftGroups, pricedMeters, unpricedIn } from './unpriced-usage.ts';

const dimensions = [{ name: 'model', path: ['model'] }];
const byModel = { meters: [meterOf('m', { dimensions }), meterOf('n', { dimensions })] };
const small = perUnitOf('1', { slug: 'small', match: { model: 's' } });
const large = perUnitOf('2', { slug: 'large', match: { model: 'l' } });
const rest = perUnitOf('9', { slug: 'rest', otherwise: true });
const plans = { pro: [small], team: [small, large], whole: [small, rest] };
const catalog = catalogs(sinceLongAgo(plans, byModel));

const termsOf = (plan: string, patch: object = {}) =>
  new CustomerTerms(customer(catalog, subscribed('10-01', [['10-01', { plan, ...patch }]])));
const span = { from: on('10-05'), to: on('10-20') };

describe('what nothing prices', () => {
  it('is what no price matches, stretch by stretch', () => {
    const terms = termsOf('team', { endsAt: on('10-10') });
    expect(unpricedIn(terms, 'm', span).map(({ from, to, leftOut }) => [shownAt(from), shownAt(to), leftOut])).toEqual([
      ['10-05', '10-10', [{ model: 'l' }, { model: 's' }]],
      ['10-10', '10-20', []],
    ]);
    expect(unpricedIn(terms, 'n', span)).toEqual([{ ...span, match: {}, leftOut: [] }]);
  });

  it('is nothing where a price takes what others leave, and of a group where one matches it', () => {
    expect(unpricedIn(termsOf('whole'), 'm', span)).toEqual([]);
    expect(unpricedIn(termsOf('team'), 'm', span, { model: 's' })).toEqual([]);
    const other = unpricedIn(termsOf('team'), 'm', span, { model: 'x' });
    expect(other).toEqual([{ ...span, match: { model: 'x' }, leftOut: [] }]);
  });
});

describe('whether anything may be left', () => {
  const inUse = (groups: Readonly<Record<string, readonly string[] | null>>): GroupsInUse =>
    new Map(
      Object.entries(groups).map(
        ([meter, models]) => [meter, models === null ? null : models.map((model) => ({ model }))] as const,
      ),
    );
  const mayLeave = (plan: string, groups: GroupsInUse, window = '10-05'): boolean =>
    new LeftGroups(groups).mayLeave(termsOf(plan), on(window));

  it('is told by the group values that are in use', () => {
    expect(mayLeave('team', inUse({ m: ['s', 'l'] }))).toBe(false);
    expect(mayLeave('pro', inUse({ m: ['s', 'l'] }))).toBe(true);
    expect(mayLeave('team', inUse({ m: ['s'], n: ['s'] }))).toBe(true);
    expect(mayLeave('pro', inUse({}))).toBe(false);
  });

  it('is so where they are too many to be named, unless all of them are priced', () => {
    expect(mayLeave('team', inUse({ m: null }))).toBe(true);
    expect(mayLeave('whole', inUse({ m: null }))).toBe(false);
  });

  it('is found again for each set of prices that hold together', () => {
    const left = new LeftGroups(inUse({ m: ['s', 'l'] }));
    const [team, pro] = [termsOf('team'), termsOf('pro')];
    const windows = ['09-20', '10-05'].map(on);
    expect([team, pro, team].map((terms) => windows.map((window) => left.mayLeave(terms, window)))).toEqual([
      [true, false],
      [true, true],
      [true, false],
    ]);
  });
});

it('a meter is meant to be paid for where any plan prices it', () => {
  expect(pricedMeters(catalogOf(plans).plans)).toEqual(new Set(['m']));
});
