// What a catalog says of price books and of prices by them: how it is kept and told, and what is
// refused with which words.
import { describe, expect, it } from '@jest/globals';
import { diffCatalogs, formatChange } from '../../catalog/catalog-diff.ts';
import { formatCatalogError, readCatalog } from '../../catalog/catalog-file.ts';
import { catalogForm } from '../../catalog/catalog-form.ts';
import { partsOf } from '../parts.ts';

const by = { model: 'data.m', provider: 'data.p', tier: 'data.t' };
const large = { model: 'm-large', provider: 'acme', rates: { input: '3', output: '15.0' } };
const book = { slug: 'public', per: '1000000', models: [large] };
const price = { slug: 'tokens', model: 'price_book', books: ['public'], meters: { input: 'in', output: 'out' } };

interface Said {
  readonly books?: readonly object[];
  readonly price?: object;
}

const fileOf = ({ books = [book], price: own = price }: Said) => ({
  currency: 'USD',
  meters: [
    { slug: 'in', eventType: 'e', aggregation: 'sum', value: 'data.i', groupBy: by },
    { slug: 'out', eventType: 'e', aggregation: 'sum', value: 'data.o', groupBy: by },
    { slug: 'peak', eventType: 'e', aggregation: 'max', value: 'data.o', groupBy: by },
    { slug: 'plain', eventType: 'e', aggregation: 'count' },
  ],
  priceBooks: books,
  plans: [{ slug: 'p', prices: [own] }],
});

function read(said: Said) {
  const reading = readCatalog(JSON.stringify(fileOf(said)), 'f');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog;
}

function faultsOf(said: Said): string[] {
  const reading = readCatalog(JSON.stringify(fileOf(said)), 'f');
  return reading.ok ? [] : reading.errors.map((error) => formatCatalogError(error).replace(/^f:\d+:\d+ /, ''));
}

const withModel = (more: object): Said => ({ books: [{ ...book, models: [{ ...large, ...more }] }] });
const withPrice = (more: object): Said => ({ price: { ...price, ...more } });

describe('prices by price books', () => {
  it('are kept whole, with the cells that the books come to', () => {
    expect(read({}).plans[0]!.prices).toEqual([
      {
        ...price,
        match: {},
        dimensions: { model: 'model' },
        cells: [{ values: ['m-large'], rates: { input: '0.000003', output: '0.000015' } }],
      },
    ]);
  });

  it('are a matrix for each bucket, with what is around the price', () => {
    const discounts = [{ rate: '0.1' }];
    const [said] = read(withPrice({ discounts, per: 'subject', match: { tier: 'x' } })).plans[0]!.prices;
    const shared = { match: { tier: 'x' }, per: 'subject', discounts, model: 'matrix', dimensions: ['model'] };
    expect(partsOf(said!)).toEqual([
      {
        ...shared,
        slug: 'tokens/input',
        meter: 'in',
        cells: [{ values: ['m-large'], model: 'per_unit', unitAmount: '0.000003' }],
      },
      {
        ...shared,
        slug: 'tokens/output',
        meter: 'out',
        cells: [{ values: ['m-large'], model: 'per_unit', unitAmount: '0.000015' }],
      },
    ]);
  });

  it('are told without cells, and are the same again', () => {
    const catalog = read(
      withPrice({
        markup: [{ factor: '1.2', provider: 'acme' }],
        dimensions: { model: 'model', provider: 'provider' },
      }),
    );
    const form = catalogForm(catalog) as { readonly plans: readonly { readonly prices: readonly object[] }[] };
    expect(form.plans[0]!.prices[0]).not.toHaveProperty('cells');
    const again = readCatalog(JSON.stringify(form), 'f');
    expect(again.ok && again.catalog).toEqual(catalog);
  });

  it('differ cell by cell, beside the book that changed', () => {
    const before = read({});
    const now = read(withModel({ rates: { input: '2', output: '15' } }));
    expect(diffCatalogs(before, now, [before]).changes.map(formatChange)).toEqual([
      '~ price book public, model acme/m-large: input 3 -> 2',
      '~ plan p, price tokens: cell [m-large] input 0.000003 output 0.000015 -> input 0.000002 output 0.000015',
    ]);
    const without = read({ books: [book, { ...book, slug: 'other' }] });
    expect(diffCatalogs(before, without, [before]).changes.map(formatChange)).toEqual([
      '+ price book other: source none, readAt none, per 1000000',
      '+ price book other, model acme/m-large: input 3, output 15',
    ]);
  });

  const twoOfOneName = { ...book, models: [large, { ...large, provider: 'other' }] };
  it.each<[string, Said, string]>([
    ['no model', { books: [{ ...book, models: [] }] }, 'priceBooks[0].models: needs at least one model'],
    [
      'a number for a rate',
      withModel({ rates: { input: 3 } }),
      'priceBooks[0].models[0].rates.input: must be a decimal string, got number 3 (quote it)',
    ],
    [
      'a rate below zero',
      withModel({ rates: { input: '-3' } }),
      'priceBooks[0].models[0].rates.input: must not be below zero, got "-3"',
    ],
    [
      'a bucket that there is not',
      withModel({ rates: { input: '3', output: '1', inputs: '3' } }),
      'priceBooks[0].models[0].rates.inputs: unknown key; known here: input, cache_read',
    ],
    ['a pattern for a name', withModel({ model: 'm-*' }), 'priceBooks[0].models[0].model: names no pattern'],
    [
      'a name twice',
      { books: [{ ...book, models: [large, { ...large, model: 'x', aliases: ['m-large'] }] }] },
      'priceBooks[0].models[1]: "m-large" of the same provider is model 0 already',
    ],
    [
      'a day that there is not',
      { books: [{ ...book, readAt: '2026-02-30' }] },
      'priceBooks[0].readAt: must be a day such as 2026-11-20',
    ],
    [
      'a rate in a circle',
      { books: [{ ...book, sameAs: { input: 'output', output: 'reasoning' } }] },
      'priceBooks[0].sameAs.input: output has its rate from another bucket itself',
    ],
    [
      'no such book',
      withPrice({ books: ['none'] }),
      'plans[0].prices[0].books[0]: there is no price book "none" in this catalog',
    ],
    [
      'no such meter',
      withPrice({ meters: { input: 'none' } }),
      'plans[0].prices[0].meters.input: there is no meter "none" in this catalog',
    ],
    [
      'a meter for two buckets',
      withPrice({ meters: { input: 'in', output: 'in' } }),
      'plans[0].prices[0].meters.output: counts input already',
    ],
    [
      'a meter of a level',
      withPrice({ meters: { input: 'peak' } }),
      'plans[0].prices[0].meters.input: a bucket is of a sum or a count, and peak is a max',
    ],
    [
      'a meter that can not tell models',
      withPrice({ meters: { input: 'plain' } }),
      'plans[0].prices[0].dimensions: model is not in groupBy of meter "plain": it has none',
    ],
    [
      'a bucket without a rate',
      withPrice({ meters: { input: 'in', reasoning: 'out' } }),
      'plans[0].prices[0].meters: has reasoning, of which no model of these books has a rate',
    ],
    [
      'two models of one name',
      { books: [twoOfOneName] },
      'plans[0].prices[0].books: acme/m-large and other/m-large of book public have one name, m-large, and no dimension tells them apart',
    ],
    [
      'a context that is not told',
      withModel({ contexts: { long: { input: '6' } } }),
      'plans[0].prices[0].books: acme/m-large of book public has rates by context, and no dimension says which',
    ],
    [
      'a service that is not told',
      { books: [{ ...book, services: { batch: '0.5' } }] },
      'plans[0].prices[0].books: acme/m-large of book public has rates by service, and no dimension says which',
    ],
    [
      'a rule of no model',
      withPrice({ markup: [{ factor: '2', family: 'x' }] }),
      'plans[0].prices[0].markup: rule 1 by precedence (markup family x) is of no model of these books',
    ],
    [
      'two rules of the same',
      withPrice({ markup: [{ factor: '2' }, { factor: '3' }] }),
      'plans[0].prices[0].markup[1]: is of the same models as a rule before it',
    ],
    ['free units', withPrice({ included: { units: '5' } }), 'plans[0].prices[0].included: unknown key'],
    [
      'a discount of units',
      withPrice({ discounts: [{ units: '5' }] }),
      'plans[0].prices[0].discounts: of units or of an amount are of one quantity',
    ],
    [
      'a dimension in match',
      withPrice({ match: { model: 'm' } }),
      'plans[0].prices[0].dimensions: model is in match too',
    ],
  ])('refuses %s', (_, said, message) => {
    const faults = faultsOf(said);
    expect(faults).toHaveLength(1);
    expect(faults[0]!.slice(0, message.length)).toBe(message);
  });

  it('charge the usual rates where context and service are ignored', () => {
    const said = {
      books: [{ ...book, services: { batch: '0.5' }, models: [{ ...large, contexts: { long: { input: '6' } } }] }],
    };
    const { plans } = read({ ...said, ...withPrice({ ignore: ['service', 'context'] }) });
    expect(plans[0]!.prices[0]).toMatchObject({
      ignore: ['context', 'service'],
      cells: [{ values: ['m-large'], rates: { input: '0.000003', output: '0.000015' } }],
    });
  });
});
