// The JSON Schema is for editors; the reader decides. This keeps the two in step: starting from a catalog that both
// accept, every single change in the table is judged alike by both.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { formatCatalogError, readCatalog } from '../../domain/catalog/catalog-file.ts';
import { catalogSchemaText } from '../../domain/catalog/catalog-schema.ts';
import { projectFile } from '../../platform/process/project-root.ts';

// ajv comes with fastify and is CommonJS.
type Validate = ((value: unknown) => boolean) & { errors?: unknown };
const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as {
  Ajv2020: new (options: object) => { compile(schema: object): Validate };
};
const schema = JSON.parse(readFileSync(projectFile('schemas/catalog/catalog.schema.json'), 'utf8')) as object;
const validate = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(schema);

type Path = readonly (string | number)[];
const DELETED = Symbol('deleted');

const base = () => ({
  currency: 'USD',
  meters: [
    {
      slug: 'tokens',
      eventType: 'llm',
      aggregation: 'sum',
      value: 'data.n',
      required: false,
      groupBy: { model: 'data.model' },
      window: '1h',
    },
    { slug: 'calls', eventType: 'llm', aggregation: 'count' },
  ],
  plans: [
    {
      slug: 'p',
      afterEnd: 'none',
      trialUsage: 'charged',
      calendar: true,
      timezone: 'UTC',
      prices: [
        { slug: 'unit', meter: 'tokens', match: { model: 'm' }, model: 'per_unit', unitAmount: '0.1' },
        {
          slug: 'tiered',
          meter: 'tokens',
          model: 'graduated',
          tiers: [
            { upTo: '10', unitAmount: '1' },
            { upTo: null, unitAmount: '0.5', flatAmount: '2' },
          ],
        },
        { slug: 'volume', meter: 'calls', model: 'volume', tiers: [{ upTo: null, flatAmount: '2' }] },
        { slug: 'packs', meter: 'calls', model: 'package', packageSize: '100', packageAmount: '4.00' },
        { slug: 'fee', model: 'flat', flatAmount: '20', charge: 'in_advance', every: { months: 1 } },
        { slug: 'stairs', meter: 'calls', model: 'stairstep', tiers: [{ upTo: null, amount: '2' }] },
        {
          slug: 'packs-in-tiers',
          meter: 'calls',
          model: 'tiered_package',
          tiers: [{ upTo: null, packageSize: '100', packageAmount: '4.00' }],
        },
        { slug: 'share', meter: 'tokens', model: 'graduated_percentage', tiers: [{ upTo: null, rate: '0.02' }] },
        { slug: 'mark-up', meter: 'tokens', model: 'cost_plus', factor: '1.2' },
      ],
    },
  ],
  defaultPlan: 'p',
});

function changed(path: Path, value: unknown): unknown {
  const root = base() as unknown;
  let parent = root as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
  const key = path.at(-1)!;
  if (value === DELETED) delete parent[key];
  else Object.defineProperty(parent, key, { value, enumerable: true, configurable: true, writable: true });
  return root;
}

function judgements(catalog: unknown): { reader: string[]; schema: boolean } {
  const text = stringify(catalog, { aliasDuplicateObjects: false });
  const reading = readCatalog(text, 'p.yaml');
  return { reader: reading.ok ? [] : reading.errors.map(formatCatalogError), schema: validate(parse(text)) };
}

const meter = ['meters', 0] as const;
const plan = ['plans', 0] as const;
const price = (index: number) => [...plan, 'prices', index] as const;
/** The only tier of a price. */
const tierOf = (index: number) => [...price(index), 'tiers', 0] as const;
const tier = (index: number) => [...price(1), 'tiers', index] as const;

const valid: readonly (readonly [Path, unknown])[] = [
  [['defaultPlan'], DELETED],
  [['defaultPlan'], null],
  [[...meter, 'window'], '15m'],
  [[...meter, 'window'], DELETED],
  ...['1h', '1d'].map((size) => [[...meter, 'lineItems'], size] as const),
  ...['15m', '1h', '1d'].map((size) => [['meters', 1, 'lineItems'], size] as const),
  [['meters', 1], { slug: 'calls', eventType: 'llm', aggregation: 'count', window: '1m', lineItems: '1m' }],
  [[...meter, 'required'], true],
  [[...meter, 'aggregation'], 'unique'],
  [[...meter, 'across'], 'sum'],
  [['meters', 1, 'across'], 'sum'],
  [[...meter, 'value'], 'data.usage.input tokens'],
  [[...meter, 'value'], 'data.meta-data.in/out'],
  [[...meter, 'value'], 'data["gen_ai.usage.input_tokens"]'],
  [[...meter, 'value'], "data['a - b']['\\'']"],
  [[...meter, 'value'], 'data.items[*].n'],
  [[...meter, 'value'], 'data.items[-1]["a.b"]'],
  [[...meter, 'value'], 'data.input_tokens - 0.5 * data["a - b"] + data.items[*].n * 3'],
  [['meters', 0], { ...base().meters[0], aggregation: 'max', value: 'data.items[*].n' }],
  [['meters', 0], { ...base().meters[0], aggregation: 'max', value: 'data.a - data.b' }],
  [['meters', 0], { ...base().meters[0], aggregation: 'latest', value: '2 * data.a' }],
  [['meters', 0], { ...base().meters[0], aggregation: 'avg', value: 'data.a - data.b', across: 'pooled' }],
  ...['success', '', true, 200, -1, ['a', '', 7, false], { not: 'failed' }, { not: ['', 0] }].map(
    (value) => [[...meter, 'where'], { 'data.status': value, 'data.items[0]["a.b"]': 'x' }] as const,
  ),
  [['meters', 1, 'where'], { 'data.ok': true }],
  [[...meter, 'groupBy', 'model'], 'data.items[0]["a.b"]'],
  [['meters', 1, 'required'], false],
  [['meters', 1, 'groupBy'], {}],
  [[...plan, 'afterEnd'], DELETED],
  [[...plan, 'afterEnd'], 'default'],
  [[...plan, 'trialUsage'], 'free'],
  // The default plan has none.
  ...[{ amount: '500' }, { amount: '0.5', every: { years: 1 } }].map(
    (minimum) => [['plans', 1], { slug: 'least', afterEnd: 'none', minimum, prices: [] }] as const,
  ),
  [
    ['plans', 1],
    {
      ...{ slug: 'least', afterEnd: 'none' },
      prices: [{ slug: 'u', meter: 'tokens', model: 'per_unit', unitAmount: '1', minimum: '20' }],
    },
  ],
  ...[{ days: 1 }, { weeks: 522 }, { months: 120 }, { years: 10 }].flatMap((length) =>
    [0, 4].map((index) => [[...price(index), 'every'], length] as const),
  ),
  ...['carry', 'share', 'restart'].map((kind) => [[...price(0), 'onChange'], kind] as const),
  [[...price(4), 'charge'], 'in_arrears'],
  ...['second', 'day', 'none'].map((way) => [[...price(4), 'proration'], way] as const),
  ...[true, false].map((back) => [[...price(4), 'giveBack'], back] as const),
  [[...price(4), 'quantity'], 'seats'],
  [[...plan, 'calendar'], false],
  [[...plan, 'timezone'], 'Europe/Berlin'],
  [[...plan, 'prices'], []],
  [[...price(0), 'match'], DELETED],
  [[...price(0), 'match', 'model'], ''],
  [[...price(0), 'per'], 'customer'],
  [[...price(0), 'per'], 'subject'],
  [[...price(0), 'unitAmount'], '-12345678901234567890.000000000000000000001'],
  [[...tier(1), 'unitAmount'], DELETED],
  [[...tierOf(5), 'amount'], '0.5'],
  [[...tierOf(6), 'packageSize'], '0.5'],
  [[...tierOf(7), 'rate'], '-0.02'],
  [[...price(8), 'factor'], '0'],
];

const invalid: readonly (readonly [Path, unknown])[] = [
  [[...tierOf(5), 'amount'], DELETED],
  [[...tierOf(5), 'unitAmount'], '1'],
  [[...tierOf(6), 'packageSize'], '0'],
  [[...tierOf(6), 'packageAmount'], DELETED],
  [[...tierOf(7), 'rate'], 0.02],
  [[...tierOf(7), 'upTo'], '10'],
  [[...price(8), 'factor'], DELETED],
  [[...meter, 'across'], 'union'],
  [[...meter, 'across'], 'max'],
  [['meters', 1, 'across'], 'max'],
  [['currency'], DELETED],
  [['currency'], 'usd'],
  [['extra'], 1],
  [['__proto__'], {}],
  [['meters'], {}],
  [['plans'], null],
  [['defaultPlan'], 'a b'],
  ...['slug', 'eventType', 'aggregation', 'value'].map((key) => [[...meter, key], DELETED] as const),
  [[...meter, 'slug'], '-x'],
  [[...meter, 'slug'], 'x'.repeat(101)],
  [[...meter, 'eventType'], ''],
  [[...meter, 'eventType'], 'x'.repeat(257)],
  [[...meter, 'eventType'], 'a\u0007b'],
  [[...meter, 'aggregation'], 'average'],
  [['meters', 0], { ...base().meters[0], aggregation: 'avg', value: 'data.items[*].n' }],
  [['meters', 0], { ...base().meters[0], aggregation: 'avg', value: 'data.items[*].n - data.b' }],
  [['meters', 0], { ...base().meters[0], aggregation: 'avg', across: 'sum' }],
  [[...meter, 'value'], 'data'],
  [[...meter, 'value'], 'data.a..b'],
  ...['data.a -data.b', 'data.a - b', 'data.a + 0', 'data.a * data.b', '2 * data.a * 2', '- data.a', '5'].map(
    (value) => [[...meter, 'value'], value] as const,
  ),
  ...['data.a * 0', 'data.a * 1234567890', 'data.a * 1e3', 'data.a / 2', 'data.a - data.b.__proto__'].map(
    (value) => [[...meter, 'value'], value] as const,
  ),
  [[...meter, 'value'], Array(17).fill('data.a').join(' + ')],
  [['meters', 0], { slug: 'tokens', eventType: 'llm', aggregation: 'max', value: 'data.items[*].n - data.a' }],
  [['meters', 0], { slug: 'tokens', eventType: 'llm', aggregation: 'max', value: '2 * data.items[*].n' }],
  [['meters', 0], { slug: 'tokens', eventType: 'llm', aggregation: 'unique', value: 'data.a + data.b' }],
  ...[null, 0.5, {}, { is: 'a' }, { not: {} }, { not: null }, [], [['a']], { not: [] }, 'x'.repeat(257)].map(
    (value) => [[...meter, 'where'], { 'data.status': value }] as const,
  ),
  ...['status', 'data', 'data.items[*].n', 'data.a - data.b', '__proto__', 'x'.repeat(257)].map(
    (path) => [[...meter, 'where'], { [path]: 'a' }] as const,
  ),
  ...[{}, [], 'data.a', null].map((value) => [[...meter, 'where'], value] as const),
  [[...meter, 'value'], 'data.a/1024'],
  [[...meter, 'value'], 'data[0]'],
  [[...meter, 'value'], 'data.a[00]'],
  [[...meter, 'value'], 'data.a[1:2]'],
  [[...meter, 'value'], 'data[""]'],
  [[...meter, 'value'], 'data["a\\n"]'],
  [[...meter, 'value'], 'data["__proto__"]'],
  [[...meter, 'groupBy', 'model'], 'data.models[*]'],
  [['meters', 0], { slug: 'tokens', eventType: 'llm', aggregation: 'latest', value: 'data.items[*].n' }],
  [['meters', 0], { slug: 'tokens', eventType: 'llm', aggregation: 'unique', value: 'data.items[*].n' }],
  [[...meter, 'groupBy', 'model'], 'data.a || data.b'],
  [[...meter, 'value'], 'n'],
  [[...meter, 'value'], 'data.a.__proto__'],
  [[...meter, 'value'], `data${'.a'.repeat(17)}`],
  [[...meter, 'required'], 'yes'],
  [[...meter, 'window'], '2h'],
  ...['1m', '15m', '2h', null].map((size) => [[...meter, 'lineItems'], size] as const),
  [['meters', 1, 'lineItems'], '1m'],
  [[...meter, 'groupBy'], []],
  [[...meter, 'groupBy', 'subject'], 'data.s'],
  [[...meter, 'groupBy', 'toString'], 'data.s'],
  [[...meter, 'groupBy', '__proto__'], 'data.s'],
  [[...meter, 'groupBy', 'a b'], 'data.s'],
  [[...meter, 'groupBy', 'x'], 's'],
  [['meters', 1, 'value'], 'data.n'],
  [['meters', 1, 'required'], true],
  [[...plan, 'slug'], DELETED],
  [[...plan, 'prices'], DELETED],
  [[...plan, 'billingPeriod'], 'month'],
  [[...plan, 'afterEnd'], 'pro'],
  [[...plan, 'trialUsage'], 'none'],
  ...['500', {}, { amount: '0' }, { amount: 5 }, { amount: '5', every: 'month' }, { amount: '5', of: 'x' }].map(
    (least) => [[...plan, 'minimum'], least] as const,
  ),
  ...['0', 20, '-1', null].map((least) => [[...price(0), 'minimum'], least] as const),
  ...['month', 1, null, {}, { days: 1, weeks: 1 }, { hours: 1 }, { days: 0 }, { days: 3_661 }, { months: 1.5 }].flatMap(
    (length) => [0, 4].map((index) => [[...price(index), 'every'], length] as const),
  ),
  ...['carried', null].map((kind) => [[...price(0), 'onChange'], kind] as const),
  ...['charge', 'proration', 'giveBack', 'quantity'].map((key) => [[...price(0), key], 'second'] as const),
  [[...price(4), 'onChange'], 'restart'],
  [[...price(4), 'charge'], 'later'],
  [[...price(4), 'proration'], 'hour'],
  [[...price(4), 'giveBack'], 'yes'],
  [[...price(4), 'quantity'], 'a seat'],
  [price(4), { slug: 'fee', model: 'flat', flatAmount: '1', charge: 'in_arrears', giveBack: false }],
  [[...plan, 'calendar'], 'no'],
  [[...plan, 'timezone'], '+02:00'],
  ...[0, 1, 2, 3, 4].flatMap((index) => ['slug', 'model'].map((key) => [[...price(index), key], DELETED] as const)),
  ...[0, 1, 2, 3].map((index) => [[...price(index), 'meter'], DELETED] as const),
  ...[0, 1, 2, 3, 4].map((index) => [[...price(index), 'extra'], 'x'] as const),
  [[...price(0), 'model'], 'stairs'],
  [[...price(0), 'model'], 'flat'],
  [[...price(0), 'match', 'model'], 4],
  [[...price(0), 'per'], 'tenant'],
  [[...price(0), 'per'], null],
  [[...price(0), 'match', 'model'], null],
  [[...price(0), 'unitAmount'], 0.1],
  [[...price(0), 'unitAmount'], 1],
  [[...price(0), 'unitAmount'], '1e3'],
  [[...price(0), 'unitAmount'], '.5'],
  [[...price(0), 'unitAmount'], '1,5'],
  [[...price(0), 'unitAmount'], DELETED],
  [[...price(1), 'tiers'], []],
  [[...price(1), 'tiers'], DELETED],
  [[...tier(0), 'upTo'], DELETED],
  [[...tier(0), 'upTo'], null],
  [[...tier(0), 'upTo'], 10],
  [[...tier(0), 'upTo'], '0'],
  [[...tier(0), 'upTo'], '-1'],
  [[...tier(0), 'unitAmount'], DELETED],
  [[...tier(1), 'upTo'], '20'],
  [[...tier(1), 'extra'], '1'],
  [[...price(3), 'packageSize'], '0.0'],
  [[...price(3), 'packageSize'], '-5'],
  [[...price(3), 'packageAmount'], DELETED],
  [[...price(4), 'flatAmount'], DELETED],
  [[...price(4), 'meter'], 'tokens'],
  [['subscriptions'], [{ subject: 's', plan: 'p', startsAt: '2026-11-01T00:00:00Z' }]],
];

const named = (table: readonly (readonly [Path, unknown])[]) =>
  table.map(([path, value]): [string, Path, unknown] => [
    `${path.join('.')} ${value === DELETED ? 'deleted' : `= ${(JSON.stringify(value) ?? '').slice(0, 60)}`}`,
    path,
    value,
  ]);

describe('catalog.schema.json', () => {
  it('is what `tallyline catalog schema` prints', () => {
    expect(readFileSync(projectFile('schemas/catalog/catalog.schema.json'), 'utf8')).toBe(catalogSchemaText());
  });
});

describe('the JSON Schema of the catalog and the reader', () => {
  it('both accept the base and the sample', () => {
    expect(judgements(base())).toEqual({ reader: [], schema: true });
    expect(judgements(parse(readFileSync(projectFile('deploy/catalogs/ai-api.yaml'), 'utf8')))).toEqual({
      reader: [],
      schema: true,
    });
  });

  it.each(named(valid))('both accept %s', (_, path, value) => {
    expect(judgements(changed(path, value))).toEqual({ reader: [], schema: true });
  });

  it.each(named(invalid))('both refuse %s', (_, path, value) => {
    const { reader, schema: accepted } = judgements(changed(path, value));
    expect(reader).not.toEqual([]);
    expect(accepted).toBe(false);
  });
});
