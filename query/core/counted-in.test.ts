import { describe, expect, it } from '@jest/globals';
import { type Catalog, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { catalogVersionAt } from '../../domain/sealing/chunk-catalog.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { type Counted, countedIn, isPriceOf } from './counted-in.ts';

const newest = ruleSet(NEWEST_RULE_SET);
const HOUR_MS = 3_600_000;
const TEN = Date.UTC(2026, 10, 20, 10);

const meter = (slug: string, more: Partial<Meter> = {}): Meter => aMeter(slug, { dimensions: by('model'), ...more });

const catalog: Catalog = {
  ...emptyCatalog,
  meters: [
    meter('input_tokens'),
    meter('cached_tokens'),
    meter('requests', { aggregation: 'count', valuePath: null, dimensions: [], window: '1m' }),
    meter('users', { aggregation: 'unique', valuePath: ['user'], dimensions: [], window: '1d' }),
    meter('images', { eventType: 'image' }),
  ],
};

const event = (data: string) => ({ tenant: 'acme', type: 'llm.completion', eventTime: TEN + 62_500, data });

describe('where an event was counted', () => {
  it('names the window and quantity of each meter that found its value', () => {
    const text = '{"model":"m-large","input_tokens":"0.000000000001","user":"u1"}';
    const { counted } = countedIn(event(text), catalog, newest, []);
    expect(counted).toEqual([
      {
        ...{ meter: 'input_tokens', windowStart: TEN, windowEnd: TEN + HOUR_MS, quantity: '0.000000000001' },
        groups: new Map([['model', 'm-large']]),
      },
      {
        ...{ meter: 'requests', windowStart: TEN + 60_000, windowEnd: TEN + 120_000, quantity: '1' },
        groups: new Map(),
      },
      {
        ...{ meter: 'users', windowStart: Date.UTC(2026, 10, 20), windowEnd: Date.UTC(2026, 10, 21), quantity: '1' },
        groups: new Map(),
      },
    ]);
  });

  it('is nowhere for a type that no meter of that version counts', () => {
    expect(countedIn({ ...event('{}'), type: 'other' }, catalog, newest, [])).toEqual({ counted: [], unread: [] });
    expect(countedIn(event('{}'), emptyCatalog, newest, [])).toEqual({ counted: [], unread: [] });
  });

  it('says so when the catalog can’t be the one that accepted it', () => {
    const many = event('{"input_tokens":"many"}');
    expect(() => countedIn(many, catalog, ruleSet(1), [])).toThrow(/data.input_tokens must be a decimal/);
  });

  it('names the meters that could not read it', () => {
    const { counted, unread } = countedIn(event('{"input_tokens":"many"}'), catalog, newest, []);
    expect(counted.map(({ meter }) => meter)).toEqual(['requests']);
    expect(unread).toEqual([
      { meter: 'input_tokens', code: 'invalid_value', reason: expect.stringContaining('data.input_tokens must be') },
    ]);
  });
});

describe('the catalog version at an offset', () => {
  const changes = [
    { offset: 20, version: 2 },
    { offset: 30, version: 4 },
  ];
  it.each([
    [10, 1],
    [19, 1],
    [21, 2],
    [29, 2],
    [31, 4],
  ])('of a chunk with changes at 20 and 30: at %d it is %d', (offset, version) => {
    expect(catalogVersionAt({ versionBefore: 1, changes }, offset)).toBe(version);
  });

  it('is that of the chunk before where nothing changed', () => {
    expect(catalogVersionAt({ versionBefore: 3, changes: [] }, 10)).toBe(3);
  });
});

describe('a line item covers a counted event', () => {
  const counted: Counted = {
    meter: 'input_tokens',
    ...{ windowStart: TEN, windowEnd: TEN + HOUR_MS },
    quantity: '5',
    groups: new Map([
      ['model', 'm-large'],
      ['region', ''],
    ]),
  };
  const item = { meter: 'input_tokens', groups: {}, windowStart: TEN, windowEnd: TEN + HOUR_MS };

  it.each([
    ['without a match', item, true],
    ['with its group value', { ...item, groups: { model: 'm-large' } }, true],
    ['of a longer window around it', { ...item, windowStart: TEN - HOUR_MS }, true],
    ['but not another meter’s', { ...item, meter: 'output_tokens' }, false],
    ['but not another group’s', { ...item, groups: { model: 'm-small' } }, false],
    ['but not with one of two values wrong', { ...item, groups: { model: 'm-large', region: 'eu' } }, false],
    ['but not with a dimension it lacks', { ...item, groups: { toString: 'x' } }, false],
    ['but not the window after', { ...item, windowStart: TEN + HOUR_MS, windowEnd: TEN + 2 * HOUR_MS }, false],
    ['but not the window before', { ...item, windowStart: TEN - HOUR_MS, windowEnd: TEN }, false],
  ])('%s', (_, candidate, expected) => {
    expect(isPriceOf(candidate, counted)).toBe(expected);
  });
});
