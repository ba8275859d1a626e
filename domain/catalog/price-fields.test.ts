// What a catalog says of percentages, matrices and what stands around a price: how it is kept, and what is refused with
// which words.
import { describe, expect, it } from '@jest/globals';
import { diffCatalogs, formatChange } from './catalog-diff.ts';
import { formatCatalogError, readCatalog } from './catalog-file.ts';

const withPrice = (price: object) => ({
  currency: 'USD',
  meters: [
    { slug: 'm', eventType: 'e', aggregation: 'sum', value: 'data.n', groupBy: { model: 'data.m', tier: 'data.t' } },
    { slug: 'events', eventType: 'e', aggregation: 'count', groupBy: { model: 'data.m' } },
    { slug: 'last', eventType: 'e', aggregation: 'latest', value: 'data.n', groupBy: { model: 'data.m' } },
  ],
  plans: [{ slug: 'p', prices: [{ slug: 's', meter: 'm', ...price }] }],
});

function read(price: object) {
  const reading = readCatalog(JSON.stringify(withPrice(price)), 'f');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog;
}

function faultsOf(price: object): string[] {
  const reading = readCatalog(JSON.stringify(withPrice(price)), 'f');
  return reading.ok
    ? []
    : reading.errors.map((error) => formatCatalogError(error).replace(/^f:\d+:\d+ plans\[0\]\.prices\[0\]\.?/, ''));
}

const perUnit = { model: 'per_unit', unitAmount: '1' };
const share = { model: 'percentage', rate: '0.02' };
const matrix = (more: object = {}) => ({
  ...{ model: 'matrix', dimensions: ['model', 'tier'], cells: [{ values: ['a', '*'], unitAmount: '1' }] },
  ...more,
});

describe('prices of several quantities, and what is around a price', () => {
  it('are kept in one form', () => {
    const around = {
      included: { units: '10.0', proration: 'second' },
      discounts: [{ rate: '0.20', from: '2026-11-01T01:00:00+01:00' }],
      maximum: '5.00',
    };
    expect(read({ ...perUnit, ...around }).plans[0]!.prices[0]).toEqual({
      ...{ slug: 's', meter: 'm', match: {}, model: 'per_unit', unitAmount: '1' },
      ...{ included: { units: '10' }, discounts: [{ rate: '0.2', from: '2026-11-01T00:00:00Z' }], maximum: '5' },
    });
    const cells = [
      { values: ['b', '*'], model: 'package', packageSize: '10', packageAmount: '2', included: { units: '1' } },
      { values: ['', 'x'], unitAmount: '1.0' },
    ];
    expect(read(matrix({ cells })).plans[0]!.prices[0]).toEqual({
      ...{ slug: 's', meter: 'm', match: {}, model: 'matrix', dimensions: ['model', 'tier'] },
      cells: [
        { values: ['', 'x'], model: 'per_unit', unitAmount: '1' },
        { values: ['b', '*'], model: 'package', packageSize: '10', packageAmount: '2', included: { units: '1' } },
      ],
    });
    const fee = { meter: 'events', amount: '0.30', included: { units: '3' } };
    expect(read({ ...share, fee }).plans[0]!.prices[0]).toEqual({
      ...{ slug: 's', meter: 'm', match: {}, model: 'percentage', rate: '0.02' },
      fee: { meter: 'events', amount: '0.3', included: { units: '3' } },
    });
  });

  it.each<[string, object, string[]]>([
    [
      'an allowance of nothing',
      { ...perUnit, included: { units: '0' } },
      ['included.units: must be above zero, got "0"'],
    ],
    [
      'more digits than usage has',
      { ...perUnit, included: { units: '0.0000000000001' } },
      ['included.units: has more than 12 digits behind the point, got "0.0000000000001"'],
    ],
    ['no kind of a discount', { ...perUnit, discounts: [{}] }, ['discounts[0]: needs one of units, rate, amount']],
    [
      'two kinds of one',
      { ...perUnit, discounts: [{ rate: '0.1', amount: '1' }] },
      ['discounts[0]: needs one of units, rate, amount'],
    ],
    [
      'a percentage for a fraction',
      { ...perUnit, discounts: [{ rate: '20' }] },
      ['discounts[0].rate: is a fraction, at most 1, got "20"'],
    ],
    [
      'an end before its start',
      { ...perUnit, discounts: [{ rate: '0.1', from: '2026-02-01T00:00:00Z', until: '2026-01-01T00:00:00Z' }] },
      ['discounts[0].until: must be after `from`: it would never hold'],
    ],
    [
      'a day for an instant',
      { ...perUnit, discounts: [{ rate: '0.1', from: '2026-02-01' }] },
      ['discounts[0].from: must be an instant such as 2026-11-01T00:00:00Z, got "2026-02-01"'],
    ],
    [
      'a number without quotes',
      { ...perUnit, maximum: 5 },
      ['maximum: must be a decimal string, got number 5 (quote it)'],
    ],
    [
      'a fee without its meter',
      { ...share, fee: { meter: 'none', amount: '1' } },
      ['fee.meter: there is no meter "none" in this catalog'],
    ],
    [
      'a fee by the meter of the money',
      { ...share, fee: { meter: 'm', amount: '1' } },
      ['fee.meter: must be another meter: one that counts the events'],
    ],
    [
      'a fee by a level',
      { ...share, fee: { meter: 'last', amount: '1' } },
      ['fee.meter: a fee is for each event, and last is a latest: a count, or a sum'],
    ],
    [
      'a fee whose meter lacks what is matched',
      { ...share, match: { tier: 'x' }, fee: { meter: 'events', amount: '1' } },
      ["fee.meter: has no tier in its groupBy, which the price's match names"],
    ],
    [
      'a maximum over a share and a fee',
      { ...share, fee: { meter: 'events', amount: '1' }, maximum: '5' },
      ['maximum: is of one quantity, and this price has several: say it where the quantity is'],
    ],
    [
      'a minimum over a share and a fee',
      { ...share, fee: { meter: 'events', amount: '1' }, minimum: '5' },
      ['minimum: is of one meter, and this price has two: say it of the plan'],
    ],
    [
      'a minimum for each subject',
      { ...perUnit, per: 'subject', minimum: '5' },
      ['minimum: is of all usage of a price, and this one is charged for each subject'],
    ],
    ['a minimum of nothing', { ...perUnit, minimum: '0' }, ['minimum: must be above zero, got "0"']],
    [
      'a minimum above the maximum',
      { ...perUnit, maximum: '5', minimum: '5.01' },
      ['minimum: is above the maximum, 5'],
    ],
    [
      'an allowance over all cells',
      matrix({ included: { units: '5' } }),
      ['included: is of one quantity, and this price has several: say it where the quantity is'],
    ],
    [
      'a discount of an amount over all cells',
      matrix({ discounts: [{ amount: '5' }] }),
      ['discounts: of units or of an amount are of one quantity, and this price has several'],
    ],
    [
      'a dimension that the meter lacks',
      matrix({ dimensions: ['model', 'region'] }),
      ['dimensions[1]: is not in groupBy of meter "m": it has model, tier'],
    ],
    ['a dimension twice', matrix({ dimensions: ['model', 'model'] }), ['dimensions[1]: model is there twice']],
    [
      'a dimension that is matched',
      matrix({ match: { tier: 'x' } }),
      ['dimensions[1]: is in match too, where it has one value: leave it out of one of them'],
    ],
    [
      'fewer values than dimensions',
      matrix({ cells: [{ values: ['a'], unitAmount: '1' }] }),
      ['cells[0].values: has 1 values, and the matrix 2 dimensions: one for each'],
    ],
    [
      'a cell twice',
      matrix({
        cells: [
          { values: ['a', '*'], unitAmount: '1' },
          { values: ['a', '*'], unitAmount: '2' },
        ],
      }),
      ['cells[1].values: are those of cell 0 already'],
    ],
    [
      'a matrix in a cell',
      matrix({ cells: [{ values: ['a', '*'], model: 'matrix' }] }),
      [
        'cells[0].model: must be one of per_unit, graduated, volume, package, stairstep, tiered_package, graduated_percentage, cost_plus, got "matrix"',
      ],
    ],
    [
      'a matrix of values that do not merge',
      { ...matrix({ dimensions: ['model'] }), meter: 'last' },
      [
        'dimensions: a matrix is of a meter of sum, count, max or min: what several values of a latest come to in a cell is not told by them',
      ],
    ],
  ])('refuse %s', (_, price, faults) => {
    expect(faultsOf(price)).toEqual(faults);
  });

  it('are told by what changes: of a matrix cell by cell', () => {
    const changes = (before: object, after: object) =>
      diffCatalogs(read(before), read(after), []).changes.map(formatChange);
    const cells = (unitAmount: string) => [
      { values: ['a', '*'], unitAmount },
      { values: ['*', '*'], unitAmount: '9' },
    ];
    expect(changes(matrix({ cells: cells('1') }), matrix({ cells: cells('2') }))).toEqual([
      '~ plan p, price s: cell [a, *] per_unit unitAmount 1 -> per_unit unitAmount 2',
    ]);
    expect(changes(matrix(), matrix({ cells: cells('1') }))).toEqual([
      '~ plan p, price s: cell [*, *] none -> per_unit unitAmount 9',
    ]);
    expect(changes(share, { ...share, fee: { meter: 'events', amount: '0.3' }, included: { units: '7' } })).toEqual([
      '~ plan p, price s: fee none -> 0.3 for each of events, included none -> 7',
    ]);
    expect(
      changes(perUnit, { ...perUnit, maximum: '3', discounts: [{ units: '2', until: '2026-01-01T00:00:00Z' }] }),
    ).toEqual(['~ plan p, price s: discounts none -> [2 units until 2026-01-01T00:00:00Z], maximum none -> 3']);
  });

  it('have a minimum, of a price of one meter and of a plan', () => {
    expect(read({ ...perUnit, minimum: '20.0' }).plans[0]!.prices[0]).toMatchObject({ minimum: '20' });
    expect(read(matrix({ minimum: '20' })).plans[0]!.prices[0]).toMatchObject({ minimum: '20' });
    const ofPlan = (more: object) => {
      const catalog = withPrice(perUnit);
      return JSON.stringify({ ...catalog, plans: [{ ...catalog.plans[0]!, ...more }] });
    };
    const kept = readCatalog(ofPlan({ minimum: { amount: '5.0', every: { months: 12 } } }), 'f');
    expect(kept.ok && kept.catalog.plans[0]!.minimum).toEqual({ amount: '5', every: { years: 1 } });
    const none = readCatalog(ofPlan({}), 'f');
    expect(kept.ok && none.ok && diffCatalogs(none.catalog, kept.catalog, []).changes.map(formatChange)).toEqual([
      '~ plan p: minimum none -> 5 every 1 year',
    ]);
  });

  it.each([
    ['a plan', {}, { minimum: { amount: '5' } }, 'it has a minimum, which is for subscriptions'],
    ['a price', { minimum: '5' }, {}, 'its price "s" has a minimum, which is for subscriptions'],
  ])('refuse a default plan where %s has a minimum', (_, price, plan, why) => {
    const catalog = withPrice({ ...perUnit, ...price });
    const text = JSON.stringify({ ...catalog, plans: [{ ...catalog.plans[0]!, ...plan }], defaultPlan: 'p' });
    const reading = readCatalog(text, 'f');
    expect(reading.ok ? [] : reading.errors.map(({ message }) => message)).toEqual([`can't be "p": ${why}`]);
  });

  it('keep a fee of its meter for ever, as a price', () => {
    const fee = (meter: string) => read({ ...share, fee: { meter, amount: '1' } });
    const other = {
      ...fee('events'),
      meters: [...fee('events').meters, { ...fee('events').meters[1]!, slug: 'others' }],
    };
    const [plan] = other.plans;
    const moved = {
      ...other,
      plans: [{ ...plan!, prices: [{ ...plan!.prices[0]!, fee: { meter: 'others', amount: '1' } }] }],
    };
    const { refusals } = diffCatalogs(other, moved as typeof other, [other]);
    expect(refusals.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('has a part s/fee that can\'t be of meter "others": it is of meter "events" in plan p'),
    ]);
  });
});
