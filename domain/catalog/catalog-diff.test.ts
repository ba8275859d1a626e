import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { aMeter, by } from '../../test/support/a-meter.ts';
import type { Catalog, Meter, Plan, Price } from './catalog.ts';
import { diffCatalogs, formatChange, formatRefusal } from './catalog-diff.ts';
import { readCatalog } from './catalog-file.ts';

const meter: Meter = aMeter('tokens', { eventType: 'llm', valuePath: ['n'], dimensions: by('model') });
const price: Price = { slug: 'a', meter: 'tokens', match: { model: 'm' }, model: 'per_unit', unitAmount: '0.1' };
const plan: Plan = { slug: 'p', billingPeriod: 'month', calendar: true, timezone: 'UTC', prices: [price] };
const catalog: Catalog = {
  currency: 'USD',
  meters: [meter],
  plans: [plan],
  subscriptions: [{ subject: 's', plan: 'p', startsAt: Date.UTC(2026, 10, 1), tenant: null }],
  defaultPlan: null,
};

const diff = (after: Partial<Catalog>, before: Catalog | null = catalog, history: readonly Catalog[] = []) => {
  const { changes, refusals } = diffCatalogs(before, { ...catalog, ...after }, history);
  return { changes: changes.map(formatChange), refusals: refusals.map(formatRefusal) };
};
const withPrice = (changed: Price) => diff({ plans: [{ ...plan, prices: [changed] }] });

describe('diffCatalogs', () => {
  it('finds no change in a catalog that says the same, also after JSON', () => {
    expect(diffCatalogs(catalog, JSON.parse(JSON.stringify(catalog)), [catalog])).toEqual({
      changes: [],
      refusals: [],
    });
    const reading = readCatalog(readFileSync('deploy/catalogs/ai-api.yaml', 'utf8'), 'ai-api.yaml');
    if (!reading.ok) throw new Error('the sample is broken');
    expect(diffCatalogs(reading.catalog, JSON.parse(JSON.stringify(reading.catalog)), []).changes).toEqual([]);
  });

  it('lists everything of a first catalog, in any currency', () => {
    expect(diff({ currency: 'EUR' }, null)).toEqual({
      changes: [
        '+ meter tokens: eventType llm, aggregation sum, value data.n, groupBy {model: data.model}, window 1h, lineItems 1h, required false, precision rounded, unreadable refuse, across sum',
        '+ plan p: billingPeriod month, calendar true, timezone UTC',
        '+ plan p, price a: model per_unit, meter tokens, match {model: "m"}, per customer, unitAmount 0.1',
        '+ subscription of s from 2026-11-01T00:00:00Z: plan p',
      ],
      refusals: [],
    });
  });

  it.each<[string, Partial<Catalog>, string[]]>([
    [
      'an amount',
      { plans: [{ ...plan, prices: [{ ...price, unitAmount: '0.2' } as Price] }] },
      ['~ plan p, price a: unitAmount 0.1 -> 0.2'],
    ],
    [
      'a match',
      { plans: [{ ...plan, prices: [{ ...price, match: {} } as Price] }] },
      ['~ plan p, price a: match {model: "m"} -> {}'],
    ],
    ['a price removed', { plans: [{ ...plan, prices: [] }] }, ['- plan p, price a']],
    [
      'a plan and its subscription removed',
      { plans: [], subscriptions: [] },
      ['- plan p', '- subscription of s from 2026-11-01T00:00:00Z'],
    ],
    ['a meter removed', { meters: [] }, ['- meter tokens']],
    ['required', { meters: [{ ...meter, required: true }] }, ['~ meter tokens: required false -> true']],
    ['the default plan', { defaultPlan: 'p' }, ['~ defaultPlan: none -> p']],
    [
      'a subscription of one tenant beside the one of all',
      {
        subscriptions: [
          ...catalog.subscriptions,
          { subject: 's', plan: 'p', startsAt: Date.UTC(2026, 10, 1), tenant: 't' },
        ],
      },
      ['+ subscription of s (tenant t) from 2026-11-01T00:00:00Z: plan p'],
    ],
  ])('tells a change of %s', (_, after, changes) => {
    expect(diff(after)).toEqual({ changes, refusals: [] });
  });

  it('tells how subjects are put together, which may change', () => {
    const latest: Meter = { ...meter, aggregation: 'latest' };
    const before = { ...catalog, meters: [latest] };
    expect(diff({ meters: [{ ...latest, across: 'max' }] }, before)).toEqual({
      changes: ['~ meter tokens: across sum -> max'],
      refusals: [],
    });
  });

  it('tells a change of the model with all its terms', () => {
    const tiers = [
      { upTo: '10', unitAmount: '1', flatAmount: '0' },
      { upTo: null, unitAmount: '0.5', flatAmount: '3' },
    ];
    expect(withPrice({ slug: 'a', meter: 'tokens', match: { model: 'm' }, model: 'graduated', tiers }).changes).toEqual(
      [
        '~ plan p, price a: model per_unit -> graduated, unitAmount 0.1 -> none, tiers none -> [up to 10 1 a unit; above 0.5 a unit + 3]',
      ],
    );
  });

  it.each<[string, Partial<Meter>]>([
    ['eventType llm -> chat', { eventType: 'chat' }],
    ['aggregation sum -> max', { aggregation: 'max' }],
    ['value data.n -> data.m', { valuePath: ['m'] }],
    ['groupBy {model: data.model} -> {}', { dimensions: [] }],
    ['groupBy {model: data.model} -> {model: data.m}', { dimensions: [{ name: 'model', path: ['m'] }] }],
    [
      'where none -> {data.status: "ok", data.tier: {not: ["", "free"]}}',
      {
        where: [
          { path: ['status'], isNot: false, values: ['ok'] },
          { path: ['tier'], isNot: true, values: ['', 'free'] },
        ],
      },
    ],
    [
      'value data.n -> data.n - 0.5 * data["a.b"]',
      {
        valuePath: null,
        addends: [
          { path: ['n'], factor: '1' },
          { path: ['a.b'], factor: '-0.5' },
        ],
      },
    ],
    ['window 1h -> 1m, lineItems 1h -> 1m', { window: '1m' }],
    ['lineItems 1h -> 1d', { itemWidth: '1d' }],
  ])('refuses a meter that changes its meaning: %s', (what, changed) => {
    const { refusals } = diff({ meters: [{ ...meter, ...changed }] });
    expect(refusals).toEqual([expect.stringContaining(`meter tokens: can't change (${what})`)]);
  });

  // What a file means that says no window, or no width of line items, was something else in earlier releases.
  it.each<[string, Partial<Meter>, Partial<Meter>, string]>([
    ['an hour of before', { window: '1h' }, { window: '15m', itemWidth: '1h' }, 'write window: 1h'],
    ['a quarter of before', { window: '15m' }, { window: '15m', itemWidth: '1h' }, 'write lineItems: 15m'],
    ['a quarter where a day is written', { window: '15m' }, { window: '1d' }, 'write window: 15m and lineItems: 15m'],
    ['the default where a day is written', { window: '15m', itemWidth: '1h' }, { window: '1d' }, 'write window: 15m'],
    ['items of an hour', { window: '1m', itemWidth: '1h' }, { window: '1m' }, 'write lineItems: 1h'],
  ])('says how the widths of a meter are kept: %s', (_, before, after, told) => {
    const { refusals } = diff({ meters: [{ ...meter, ...after }] }, { ...catalog, meters: [{ ...meter, ...before }] });
    expect(refusals).toEqual([expect.stringMatching(new RegExp(`to keep the meter as it is, ${told}$`))]);
  });

  it('does not say so where more of the meter differs', () => {
    const { refusals } = diff({ meters: [{ ...meter, window: '15m', itemWidth: '1h', aggregation: 'max' }] });
    expect(refusals).toEqual([expect.stringMatching(/aggregation sum -> max.*a slug of its own$/)]);
  });

  it('remembers the meaning of a meter that was removed', () => {
    const without = { ...catalog, meters: [], plans: [], subscriptions: [] };
    expect(diff({}, without, [catalog, without])).toMatchObject({ refusals: [] });
    const { refusals } = diff({ meters: [{ ...meter, aggregation: 'max' }] }, without, [catalog, without]);
    expect(refusals).toHaveLength(1);
  });

  it('refuses other months for a plan, removed or not, and another currency', () => {
    expect(diff({ plans: [{ ...plan, timezone: 'Europe/Berlin' }] }).refusals).toEqual([
      expect.stringContaining("plan p: can't change (timezone UTC -> Europe/Berlin)"),
    ]);
    const without = { ...catalog, plans: [], subscriptions: [] };
    expect(diff({ plans: [{ ...plan, calendar: false }] }, without, [catalog, without]).refusals).toHaveLength(1);
    expect(diff({ currency: 'EUR' }).refusals).toEqual([
      expect.stringContaining("currency: is USD and can't become EUR"),
    ]);
  });
});
