import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../number/decimal.ts';
import { amountOf, isUsagePrice, type Price, priceModels, priceTerms } from './prices.ts';
import type { Tier } from './tiers.ts';

const usage = { slug: 'p', meter: 'm', match: { region: 'eu' } };
const tiers: readonly Tier[] = [
  { upTo: '10', unitAmount: '2', flatAmount: '0' },
  { upTo: null, unitAmount: '1', flatAmount: '0' },
];

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
  [{ slug: 'p', model: 'flat', flatAmount: '7' }, '7', { flatAmount: '7' }],
];

describe('prices', () => {
  it('has an example of every model here', () => {
    expect(table.map(([{ model }]) => model)).toEqual(priceModels);
  });

  // A price of the period is charged once.
  it.each(table)('$model costs $1', (price, expected) => {
    expect(amountOf(price)(new Decimal(isUsagePrice(price) ? 15n : 1n)).toString()).toBe(expected);
    expect(amountOf(price)(Decimal.zero).toString()).toBe('0');
  });

  it.each(table)('tells every term of $model', (price, _, own) => {
    const shared = isUsagePrice(price) ? { meter: 'm', match: '{region: "eu"}' } : {};
    expect(priceTerms(price)).toEqual({ model: price.model, ...shared, ...own });
  });
});
