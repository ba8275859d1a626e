import { describe, expect, it } from '@jest/globals';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { Problem } from '../../domain/problem.ts';
import type { QueryParameters } from '../../domain/requests/parameters.ts';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { orProblem } from '../../test/support/or-problem.ts';
import { FILTER_VALUES_MAX, parseUsageRequest, USAGE_ROWS_MAX, usageCursor } from './usage-request.ts';

const at = (text: string): number => parseRfc3339(text)!;
const now = at('2026-11-20T10:17:30Z');
const range = { from: '2026-11-20T00:00:00Z', to: '2026-11-21T00:00:00Z' };

const meter: Meter = aMeter('input_tokens', { dimensions: by('model', 'region') });

function fault(parameters: QueryParameters, of: Meter = meter): { code: string; message: string } {
  const outcome = orProblem(() => parseUsageRequest(parameters, of, now));
  if (outcome instanceof Problem) return { code: outcome.code, message: outcome.message };
  throw new Error(`accepted: ${JSON.stringify(parameters)}`);
}

describe('a usage request', () => {
  it('defaults to the meter’s window, UTC, and the end of the stored window that holds now', () => {
    const request = parseUsageRequest({ from: range.from }, meter, now);
    expect(request).toEqual({
      window: '1h',
      plan: expect.objectContaining({ from: at(range.from), to: at('2026-11-20T11:00:00Z') }),
      subjects: [],
      bySubject: false,
      groupBy: [],
      filters: [],
      emptyBuckets: false,
      rowsMax: USAGE_ROWS_MAX,
      isPage: false,
      after: null,
      ranking: null,
      selection: expect.anything(),
    });
  });

  it('is good for any order of the same subjects and filters, and its cursor too', () => {
    const request = (more: QueryParameters) => parseUsageRequest({ ...range, ...more }, meter, now);
    const first = request({ subject: ['a', 'b'], limit: '1' });
    const place = { bucketStart: at('2026-11-20T03:00:00Z'), subject: 'a', groups: [] };
    const second = request({ subject: ['b', 'a'], limit: '7', cursor: usageCursor(first, place) });
    expect([second.after, second.rowsMax, second.isPage]).toEqual([place, 7, true]);
  });

  it.each([
    [
      'inside windows',
      '2026-11-20T08:30:00Z',
      '2026-11-20T10:17:30.001Z',
      '2026-11-20T08:00:00Z',
      '2026-11-20T11:00:00Z',
    ],
    ['on boundaries', '2026-11-20T08:00:00Z', '2026-11-20T10:00:00Z', '2026-11-20T08:00:00Z', '2026-11-20T10:00:00Z'],
    [
      'within one window',
      '2026-11-20T08:30:00Z',
      '2026-11-20T08:31:00Z',
      '2026-11-20T08:00:00Z',
      '2026-11-20T09:00:00Z',
    ],
    [
      'at the end of time',
      '2105-12-31T23:30:00Z',
      '2106-01-01T00:00:00Z',
      '2105-12-31T23:00:00Z',
      '2106-01-01T00:00:00Z',
    ],
  ])('takes whole stored windows for a range %s', (_, from, to, first, last) => {
    const { plan } = parseUsageRequest({ from, to }, meter, now);
    expect([plan.from, plan.to]).toEqual([at(first), at(last)]);
  });

  it('reads repeated parameters, once each, and turns dimension names into positions', () => {
    const request = parseUsageRequest(
      {
        ...range,
        window: '1d',
        subject: ['cus_1', 'cus_2', 'cus_1'],
        groupBy: ['region', 'model', 'region'],
        'filter[region]': ['eu', 'us'],
        'filter[model]': "'; DROP TABLE usage_rollups --",
      },
      meter,
      now,
    );
    expect(request.subjects).toEqual(['cus_1', 'cus_2']);
    expect(request.bySubject).toBe(true);
    expect(request.groupBy).toEqual([0, 1]);
    expect(request.filters).toEqual([
      { dimension: 1, values: ['eu', 'us'] },
      { dimension: 0, values: ["'; DROP TABLE usage_rollups --"] },
    ]);
  });

  it('groups by subject without a filter on one', () => {
    const request = parseUsageRequest({ ...range, groupBy: 'subject' }, meter, now);
    expect([request.bySubject, request.subjects, request.groupBy]).toEqual([true, [], []]);
  });

  it('takes digits below the millisecond, which some clients always write', () => {
    const from = '2026-11-20T10:00:00.123456Z';
    expect(parseUsageRequest({ ...range, from }, meter, now)).toEqual(
      parseUsageRequest({ ...range, from: '2026-11-20T10:00:00.123Z' }, meter, now),
    );
  });

  it.each<[string, QueryParameters, string, RegExp]>([
    ['no from', { to: range.to }, 'invalid_parameter', /^from: required/],
    [
      'a time that ends nowhere',
      { ...range, from: '2026-11-20T00:00:00.1234567890123Z' },
      'invalid_parameter',
      /^from/,
    ],
    ['a date alone', { ...range, from: '2026-11-20' }, 'invalid_parameter', /^from: "2026-11-20" is no RFC 3339/],
    ['a plus sent as a space', { ...range, from: '2026-11-20T00:00:00 01:00' }, 'invalid_parameter', /%2B/],
    ['from twice', { ...range, from: [range.from, range.from] }, 'invalid_parameter', /^from: given more than once/],
    ['an empty range', { from: range.from, to: range.from }, 'conflicting_parameters', /not before to/],
    ['a time before 1970', { ...range, from: '1969-12-31T00:00:00Z' }, 'invalid_parameter', /1970/],
    [
      'a strict range inside a window',
      { ...range, to: '2026-11-20T10:20:00Z', strict: 'true' },
      'range_misaligned',
      /T10:00:00Z or .*T11:00:00Z/,
    ],
    [
      'an unknown window',
      { ...range, window: '5m' },
      'invalid_parameter',
      /^window: "5m" is none of 1m, 15m, 1h, 1d, 1mo/,
    ],
    ['a window below the meter’s', { ...range, window: '15m' }, 'window_too_small', /windows of 1h; 15m is smaller/],
    ['a flag that is none', { ...range, strict: '1' }, 'invalid_parameter', /^strict: "1" is neither true nor false/],
    ['an unknown zone', { ...range, timezone: 'Mars/Olympus' }, 'invalid_parameter', /^timezone: "Mars\/Olympus"/],
    ['an offset for a zone', { ...range, timezone: '+01:00' }, 'invalid_parameter', /^timezone/],
    ['an empty zone', { ...range, timezone: '' }, 'invalid_parameter', /^timezone/],
    [
      'a zone that cuts windows',
      { ...range, window: '1d', timezone: 'Asia/Kolkata' },
      'timezone_misaligned',
      /T18:30:00Z/,
    ],
    [
      'an unknown group',
      { ...range, groupBy: 'color' },
      'unknown_dimension',
      /^groupBy: .*"color".* has: model, region/,
    ],
    ['SQL for a group', { ...range, groupBy: 'model) FROM x --' }, 'unknown_dimension', /^groupBy/],
    [
      'an unknown filter',
      { ...range, 'filter[color]': 'red' },
      'unknown_dimension',
      /^filter\[color\]: .* model, region/,
    ],
    ['a filter on subject', { ...range, 'filter[subject]': 'a' }, 'unknown_dimension', /^filter\[subject\]/],
    ['a filter named by Object', { ...range, 'filter[constructor]': 'a' }, 'unknown_dimension', /constructor/],
    [
      'a misspelt parameter',
      { ...range, groupby: 'model' },
      'invalid_parameter',
      /^"groupby": unknown parameter; known are from/,
    ],
    [
      'too many values',
      { ...range, subject: Array.from({ length: FILTER_VALUES_MAX + 1 }, (_, i) => `cus_${i}`) },
      'conflicting_parameters',
      /more than 200 values/,
    ],
  ])('refuses %s', (_, parameters, code, message) => {
    expect(fault(parameters)).toEqual({ code, message: expect.stringMatching(message) });
  });

  it('refuses a zone for a meter of whole days that UTC can answer', () => {
    const daily: Meter = { ...meter, window: '1d' };
    const parameters = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z', window: '1mo' };
    expect(() => parseUsageRequest(parameters, daily, now)).not.toThrow();
    expect(fault({ ...parameters, window: '1d', timezone: 'Europe/Berlin' }, daily).code).toBe('timezone_misaligned');
  });

  it('says so when a meter has no dimensions', () => {
    expect(fault({ ...range, groupBy: 'model' }, { ...meter, dimensions: [] }).message).toMatch(/has no dimensions/);
  });
});
