import { describe, expect, it } from '@jest/globals';
import { Decimal } from '../../../domain/decimal.ts';
import { flat } from './flat.ts';

describe('flat', () => {
  it.each([
    ['0', '200.00', '200'],
    ['123456', '200.00', '200'],
    ['-1', '0.01', '0.01'],
  ])('with %s units of usage, a fee of %s costs %s', (quantity, flatAmount, expected) => {
    expect(flat(Decimal.parse(quantity), { slug: 'p', model: 'flat', flatAmount }).toString()).toBe(expected);
  });
});
