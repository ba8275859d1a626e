import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../number/decimal.ts';
import { amountOf, carriesUsage, isFree, isUsagePrice, type Price, priceModels, priceTerms } from './prices.ts';
import type { Tier } from './tiers/tiers.ts';

const usage = { slug: 'p', meter: 'm', match: { region: 'eu' } };
const tiers: readonly Tier[] = [
  { upTo: '10', unitAmount: '2', flatAmount: '0' },
  { upTo: null, unitAmount: '1', flatAmount: '0' },
];

const bounded = <Own extends object>(first: Own, last: Own) => [
  { upTo: '10', ...first },
  { upTo: null, ...last },
];
const stairs = bounded({ amount: '5' }, { amount: '8' });
const packages = bounded({ packageSize: '4', packageAmount: '3' }, { packageSize: '9', packageAmount: '4' });
const shares = bounded({ rate: '0.5' }, { rate: '0.2' });

// The same 15 units under every model, so that no two models can be mixed up.
const table: readonly (readonly [Price, string, Record<string, string>])[] = [
  [{ ...usage, model: 'per_unit', unitAmount: '3' }, '45', { unitAmount: '3' }],
  [{ ...usage, model: 'graduated', tiers }, '25', { tiers: '[up to 10 2 a unit; above 1 a unit]' }],
  [{ ...usage, model: 'volume', tiers }, '15', { tiers: '[up to 10 2 a unit; above 1 a unit]' }],
  [
    { ...usage, model: 'package', packageSize: '10', packageAmount: '9' },
    '18',
    { packageSize: '10', packageAmount: '9' },
  ],
  [{ ...usage, model: 'stairstep', tiers: stairs }, '8', { tiers: '[up to 10 5 in all; above 8 in all]' }],
  [
    { ...usage, model: 'tiered_package', tiers: packages },
    '13',
    { tiers: '[up to 10 3 for each 4; above 4 for each 9]' },
  ],
  [
    { ...usage, model: 'graduated_percentage', tiers: shares },
    '6',
    { tiers: '[up to 10 0.5 of the amount; above 0.2 of the amount]' },
  ],
  [{ ...usage, model: 'cost_plus', factor: '1.4' }, '21', { factor: '1.4' }],
  [
    { ...usage, model: 'percentage', rate: '0.2', fee: { meter: 'e', amount: '3', included: { units: '2' } } },
    '3',
    { rate: '0.2', fee: '3 for each of e beyond 2' },
  ],
  [{ slug: 'p', model: 'flat', flatAmount: '7' }, '7', { flatAmount: '7' }],
];
const cells = [
  { values: ['*', 'x'], model: 'per_unit', unitAmount: '2', maximum: '9' },
  { values: ['m', '*'], model: 'package', packageSize: '10', packageAmount: '9', included: { units: '1' } },
] as const;
const matrix: Price = { ...usage, model: 'matrix', dimensions: ['model', 'tier'], cells };

describe('prices', () => {
  it('has an example of every model here', () => {
    expect(table.map(([{ model }]) => model)).toEqual(
      priceModels.filter((model) => model !== 'matrix' && model !== 'price_book'),
    );
  });

  // A price of the period is charged once.
  it.each(table)('$model costs $1', (price, expected) => {
    expect(amountOf(price)(new Decimal(isUsagePrice(price) ? 15n : 1n)).toString()).toBe(expected);
    expect(amountOf(price)(Decimal.zero).toString()).toBe('0');
  });

  it.each(table)('tells every term of $model', (price, _, own) => {
    const ofUsage = { meter: 'm', match: '{region: "eu"}', per: 'customer', onChange: 'by model' };
    const ofFee = { charge: 'in_advance', proration: 'second', giveBack: 'true', quantity: 'once' };
    const shared = { every: '1 month', ...(isUsagePrice(price) ? ofUsage : ofFee) };
    expect(priceTerms(price)).toEqual({ model: price.model, ...shared, ...own });
  });

  it('tells every cell of a matrix, which has an amount for each and none by itself', () => {
    const own = {
      dimensions: '[model, tier]',
      'cell [*, x]': 'per_unit unitAmount 2 maximum 9',
      'cell [m, *]': 'package packageSize 10 packageAmount 9 included 1',
    };
    const shared = { meter: 'm', match: '{region: "eu"}', per: 'customer', every: '1 month', onChange: 'by model' };
    expect(priceTerms(matrix)).toEqual({ model: 'matrix', ...shared, ...own });
    expect(() => amountOf(matrix)(new Decimal(1n))).toThrow('a matrix has an amount for each cell');
  });

  const tiered = (unitAmount: string, flatAmount: string): readonly Tier[] => [
    { upTo: '10', unitAmount, flatAmount },
    { upTo: null, unitAmount: '1', flatAmount: '0' },
  ];
  const pack = (packageAmount: string): Price => ({ ...usage, model: 'package', packageSize: '10', packageAmount });

  it.each<readonly [string, Price, string, boolean]>([
    ['a unit that costs nothing', { ...usage, model: 'per_unit', unitAmount: '0' }, '5', true],
    ['a unit that costs something', { ...usage, model: 'per_unit', unitAmount: '1' }, '5', false],
    ['the rest of a package', pack('9'), '5', false],
    ['the last unit of a package', pack('9'), '10', false],
    ['usage below zero of packages', pack('9'), '-5', true],
    ['a package that costs nothing', pack('0.00'), '5', true],
    ['units that a tier gives away', { ...usage, model: 'graduated', tiers: tiered('0', '0') }, '10', true],
    ['units of a tier with a price', { ...usage, model: 'graduated', tiers: tiered('0', '0') }, '11', false],
    ['units that a tier has charged for', { ...usage, model: 'graduated', tiers: tiered('0', '4') }, '10', false],
    ['units that all units have paid', { ...usage, model: 'volume', tiers: tiered('0', '4') }, '10', false],
    ['units that a volume gives away', { ...usage, model: 'volume', tiers: tiered('0', '0') }, '10', true],
    ['a total that falls as far as it grows', { ...usage, model: 'volume', tiers }, '20', false],
    ['a credit at no rate, without a flat amount', { ...usage, model: 'volume', tiers: tiered('0', '4') }, '-1', true],
    ['the rest of a stair', { ...usage, model: 'stairstep', tiers: stairs }, '9', false],
    [
      'a stair that costs nothing',
      { ...usage, model: 'stairstep', tiers: bounded({ amount: '0' }, { amount: '1' }) },
      '9',
      true,
    ],
    ['usage below zero of stairs', { ...usage, model: 'stairstep', tiers: stairs }, '-5', true],
    ['the rest of a package of a tier', { ...usage, model: 'tiered_package', tiers: packages }, '11.5', false],
    ['usage below zero of packages in tiers', { ...usage, model: 'tiered_package', tiers: packages }, '-1', true],
    [
      'a part that no share is taken of',
      { ...usage, model: 'graduated_percentage', tiers: bounded({ rate: '0' }, { rate: '1' }) },
      '10',
      true,
    ],
    ['a part that a share is taken of', { ...usage, model: 'graduated_percentage', tiers: shares }, '10', false],
    ['a cost that is given away', { ...usage, model: 'cost_plus', factor: '0' }, '3', true],
    ['a period that costs nothing', { slug: 'p', model: 'flat', flatAmount: '0' }, '1', true],
  ])('says of %s whether it is free or paid', (_, price, cumulative, expected) => {
    expect(isFree(price, Decimal.parse(cumulative))).toBe(expected);
  });

  it.each<readonly [string, Price, boolean]>([
    ['per_unit', { ...usage, model: 'per_unit', unitAmount: '1' }, true],
    ['graduated', { ...usage, model: 'graduated', tiers }, true],
    ['graduated with a flatAmount', { ...usage, model: 'graduated', tiers: tiered('0', '4') }, false],
    ['volume', { ...usage, model: 'volume', tiers }, false],
    ['package', pack('9'), false],
    ['stairstep', { ...usage, model: 'stairstep', tiers: stairs }, false],
    ['tiered_package', { ...usage, model: 'tiered_package', tiers: packages }, false],
    ['graduated_percentage', { ...usage, model: 'graduated_percentage', tiers: shares }, true],
    ['cost_plus', { ...usage, model: 'cost_plus', factor: '2' }, true],
  ])('of %s, T6: says whether usage of before a change stays in its tiers', (_, price, expected) => {
    expect(isUsagePrice(price) && carriesUsage(price)).toBe(expected);
  });
});
