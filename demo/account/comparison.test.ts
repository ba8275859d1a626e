import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import type { SendResult } from '../sender.ts';
import { compare, formatTable, type Observed, percentile } from './comparison.ts';
import { Oracle, scaled, usageKey } from './oracle.ts';
import { MONEY_SCALE } from './oracle-money.ts';

const windowStart = Date.parse('2026-11-20T10:00:00Z');
const windowEnd = windowStart + 3_600_000;
const LATENESS_MS = 2_000;
const catalog: Catalog = {
  currency: 'USD',
  meters: [
    {
      slug: 'tokens',
      eventType: 'call',
      aggregation: 'sum',
      valuePath: ['tokens'],
      required: false,
      dimensions: [{ name: 'model', path: ['model'] }],
      window: '1h',
    },
  ],
  plans: [
    {
      slug: 'p',
      calendar: true,
      timezone: 'UTC',
      prices: [{ slug: 'all', meter: 'tokens', match: {}, model: 'per_unit', unitAmount: '0.01' }],
    },
  ],
  defaultPlan: 'p',
};

let oracle: Oracle;
beforeEach(() => {
  oracle = new Oracle(catalog);
  const event = { id: '1', source: '', type: 'call', subject: 'a', time: windowStart, data: { model: 'm', tokens: 7 } };
  oracle.record('accepted', event);
  oracle.record('duplicate', null);
});

const sent: SendResult = {
  sent: 2,
  acknowledged: 2,
  rejectedByCode: new Map(),
  surprises: [],
  surpriseCount: 0,
  resent: 0,
  deferred: 0,
};
const right: Observed = {
  outcomes: { accepted: 1n, duplicate: 1n, conflict: 0n, tooLate: 0n, poison: 0n },
  totals: new Map([['tokens', new Map([[usageKey(['m']), scaled('7', 12)]])]]),
  windows: new Map([['tokens', new Map([[usageKey([String(windowStart), 'm']), scaled('7', 12)]])]]),
  bills: new Map([['p', new Map([['a', scaled('0.07', MONEY_SCALE)]])]]),
  lineItems: { usage: 1, adjustment: 0 },
  ratedWatermark: windowEnd + LATENESS_MS,
};
const wrongRows = (observed: Observed, result = sent): string[] =>
  compare(oracle, result, observed, LATENESS_MS)
    .filter(({ agrees }) => !agrees)
    .map(({ what, difference }) => `${what}: ${difference}`);

describe('comparison', () => {
  it('agrees when everything is the same', () => expect(wrongRows(right)).toEqual([]));

  it.each<[string, Observed, string[]]>([
    ['a lost event', { ...right, outcomes: { ...right.outcomes, accepted: 0n } }, ['accepted: -1']],
    ['a lost window', { ...right, windows: new Map() }, ['windows of usage that differ: +1']],
    [
      'usage nobody sent',
      { ...right, totals: new Map([...right.totals, ['tokens', new Map([['["x"]', 1n]])]]) },
      ['tokens m: -7', 'tokens x: +0.000000000001'],
    ],
    [
      'money out by the smallest part',
      { ...right, bills: new Map([['p', new Map([['a', scaled('0.07', MONEY_SCALE) + 1n]])]]) },
      [`plan p, USD: +${`0.${'0'.repeat(MONEY_SCALE - 1)}1`}`, 'customers whose bill differs: +1'],
    ],
    [
      'the right sum on the wrong customer',
      { ...right, bills: new Map([['p', new Map([['b', scaled('0.07', MONEY_SCALE)]])]]) },
      ['customers whose bill differs: +2'],
    ],
    [
      'money for an open window',
      { ...right, ratedWatermark: windowEnd + LATENESS_MS - 1 },
      ['plan p, USD: +0.07', 'customers whose bill differs: +1'],
    ],
  ])('tells %s', (_name, observed, rows) => expect(wrongRows(observed)).toEqual(rows));

  it('lets a repeated request be a duplicate more, never an acceptance more or a duplicate less', () => {
    const outcomes = { ...right.outcomes, duplicate: 2n };
    expect(wrongRows({ ...right, outcomes })).toEqual(['duplicate: +1']);
    expect(wrongRows({ ...right, outcomes }, { ...sent, resent: 1 })).toEqual([]);
    expect(wrongRows({ ...right, outcomes: { ...outcomes, duplicate: 0n } }, { ...sent, resent: 1 })).toEqual([
      'duplicate: -1',
    ]);
  });

  it('prints numbers to the right and marks what differs', () => {
    const rows = compare(oracle, sent, { ...right, outcomes: { ...right.outcomes, accepted: 12_345n } }, LATENESS_MS);
    const lines = formatTable(rows).split('\n');
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines.find((line) => line.includes('accepted'))).toMatch(/^✗ accepted .* 12,345 +1 +\+12,344$/);
  });
});

describe('percentile', () => {
  it('is the nearest rank', () => {
    const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([percentile(samples, 0.5), percentile(samples, 0.99), percentile([], 0.5)]).toEqual([50, 99, null]);
  });
});
