import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../../number/decimal.ts';
import { amountOf, carriesUsage, isFree, type UsagePrice } from '../prices.ts';
import type { AroundPrice } from './around-price.ts';
import { boundsOf, discountedAt } from './charge.ts';

const priceWith = (around: AroundPrice): UsagePrice => ({
  ...{ slug: 'p', meter: 'm', match: {}, model: 'per_unit', unitAmount: '2' },
  ...around,
});

describe('the order around a price', () => {
  // 100 units at 2.
  it.each<[string, AroundPrice, string]>([
    ['nothing', {}, '200'],
    ['units that are included', { included: { units: '40' } }, '120'],
    ['more units than were used', { included: { units: '140' } }, '0'],
    ['a discount of units, beside those', { included: { units: '40' }, discounts: [{ units: '10' }] }, '100'],
    ['a discount of a rate', { discounts: [{ rate: '0.25' }] }, '150'],
    ['two, one after the other', { discounts: [{ rate: '0.25' }, { rate: '0.5' }] }, '75'],
    ['a discount of an amount', { discounts: [{ amount: '30' }] }, '170'],
    ['rates before amounts, however they are listed', { discounts: [{ amount: '30' }, { rate: '0.5' }] }, '70'],
    ['no less than nothing', { discounts: [{ amount: '300' }] }, '0'],
    ['a maximum', { maximum: '150' }, '150'],
    ['a maximum after discounts', { discounts: [{ rate: '0.5' }], maximum: '150' }, '100'],
    [
      'all of it',
      { included: { units: '10' }, discounts: [{ units: '10' }, { rate: '0.5' }, { amount: '5' }], maximum: '70' },
      '70',
    ],
  ])('of %s', (_, around, expected) => {
    expect(amountOf(priceWith(around))(new Decimal(100n)).toString()).toBe(expected);
    expect(amountOf(priceWith(around))(Decimal.zero).toString()).toBe('0');
  });

  it('credits what is below zero by the rates alone', () => {
    const around = { included: { units: '10' }, discounts: [{ rate: '0.5' }, { amount: '5' }], maximum: '70' };
    expect(amountOf(priceWith(around))(new Decimal(-100n)).toString()).toBe('-100');
  });

  it('says whether a charge of 0 was free, or was paid before', () => {
    expect(isFree(priceWith({ included: { units: '40' } }), new Decimal(40n))).toBe(true);
    expect(isFree(priceWith({ included: { units: '40' } }), new Decimal(41n))).toBe(false);
    expect(isFree(priceWith({ discounts: [{ amount: '30' }] }), new Decimal(15n))).toBe(true);
    expect(isFree(priceWith({ maximum: '30' }), new Decimal(100n))).toBe(false);
  });

  it('leaves what carries carrying, unless it is of a period as a whole', () => {
    expect(carriesUsage(priceWith({ included: { units: '40' }, discounts: [{ units: '1' }, { rate: '1' }] }))).toBe(
      true,
    );
    expect(carriesUsage(priceWith({ maximum: '3' }))).toBe(false);
    expect(carriesUsage(priceWith({ discounts: [{ amount: '3' }] }))).toBe(false);
  });
});

describe('discounts in time', () => {
  const [from, until] = ['2026-10-05T00:00:00Z', '2026-10-10T00:00:00Z'];
  const price = priceWith({ discounts: [{ rate: '0.5', from, until }, { amount: '1', from: until }, { units: '2' }] });
  const at = (text: string) => discountedAt(price, Date.parse(text)).discounts;

  it('hold from their start on, and before their end', () => {
    expect(at('2026-10-04T23:59:59Z')).toEqual([{ units: '2' }]);
    expect(at(from)).toEqual([{ rate: '0.5' }, { units: '2' }]);
    expect(at(until)).toEqual([{ amount: '1' }, { units: '2' }]);
    expect(boundsOf(price)).toEqual([from, until, until].map((text) => Date.parse(text)));
  });

  it('are no part of a price outside of their time', () => {
    const only = priceWith({ discounts: [{ rate: '0.5', from, until }] });
    expect(discountedAt(only, Date.parse(until))).toEqual(priceWith({}));
    // The same price, so that what is known of it is found again.
    expect(discountedAt(only, Date.parse(from))).toBe(discountedAt(only, Date.parse(from) + 1));
  });
});
