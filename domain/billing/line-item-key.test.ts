import { describe, expect, it } from '@jest/globals';
import { type LineItemKey, ledgerTransactionId, lineItemId } from './line-item-key.ts';

const key: LineItemKey = { tenant: 't', subject: 's', periodStart: 0, price: 'p', windowStart: 0, revision: 0 };

describe('line item keys', () => {
  it('derives the same version 8 UUID from the same key', () => {
    expect(lineItemId(key)).toBe(lineItemId({ ...key }));
    expect(lineItemId(key)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ledgerTransactionId(key)).not.toBe(lineItemId(key));
  });

  it('does not collide where joined parts would', () => {
    const ids = [
      lineItemId({ ...key, tenant: 'a-b', subject: 'c' }),
      lineItemId({ ...key, tenant: 'a', subject: 'b-c' }),
      lineItemId({ ...key, tenant: 'a","b', subject: 'c' }),
      lineItemId({ ...key, revision: 1 }),
      lineItemId({ ...key, windowStart: 1 }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });
});
