import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeCursor, parseLineItemsRequest } from './line-item-page.ts';

const selection = { customer: null, subject: 'cus_42', from: null, to: null };
const cursor = encodeCursor(selection, { windowStart: 1_763_632_800_000, sequence: 42n });

describe('a line item page', () => {
  it('defaults to a thousand rows of everything', () => {
    expect(parseLineItemsRequest({})).toEqual({
      ...{ customer: null, subject: null, from: null, to: null },
      ...{ limit: 1_000, after: null },
    });
  });

  it('reads back any cursor it gave out', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.parse('0000-01-01T00:00:00Z'), max: Date.UTC(2106, 0, 1) }),
        fc.bigInt(0n, 10n ** 18n - 1n),
        (windowStart, sequence) => {
          const given = encodeCursor(selection, { windowStart, sequence });
          expect(parseLineItemsRequest({ subject: 'cus_42', cursor: given }).after).toEqual({ windowStart, sequence });
        },
      ),
    );
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['limit 0', { limit: '0' }, /^limit: "0" is no whole number from 1 to 10000/],
    ['limit 10001', { limit: '10001' }, /^limit/],
    ['limit 1e3', { limit: '1e3' }, /^limit/],
    ['a date alone', { from: '2026-11-20' }, /^from/],
    ['an empty range', { from: '2026-11-20T00:00:00Z', to: '2026-11-20T00:00:00Z' }, /not before to/],
    ['an unknown parameter', { client: 'a' }, /unknown parameter/],
    ['a made-up cursor', { cursor: 'abc' }, /not one that this API gave out/],
    ['an empty cursor', { cursor: '' }, /not one that this API gave out/],
    ['SQL for a cursor', { cursor: "' OR 1=1" }, /not one that this API gave out/],
    ['another subject’s cursor', { subject: 'cus_43', cursor }, /another customer, subject, from or to/],
    ['a cursor without its subject', { cursor }, /another customer, subject, from or to/],
  ])('refuses %s', (_, parameters, message) => {
    expect(() => parseLineItemsRequest(parameters)).toThrow(message);
  });
});
