import { describe, expect, it } from '@jest/globals';
import { flat } from './flat.ts';

describe('flat', () => {
  it.each([
    ['200.00', '200'],
    ['0.01', '0.01'],
    ['-5', '-5'],
  ])('a fee of %s costs %s a period', (flatAmount, expected) => {
    expect(flat.amount({ flatAmount }).toString()).toBe(expected);
  });
});
