import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { formatRfc3339, parseRfc3339 } from './rfc3339.ts';

describe('parseRfc3339', () => {
  it.each([
    ['2026-11-01T00:00:00Z', Date.UTC(2026, 10, 1)],
    ['2026-11-01t00:00:00z', Date.UTC(2026, 10, 1)],
    ['2026-11-01T00:00:00.5Z', Date.UTC(2026, 10, 1) + 500],
    ['2026-11-01T00:00:00.123000000Z', Date.UTC(2026, 10, 1) + 123],
    ['2026-11-01T05:30:00+05:30', Date.UTC(2026, 10, 1)],
    ['2026-10-31T19:00:00-05:00', Date.UTC(2026, 10, 1)],
    ['2024-02-29T23:59:59Z', Date.UTC(2024, 1, 29, 23, 59, 59)],
    ['0001-01-01T00:00:00Z', new Date('0001-01-01T00:00:00Z').getTime()],
  ])('reads %s', (text, instant) => {
    expect(parseRfc3339(text)).toBe(instant);
  });

  it.each([
    '2026-11-01',
    '2026-11-01T00:00:00',
    '2026-11-01 00:00:00Z',
    '2026-11-01T00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-00-01T00:00:00Z',
    '2026-11-31T00:00:00Z',
    '2026-11-00T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2026-11-01T24:00:00Z',
    '2026-11-01T00:60:00Z',
    '2026-12-31T23:59:60Z',
    '2026-11-01T00:00:00+24:00',
    '2026-11-01T00:00:00+05:60',
    '2026-11-01T00:00:00.Z',
    '2026-11-01T00:00:00.0001Z',
    '26-11-01T00:00:00Z',
    '1793491200000',
    '',
    // In UTC these are the years 10000 and -1, which the text of no time can say again.
    '9999-12-31T23:00:00-01:00',
    '0000-01-01T00:30:00+01:00',
  ])('refuses %j', (text) => {
    expect(parseRfc3339(text)).toBeNull();
  });

  it('reads what formatRfc3339 writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (instant) => {
        expect(parseRfc3339(formatRfc3339(instant))).toBe(instant);
      }),
    );
  });
});
