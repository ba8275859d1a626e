import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { aMeter, by } from '../../test/support/a-meter.ts';
import type { Catalog, Meter, Plan, Price } from './catalog.ts';
import { diffCatalogs, formatChange, formatRefusal } from './catalog-diff.ts';
import { readCatalog } from './catalog-file.ts';

const meter: Meter = aMeter('tokens', { eventType: 'llm', valuePath: ['n'], dimensions: by('model') });
const price: Price = { slug: 'a', meter: 'tokens', match: { model: 'm' }, model: 'per_unit', unitAmount: '0.1' };
const plan: Plan = { slug: 'p', calendar: true, timezone: 'UTC', prices: [price] };
const catalog: Catalog = {
  currency: 'USD',
  meters: [meter],
  plans: [plan],
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
        '+ plan p: calendar true, timezone UTC, afterEnd none, trialUsage charged',
        '+ plan p, price a: model per_unit, meter tokens, match {model: "m"}, per customer, every 1 month, onChange by model, unitAmount 0.1',
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
    ['a plan removed', { plans: [] }, ['- plan p']],
    [
      'what a price of usage chooses about time',
      { plans: [{ ...plan, prices: [{ ...price, every: { months: 3 }, onChange: 'restart' }] }] },
      ['~ plan p, price a: every 1 month -> 3 months, onChange by model -> restart'],
    ],
    [
      'what a plan says of its ends, trials and grids',
      { plans: [{ ...plan, calendar: false, timezone: 'Europe/Berlin', afterEnd: 'default', trialUsage: 'free' }] },
      [
        '~ plan p: calendar true -> false, timezone UTC -> Europe/Berlin, afterEnd none -> default, trialUsage charged -> free',
      ],
    ],
    ['a meter removed', { meters: [] }, ['- meter tokens']],
    ['required', { meters: [{ ...meter, required: true }] }, ['~ meter tokens: required false -> true']],
    ['the default plan', { defaultPlan: 'p' }, ['~ defaultPlan: none -> p']],
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

  it('tells what is read otherwise of events, wherever a dimension stands in the file', () => {
    const read: Meter = { ...meter, valuePath: ['m'], dimensions: [...meter.dimensions, ...by('area')] };
    expect(diff({ meters: [read] })).toEqual({
      changes: [
        '~ meter tokens: value data.n -> data.m, groupBy {model: data.model} -> {area: data.area, model: data.model}',
      ],
      refusals: [],
    });
    const sorted = { ...read, dimensions: read.dimensions.toReversed() };
    expect(diff({ meters: [sorted] }, { ...catalog, meters: [read] }).changes).toEqual([]);
  });

  it('refuses a price whose slug meant another meter or a fee, in any plan and also after its removal', () => {
    const calls = aMeter('calls', { eventType: 'llm', aggregation: 'count', valuePath: null });
    const fee: Price = { slug: 'a', model: 'flat', flatAmount: '1' };
    const ofCalls: Price = { slug: 'a', meter: 'calls', match: {}, model: 'per_unit', unitAmount: '1' };
    const refusalsOf = (changed: Price, before: Catalog, history: readonly Catalog[]) =>
      diff({ meters: [meter, calls], plans: [{ ...plan, slug: 'q', prices: [changed] }] }, before, history).refusals;
    const without = { ...catalog, plans: [] };
    const asBefore = 'it is of meter "tokens" in plan p, and a slug means the same in every plan and for ever';
    expect(refusalsOf(fee, catalog, [catalog])).toEqual([expect.stringContaining(`can't be a fee: ${asBefore}`)]);
    expect(refusalsOf(fee, without, [catalog, without])).toHaveLength(1);
    expect(refusalsOf(ofCalls, without, [catalog, without])).toEqual([
      expect.stringContaining(`plan q, price a: can't be of meter "calls": ${asBefore}`),
    ]);
    expect(refusalsOf({ ...ofCalls, slug: 'b' }, without, [catalog, without])).toEqual([]);
    expect(refusalsOf(price, without, [catalog, without])).toEqual([]);
  });

  it('tells what a fee chooses about time, and all of it where the fee is new', () => {
    const fee: Price = { slug: 'fee', model: 'flat', flatAmount: '5' };
    const withFee = (changed: Price) => ({ ...catalog, plans: [{ ...plan, prices: [changed] }] });
    expect(diff(withFee(fee)).changes).toContain(
      '+ plan p, price fee: model flat, every 1 month, charge in_advance, proration second, giveBack true, quantity once, flatAmount 5',
    );
    const chosen: Price = {
      ...fee,
      ...{ every: { years: 1 }, charge: 'in_arrears', proration: 'day', quantity: 'seats' },
    };
    expect(diff(withFee(chosen), withFee(fee)).changes).toEqual([
      '~ plan p, price fee: every 1 month -> 1 year, charge in_advance -> in_arrears, proration second -> day, giveBack true -> none, quantity once -> seats',
    ]);
    expect(diff(withFee({ ...fee, giveBack: false }), withFee(fee)).changes).toEqual([
      '~ plan p, price fee: giveBack true -> false',
    ]);
  });

  // As an earlier release stored it.
  it('finds no change in a stored catalog that says more than one says by now', () => {
    const stored = {
      ...catalog,
      plans: [{ ...plan, billingPeriod: 'month' }],
      subscriptions: [{ subject: 's', plan: 'p', startsAt: 0, tenant: null }],
    };
    expect(diff({}, stored, [stored])).toEqual({ changes: [], refusals: [] });
  });

  it('refuses another currency', () => {
    expect(diff({ currency: 'EUR' }).refusals).toEqual([
      expect.stringContaining("currency: is USD and can't become EUR"),
    ]);
  });
});
