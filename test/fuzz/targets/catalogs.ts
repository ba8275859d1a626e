// Two targets. "catalogs" changes a sound catalog as values in memory, as the bytes of the input say, because building
// a YAML document costs a hundred times as much as judging it; "catalog-texts" reads the input as YAML. What is
// accepted must also be accepted by the JSON Schema, and must read the same once it is written down again.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import { readCatalog, readCatalogTree } from '../../../domain/catalog/catalog-file.ts';
import { catalogForm } from '../../../domain/catalog/catalog-form.ts';
import type { FieldSource } from '../../../domain/fields/catalog-fields.ts';
import { formatCatalogError } from '../../../domain/fields/catalog-source.ts';
import { projectFile } from '../../../platform/process/project-root.ts';
import type { FuzzTarget } from '../campaign.ts';
import { objectNames } from '../object-names.ts';

// ajv is CommonJS.
type Validate = ((value: unknown) => boolean) & { errors?: unknown };
const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as {
  Ajv2020: new (options: object) => { compile(schema: object): Validate };
};
const schema = JSON.parse(readFileSync(projectFile('schemas/catalog/catalog.schema.json'), 'utf8')) as object;
const isValid = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false }).compile(schema);

const counts = { accepted: 0, refused: 0 };
const textCounts = { accepted: 0, refused: 0 };

const base = {
  currency: 'USD',
  meters: [
    {
      slug: 'tokens',
      eventType: 'llm',
      aggregation: 'sum',
      value: 'data.n',
      required: false,
      groupBy: { model: 'data.model', region: 'data.where.region' },
      where: { 'data.status': 'ok', 'data.tier': { not: ['', 'free'] } },
      window: '1h',
      lineItems: '1h',
    },
    { slug: 'calls', eventType: 'llm', aggregation: 'count' },
    { slug: 'users', eventType: 'llm', aggregation: 'unique', value: 'data.user', window: '1d' },
    { slug: 'fresh', eventType: 'llm', aggregation: 'max', value: 'data.n - 0.5 * data.cached' },
  ],
  plans: [
    {
      slug: 'p',
      calendar: true,
      timezone: 'UTC',
      trialUsage: 'free',
      prices: [
        {
          slug: 'unit',
          meter: 'tokens',
          match: { model: 'm' },
          every: { weeks: 2 },
          model: 'per_unit',
          unitAmount: '1',
        },
        {
          slug: 'tiered',
          meter: 'tokens',
          onChange: 'share',
          model: 'graduated',
          tiers: [
            { upTo: '10', unitAmount: '1' },
            { upTo: null, unitAmount: '0.5', flatAmount: '2' },
          ],
        },
        { slug: 'volume', meter: 'calls', model: 'volume', tiers: [{ upTo: null, flatAmount: '2' }] },
        { slug: 'packs', meter: 'calls', model: 'package', packageSize: '100', packageAmount: '4.00' },
        { slug: 'stairs', meter: 'calls', model: 'stairstep', tiers: [{ upTo: null, amount: '2' }] },
        {
          slug: 'packs-in-tiers',
          meter: 'calls',
          model: 'tiered_package',
          tiers: [{ upTo: null, packageSize: '100', packageAmount: '4.00' }],
        },
        { slug: 'share', meter: 'tokens', model: 'graduated_percentage', tiers: [{ upTo: null, rate: '0.02' }] },
        { slug: 'mark-up', meter: 'tokens', model: 'cost_plus', factor: '1.2' },
        {
          slug: 'payments',
          meter: 'tokens',
          model: 'percentage',
          rate: '0.029',
          included: { units: '1000', proration: 'none' },
          discounts: [{ rate: '0.2', from: '2026-01-01T00:00:00Z', until: '2027-01-01T00:00:00Z' }],
          fee: { meter: 'calls', amount: '0.30', included: { units: '10' } },
        },
        {
          slug: 'cells',
          meter: 'tokens',
          model: 'matrix',
          dimensions: ['model', 'region'],
          cells: [
            { values: ['m', '*'], unitAmount: '1', maximum: '50' },
            { values: ['', 'eu'], model: 'package', packageSize: '100', packageAmount: '4.00' },
            { values: ['*', '*'], model: 'volume', tiers: [{ upTo: null, flatAmount: '2' }], included: { units: '5' } },
          ],
        },
        {
          slug: 'around',
          meter: 'calls',
          model: 'per_unit',
          unitAmount: '2',
          discounts: [{ amount: '5' }, { units: '3' }],
          maximum: '9',
        },
        { slug: 'fee', model: 'flat', flatAmount: '20' },
        { slug: 'seats', model: 'flat', flatAmount: '20', every: { years: 1 }, giveBack: false, quantity: 'seats' },
        { slug: 'late', model: 'flat', flatAmount: '20', charge: 'in_arrears', proration: 'day' },
      ],
    },
    {
      slug: 'q',
      calendar: false,
      afterEnd: 'default',
      minimum: { amount: '50', every: { years: 1 } },
      prices: [
        { slug: 'fee', model: 'flat', flatAmount: '9' },
        { slug: 'least', meter: 'calls', model: 'per_unit', unitAmount: '2', minimum: '20' },
      ],
    },
  ],
  defaultPlan: 'p',
};

/** `undefined` takes the value away. */
const values: readonly unknown[] = [
  ...[
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1,
    0.1,
    1e21,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '',
    ' ',
    'USD',
    'EUR',
    'usd',
  ],
  ...['tokens', 'calls', 'users', 'p', 'q', 's', 'x', '-x', 'a b', 'x'.repeat(100), 'x'.repeat(101), 'x'.repeat(257)],
  ...['😀'.repeat(256), '😀'.repeat(257), '\ud800', '\u0000', 'a\u0007', 'a\u0085', '\u2028'],
  ...objectNames,
  ...['sum', 'count', 'max', 'min', 'latest', 'unique', 'avg', '1m', '15m', '1h', '1d', '2h', 'month', 'year'],
  ...[
    'data',
    'data.n',
    'data.a.b',
    'data..b',
    'data.__proto__',
    'n',
    `data${'.a'.repeat(16)}`,
    `data${'.a'.repeat(17)}`,
    ...['data.a - data.b', '2 * data.a', 'data.a * 0.5 + data["x - y"]', 'data.a - 1', 'data.a[*] - data.b', 'a - b'],
    ...['data["a.b"]', "data.a['b\\'c']", 'data.a[0].b', 'data.a[-1]', 'data.a[*].b', 'data[*]', 'data[0]'],
  ],
  ...[
    'UTC',
    'Europe/Berlin',
    'Asia/Kolkata',
    '+02:00',
    'utc',
    'Mars/Base',
    'per_unit',
    'graduated',
    'volume',
    'package',
    'stairstep',
    'tiered_package',
    'graduated_percentage',
    'cost_plus',
  ],
  ...['flat', 'toString', '0', '-0', '0.0', '00', '1', '-1', '10', '1e3', '.5', '5.', '1,5', '+1', '9'.repeat(400)],
  ...['9'.repeat(401), `0.${'0'.repeat(400)}`, `0.${'0'.repeat(401)}`, '1_000', '0x10', 'Infinity', '١'],
  ...['carry', 'share', 'prorate', 'restart', 'in_advance', 'in_arrears', 'second', 'day', 'none', 'default', 'free'],
  ...[
    { days: 7 },
    { weeks: 1 },
    { months: 12 },
    { months: 1 },
    { years: 10 },
    { years: 11 },
    { days: 0 },
    { days: 1.5 },
  ],
  ...[{ months: 1, days: 1 }, { hours: 1 }, { months: '1' }],
  ...[{ not: 'a' }, { not: ['a', '', 7] }, { not: [] }, ['a', true], { 'data.s': 'a' }, { 'data["s"]': { not: 1 } }],
  ...[[], {}, [null], [[]], { slug: 'x' }, { model: 'm' }, { subject: 'data.s' }, { ['__proto__']: 'data.s' }],
  ...[{ upTo: null, unitAmount: '1' }, { upTo: '5', flatAmount: '1' }, { upTo: '5' }],
  { slug: 'fee2', model: 'flat', flatAmount: '-1' },
  { slug: 'm2', eventType: 't', aggregation: 'min', value: 'data.v' },
  Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`d${index}`, 'data.a'])),
  Array.from({ length: 101 }, () => ({ upTo: null, unitAmount: '1' })),
];
const keys = [
  ...['slug', 'model', 'meter', 'match', 'tiers', 'upTo', 'unitAmount', 'flatAmount', 'packageSize', 'packageAmount'],
  ...[
    'value',
    'window',
    'lineItems',
    'required',
    'groupBy',
    'where',
    'not',
    'data.s',
    'data["s"]',
    'eventType',
    'aggregation',
    'timezone',
    'calendar',
    'billingPeriod',
    'prices',
  ],
  ...['every', 'onChange', 'charge', 'proration', 'giveBack', 'quantity', 'afterEnd', 'trialUsage', 'days', 'months'],
  ...['minimum', 'amount'],
  ...['currency', 'meters', 'plans', 'subscriptions', 'defaultPlan', 'extra'],
  ...objectNames,
  ...['', ' ', 'region', 'a.b', '1', 'true', 'null'],
];

const clone = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(clone);
  if (typeof value !== 'object' || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) put(copy, key, clone((value as Record<string, unknown>)[key]));
  return copy;
};

/** Undefined takes the key away; in a list there is null in its place. */
function put(target: object, key: string | number, value: unknown): void {
  if (value === undefined && !Array.isArray(target)) delete (target as Record<string | number, unknown>)[key];
  else if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else (target as Record<string | number, unknown>)[key] = value ?? null;
}

/** The base with one or two of its prices: fewer to read is more to try. */
function soundCatalog(choice: number): unknown {
  const [first, ...others] = base.plans;
  const { prices } = first!;
  const kept = new Set([prices[choice % prices.length]!, prices[(choice >> 4) % prices.length]!]);
  return clone({ ...base, plans: [{ ...first, prices: [...kept] }, ...others] });
}

/** Each change is read from four to eight bytes: which way down the tree, and what happens there. */
function grow(program: Buffer): unknown {
  let at = 0;
  const byte = (): number => program[at++] ?? 0;
  let root = soundCatalog(byte());
  while (at < program.length && at < 64) {
    let node: unknown = root;
    let parent: object | null = null;
    let key: string | number = '';
    for (let depth = 1 + (byte() % 7); depth > 0; depth--) {
      if (typeof node !== 'object' || node === null) break;
      const names: readonly (string | number)[] = Array.isArray(node) ? [...node.keys()] : Object.keys(node);
      const choice = byte();
      if (names.length === 0) break;
      parent = node;
      key = names[choice % names.length]!;
      node = (node as Record<string | number, unknown>)[key];
    }
    const value = clone(values[byte() % values.length]);
    switch (byte() % 8) {
      case 0:
        if (parent === null) root = value;
        else if (typeof node === 'object' && node !== null && !Array.isArray(node))
          put(node, keys[byte() % keys.length]!, value);
        break;
      case 1:
        if (Array.isArray(node)) node.push(value ?? null);
        break;
      case 2:
        // The same entry twice.
        if (Array.isArray(parent)) parent.push(clone(node));
        break;
      case 3:
        if (Array.isArray(parent)) parent.splice(Number(key), 1);
        else if (parent !== null) delete (parent as Record<string, unknown>)[key];
        break;
      case 4:
        if (parent !== null && !Array.isArray(parent)) put(parent, keys[byte() % keys.length]!, node);
        break;
      default:
        if (parent !== null) put(parent, key, value);
    }
  }
  return root;
}

class Notes implements FieldSource {
  readonly messages: string[] = [];
  add(path: readonly (string | number)[], message: string): void {
    if (message.length > 2_000) throw new Error(`a message of ${message.length} characters at ${path.join('.')}`);
    this.messages.push(message);
  }
  textOf(): null {
    return null;
  }
}

function judge(tree: unknown): Catalog | null {
  const notes = new Notes();
  const catalog = readCatalogTree(notes, tree);
  if (notes.messages.length > 0) return null;
  if (catalog === null) throw new Error('refused without a word');
  return catalog;
}

function checkAccepted(tree: unknown, catalog: Catalog): void {
  if (!isValid(tree))
    throw new Error(`accepted, and not by the schema: ${JSON.stringify(isValid.errors).slice(0, 400)}`);
  const again = judge(catalogForm(catalog));
  if (!isDeepStrictEqual(again, catalog)) {
    throw new Error(`reads otherwise once it is written down: ${JSON.stringify(tree)}`);
  }
}

function executeTree(program: Buffer): void {
  const tree = grow(program);
  const catalog = judge(tree);
  counts[catalog === null ? 'refused' : 'accepted']++;
  if (catalog !== null) checkAccepted(tree, catalog);
}

function executeText(text: string): void {
  const reading = readCatalog(text, 'f.yaml');
  textCounts[reading.ok ? 'accepted' : 'refused']++;
  if (!reading.ok) {
    if (reading.errors.length === 0) throw new Error('refused without a word');
    for (const error of reading.errors) {
      const { line, column } = error;
      const isPlace = Number.isInteger(line) && Number.isInteger(column) && line >= 1 && column >= 1;
      if (!isPlace || formatCatalogError(error).length > 5_000)
        throw new Error(`an error that can't be shown: ${error.message}`);
    }
    return;
  }
  // A key that is no string would have been made one on the way, silently.
  checkAccepted(parse(text, { stringKeys: true }), reading.catalog);
  const twin = readCatalog(stringify(catalogForm(reading.catalog)), 'f.yaml');
  if (!twin.ok || !isDeepStrictEqual(twin.catalog, reading.catalog)) throw new Error('reads otherwise as YAML again');
}

const small = `currency: USD
meters:
  - slug: m
    eventType: e
    aggregation: sum
    value: data.n
    groupBy: { model: data.model }
plans:
  - slug: p
    prices:
      - { slug: u, meter: m, match: { model: x }, model: per_unit, unitAmount: "0.1", every: { months: 3 } }
defaultPlan: p
`;
const texts = [
  small,
  'currency: USD\n',
  '{"currency": "EUR", "meters": [], "plans": [{"slug": "p", "prices": []}]}',
  'currency: &c USD\nplans: [{slug: *c, prices: []}]\n',
  'currency: !!str USD\n',
  'currency: >-\n  USD\nmeters: []\n',
  '%YAML 1.2\n---\ncurrency: USD\n...\n',
  'currency: "\\u0055SD"\nmeters: !<tag:yaml.org,2002:seq> []\n',
  'a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]\n',
];

export const catalogs: FuzzTarget = {
  name: 'catalogs',
  seeds: Array.from({ length: 24 }, (_, index) =>
    Buffer.from(Array.from({ length: 4 + index }, (_, at) => (index * 37 + at * 11) % 251)),
  ),
  dictionary: [],
  generate(random) {
    const program = Buffer.alloc(4 + random.below(30));
    for (let index = 0; index < program.length; index++) program[index] = random.below(256);
    return program;
  },
  execute: executeTree,
  tally: () => counts,
};

export const catalogTexts: FuzzTarget = {
  name: 'catalog-texts',
  seeds: texts.map((text) => Buffer.from(text)),
  dictionary: [
    ...[
      '- ',
      ': ',
      '\n',
      '  ',
      '\t',
      '{',
      '}',
      '[',
      ']',
      ', ',
      '&a ',
      '*a',
      '!!',
      '!!binary ',
      '!!set ',
      '!!omap ',
      '!!float ',
    ],
    ...['<<: ', '? ', '| ', '>- ', '"', "'", '# ', '---\n', '...\n', '%YAML 1.1\n', '~', 'null', '.nan', '0o17'],
    ...[
      '.inf',
      '0x1f',
      '\u0000',
      '\ufeff',
      '\u2028',
      '\u0085',
      'slug: ',
      'model: ',
      'unitAmount: ',
      'tiers: ',
      'prices: ',
      'every: ',
    ],
    ...objectNames.map((name) => `${name}: `),
  ],
  execute: (input) => executeText(input.toString('utf8')),
  tally: () => textCounts,
};
