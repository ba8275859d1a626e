import { describe, expect, it } from '@jest/globals';
import type { Price, Tier } from '../../../domain/catalog.ts';
import { Decimal } from '../../../domain/decimal.ts';
import { price } from './registry.ts';

const usage = { slug: 'p', meter: 'm', match: {} };
const tiers: readonly Tier[] = [
  { upTo: '10', unitAmount: '2', flatAmount: '0' },
  { upTo: null, unitAmount: '1', flatAmount: '0' },
];

describe('price', () => {
  // The same 15 units under every model, so that no two models can be mixed up.
  const table: readonly (readonly [Price, string])[] = [
    [{ ...usage, model: 'per_unit', unitAmount: '3' }, '45'],
    [{ ...usage, model: 'graduated', tiers }, '25'],
    [{ ...usage, model: 'volume', tiers }, '15'],
    [{ ...usage, model: 'package', packageSize: '10', packageAmount: '9' }, '18'],
    [{ slug: 'p', model: 'flat', flatAmount: '7' }, '7'],
  ];
  it.each(table)('$model', (of, expected) => {
    expect(price(new Decimal(15n), of).toString()).toBe(expected);
  });
});
