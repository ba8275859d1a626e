import { describe, expect, it } from '@jest/globals';
import { type LineItemKey, ledgerTransactionId, lineItemId } from './line-item-key.ts';

const key: LineItemKey = {
  ...{
    tenant: 't',
    customer: 's',
    subscription: '',
    periodStart: 0,
    periodEnd: 30 * 86_400_000,
    price: 'p',
    subject: '',
  },
  ...{ termStart: 0, windowStart: 0, revision: 0 },
};

describe('line item keys', () => {
  it('derives the same version 8 UUID from the same key', () => {
    expect(lineItemId(key)).toBe(lineItemId({ ...key }));
    expect(lineItemId(key)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ledgerTransactionId(key)).not.toBe(lineItemId(key));
  });

  it('does not collide where joined parts would', () => {
    const ids = [
      lineItemId({ ...key, tenant: 'a-b', customer: 'c' }),
      lineItemId({ ...key, tenant: 'a', customer: 'b-c' }),
      lineItemId({ ...key, tenant: 'a","b', customer: 'c' }),
      lineItemId({ ...key, revision: 1 }),
      lineItemId({ ...key, windowStart: 1 }),
      lineItemId({ ...key, subject: 's' }),
      lineItemId({ ...key, subscription: 's' }),
      lineItemId({ ...key, termStart: 1 }),
      lineItemId({ ...key, periodEnd: 7 * 86_400_000 }),
      lineItemId({ ...key, periodEnd: 14 * 86_400_000 }),
    ];
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('gives a customer that is its own subject the ids that it had when money was by subject', () => {
    // Written by the release before, for the subject cus_42.
    const of = {
      ...{ tenant: 'acme', customer: 'cus_42', subscription: '', subject: '', price: 'input', revision: 0 },
      ...{
        periodStart: Date.UTC(2026, 10, 1),
        periodEnd: Date.UTC(2026, 11, 1),
        termStart: Date.UTC(2026, 10, 1),
        windowStart: Date.UTC(2026, 10, 20, 10),
      },
    };
    expect([lineItemId(of), ledgerTransactionId(of)]).toEqual([
      '1add1ed9-0d22-8cc1-89fd-16f300d25492',
      '46e881e0-19ab-8cc2-b312-92b69884096f',
    ]);
  });
});
