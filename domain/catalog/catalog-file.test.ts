import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { CATALOG_BYTES_MAX } from '../fields/catalog-source.ts';
import { formatCatalogError, readCatalog } from './catalog-file.ts';

const METER =
  '{ slug: tokens, eventType: llm, aggregation: sum, value: data.n, groupBy: { model: data.model }, window: 1h }';

function errorsOf(text: string): string[] {
  const reading = readCatalog(text, 'p.yaml');
  return reading.ok ? [] : reading.errors.map(formatCatalogError);
}

/** A catalog with one meter "tokens" and the given price. */
const withPrice = (price: string) => `currency: USD
meters: [ ${METER} ]
plans:
  - slug: p
    calendar: true
    prices:
      - ${price}
`;

/** A catalog with one meter "tokens" and the given plan. */
const withPlan = (plan: string, window = '1h') => `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: ${window} }
plans:
  - ${plan}
`;

/** The only price as it is stored, without what all have. */
function priceOf(price: string): object {
  const reading = readCatalog(withPrice(price), 'p.yaml');
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  const { slug, meter, model, match, ...own } = { meter: '', match: {}, ...reading.catalog.plans[0]!.prices[0]! };
  return own;
}

describe('readCatalog', () => {
  it('reads the sample price list', () => {
    const reading = readCatalog(readFileSync('deploy/catalogs/ai-api.yaml', 'utf8'), 'ai-api.yaml');
    expect(reading.ok ? [] : reading.errors.map(formatCatalogError)).toEqual([]);
    if (!reading.ok) return;
    expect(reading.catalog.meters.map(({ slug }) => slug)).toContain('input_tokens');
    expect(reading.catalog.plans.map(({ slug, calendar }) => [slug, calendar])).toEqual([
      ['pay-as-you-go', true],
      ['team', false],
      ['enterprise', true],
    ]);
    const models = new Set(reading.catalog.plans.flatMap(({ prices }) => prices.map(({ model }) => model)));
    expect([...models].sort()).toEqual(['flat', 'graduated', 'package', 'per_unit', 'volume']);
  });

  it('fills in what may be left out, and brings the rest into canonical form', () => {
    const reading = readCatalog(
      `currency: EUR
meters:
  - { slug: calls, eventType: call, aggregation: count, groupBy: { b: data.x.y, a: data.a } }
plans:
  - slug: p
    prices:
      - { slug: one, meter: calls, match: { b: "", a: "1" }, per: subject, model: per_unit, unitAmount: "0.0500" }
      - { slug: two, meter: calls, model: volume, tiers: [ { upTo: "010.0", unitAmount: "1" }, { upTo: null, flatAmount: "-2.50" } ] }
`,
      'p.yaml',
    );
    expect(reading).toEqual({
      ok: true,
      catalog: {
        currency: 'EUR',
        meters: [
          {
            slug: 'calls',
            eventType: 'call',
            aggregation: 'count',
            valuePath: null,
            required: false,
            dimensions: [
              { name: 'a', path: ['a'] },
              { name: 'b', path: ['x', 'y'] },
            ],
            window: '15m',
            itemWidth: '1h',
          },
        ],
        plans: [
          {
            slug: 'p',
            calendar: false,
            timezone: 'UTC',
            prices: [
              {
                slug: 'one',
                meter: 'calls',
                match: { a: '1', b: '' },
                per: 'subject',
                model: 'per_unit',
                unitAmount: '0.05',
              },
              {
                slug: 'two',
                meter: 'calls',
                match: {},
                model: 'volume',
                tiers: [
                  { upTo: '10', unitAmount: '1', flatAmount: '0' },
                  { upTo: null, unitAmount: '0', flatAmount: '-2.5' },
                ],
              },
            ],
          },
        ],
        defaultPlan: null,
      },
    });
    expect(reading.ok && Object.keys((reading.catalog.plans[0]!.prices[0] as { match: object }).match)).toEqual([
      'a',
      'b',
    ]);
  });

  it('reads a filter and a sum, sorted and in their shortest form', () => {
    const reading = readCatalog(
      `currency: EUR
meters:
  - slug: fresh
    eventType: call
    aggregation: sum
    value: data.n * 1.0 - 0.50 * data["a b"]
    where:
      data.tier: { not: [free, "", free] }
      'data["status"]': [200, ok, true]
  - { slug: plain, eventType: call, aggregation: sum, value: 1 * data.n }
`,
      'p.yaml',
    );
    expect(reading.ok && reading.catalog.meters).toMatchObject([
      {
        valuePath: null,
        addends: [
          { path: ['n'], factor: '1' },
          { path: ['a b'], factor: '-0.5' },
        ],
        where: [
          { path: ['status'], isNot: false, values: ['200', 'ok', 'true'] },
          { path: ['tier'], isNot: true, values: ['', 'free'] },
        ],
      },
      { valuePath: ['n'] },
    ]);
    expect(reading.ok && Object.keys(reading.catalog.meters[1]!)).not.toContain('addends');
  });

  it('says at which character of a value it is wrong', () => {
    const errorsOf = (value: string): string[] => {
      const text = `currency: EUR\nmeters:\n  - { slug: a, eventType: e, aggregation: sum, value: ${value} }\n`;
      const reading = readCatalog(text, 'p.yaml');
      return reading.ok ? [] : reading.errors.map(formatCatalogError);
    };
    expect(errorsOf('data.a - data.b * data.c')).toEqual([
      'p.yaml:3:73 meters[0].value: multiplies two paths: one of the two must be a number',
    ]);
    expect(errorsOf('"data.a - b"')).toEqual([
      expect.stringMatching(/^p\.yaml:3:65 meters\[0\]\.value: must be a path/),
    ]);
    // Written with an escape, it stands elsewhere in the file.
    expect(errorsOf('"data.\\u0061 - b"')).toEqual([expect.stringMatching(/^p\.yaml:3:55 meters/)]);
  });

  it.each<[string, string, string | undefined]>([
    ['', '15m', '1h'],
    ['window: 15m', '15m', '1h'],
    ['window: 15m, lineItems: 15m', '15m', undefined],
    ['lineItems: 1d', '15m', '1d'],
    ['window: 1m', '1m', undefined],
    ['window: 1m, lineItems: 1h', '1m', '1h'],
    ['window: 1h', '1h', undefined],
    ['window: 1h, lineItems: 1h', '1h', undefined],
    ['window: 1d', '1d', undefined],
  ])('reads the widths of a meter with "%s"', (widths, window, itemWidth) => {
    const reading = readCatalog(
      `currency: EUR\nmeters: [{ slug: a, eventType: e, aggregation: count, ${widths} }]\n`,
      'p.yaml',
    );
    expect(reading.ok && reading.catalog.meters.map((meter) => [meter.window, meter.itemWidth])).toEqual([
      [window, itemWidth],
    ]);
  });

  it('leaves out of a meter what it would be anyway', () => {
    const reading = readCatalog(
      `currency: EUR
meters:
  - { slug: a, eventType: e, aggregation: latest, value: data.n, across: sum, precision: rounded, unreadable: refuse }
  - { slug: b, eventType: e, aggregation: unique, value: data.n, across: sum }
`,
      'p.yaml',
    );
    expect(
      reading.ok && reading.catalog.meters.map(({ across, precision, unreadable }) => [across, precision, unreadable]),
    ).toEqual([
      [undefined, undefined, undefined],
      ['sum', undefined, undefined],
    ]);
  });

  it('names the file, line, column and path of an error, and shows a number as it is written', () => {
    expect(errorsOf(withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: 0.0000003 }'))).toEqual([
      'p.yaml:7:64 plans[0].prices[0].unitAmount: must be a decimal string, got number 0.0000003 (quote it)',
    ]);
  });

  it('tells all errors at once, in the order of the file', () => {
    const errors = errorsOf(`currency: dollars
meters:
  - { slug: tokens, eventType: llm, aggregation: total, value: data.n }
  - { slug: tokens, eventType: 7, aggregation: sum, value: input_tokens }
plans:
  - { slug: p, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "1" }, { slug: b, meter: nope, model: flat } ] }
defaultPlan: q
`);
    expect(errors).toEqual([
      'p.yaml:1:11 currency: must be an ISO 4217 code such as USD, got "dollars"',
      'p.yaml:3:50 meters[0].aggregation: must be one of sum, count, max, min, latest, unique, avg, got "total"',
      'p.yaml:4:13 meters[1].slug: "tokens" is already the slug of meters[0]',
      'p.yaml:4:32 meters[1].eventType: must be a string, got number 7 (quote it)',
      'p.yaml:4:60 meters[1].value: must be a path below data, such as data.input_tokens, got "input_tokens"',
      'p.yaml:6:88 plans[0].prices[1].flatAmount: is missing',
      'p.yaml:6:99 plans[0].prices[1].meter: unknown key; known here: slug, model, every, charge, proration, giveBack, quantity, flatAmount',
      'p.yaml:7:14 defaultPlan: there is no plan "q" in this catalog',
    ]);
  });

  const bad: readonly (readonly [name: string, text: string, error: string])[] = [
    [
      'subjects put together in a way that is not the aggregation’s',
      'currency: EUR\nmeters: [{ slug: a, eventType: e, aggregation: max, value: data.n, across: union }]\n',
      'meters[0].across: must be one of sum, max, got "union"',
    ],
    ['an empty file', '', 'p.yaml:1:1 must be a map, got nothing (null)'],
    ['a list', '[]', 'must be a map, got a list'],
    ['no YAML', 'currency: "USD', 'currency: Missing closing "quote'],
    ['no currency', 'meters: []', 'currency: is missing'],
    ['a key twice', 'currency: USD\ncurrency: EUR', 'p.yaml:2:1 currency: Map keys must be unique'],
    ['an unknown key', 'currency: USD\nmetres: []', 'p.yaml:2:1 metres: unknown key'],
    ['__proto__', 'currency: USD\n__proto__: { meters: [] }', 'p.yaml:2:1 __proto__: unknown key'],
    ['a merge key', 'a: &a { currency: USD }\n<<: *a', '["<<"]: unknown key'],
    ['a tag', 'currency: !money USD', 'currency: Unresolved tag: !money'],
    ['a NUL character', 'currency: USD # \0', 'holds a NUL character'],
    ['two documents', 'currency: USD\n---\ncurrency: USD', 'multiple documents'],
    ['a string for a list', 'currency: USD\nmeters: none', 'meters: must be a list, got "none"'],
    ['null for a list', 'currency: USD\nplans:', 'plans: must be a list, got nothing (null)'],
    [
      'a bad slug',
      'currency: USD\nmeters: [ { slug: "a b", eventType: x, aggregation: count } ]',
      'meters[0].slug: must be a slug',
    ],
    [
      'count with a value',
      'currency: USD\nmeters: [ { slug: a, eventType: x, aggregation: count, value: data.n } ]',
      'a count has no value',
    ],
    [
      'sum without a value',
      'currency: USD\nmeters: [ { slug: a, eventType: x, aggregation: sum } ]',
      'meters[0].value: is missing: sum needs',
    ],
    [
      'a path to data itself',
      'currency: USD\nmeters: [ { slug: a, eventType: x, aggregation: sum, value: data } ]',
      'a path below data',
    ],
    [
      'a path with a gap',
      'currency: USD\nmeters: [ { slug: a, eventType: x, aggregation: sum, value: data..n } ]',
      'a path below data',
    ],
    [
      'a path to a prototype',
      'currency: USD\nmeters: [ { slug: a, eventType: x, aggregation: sum, value: data.__proto__.n } ]',
      '__proto__',
    ],
    [
      'a window of an hour and a half',
      `currency: USD\nmeters: [ ${METER.replace('1h', '90m')} ]`,
      'window: must be one of 1m, 15m, 1h, 1d, got "90m"',
    ],
    [
      'line items of less than a window',
      `currency: USD\nmeters: [ ${METER.replace('1h', '1h, lineItems: 15m')} ]`,
      'lineItems: must not be smaller than the window, 1h: a line item is of whole windows',
    ],
    [
      'line items of less than the window that is meant',
      `currency: USD\nmeters: [ ${METER.replace('window: 1h', 'lineItems: 1m')} ]`,
      'lineItems: must not be smaller than the window, 15m',
    ],
    [
      'a dimension named subject',
      `currency: USD\nmeters: [ ${METER.replace('model:', 'subject:')} ]`,
      'groupBy.subject: the name "subject" is reserved',
    ],
    [
      'a dimension named __proto__',
      `currency: USD\nmeters: [ ${METER.replace('model:', '__proto__:')} ]`,
      'groupBy.__proto__: the name',
    ],
    [
      '"yes" for a boolean',
      `currency: USD\nmeters: [ ${METER.replace('window: 1h', 'required: yes')} ]`,
      'required: must be true or false, got "yes"',
    ],
    [
      'an unknown meter',
      withPrice('{ slug: a, meter: other, model: per_unit, unitAmount: "1" }'),
      'prices[0].meter: there is no meter "other"',
    ],
    [
      'an unknown model',
      withPrice('{ slug: a, meter: tokens, model: stairs }'),
      'prices[0].model: must be one of per_unit, graduated',
    ],
    ['no model', withPrice('{ slug: a, meter: tokens }'), 'prices[0].model: is missing'],
    [
      'a match that is no dimension',
      withPrice('{ slug: a, meter: tokens, match: { region: eu }, model: per_unit, unitAmount: "1" }'),
      'match.region: is not in groupBy of meter "tokens": it has model',
    ],
    [
      'a price for each of something else',
      withPrice('{ slug: a, meter: tokens, per: tenant, model: per_unit, unitAmount: "1" }'),
      'per: must be one of customer, subject, got "tenant"',
    ],
    [
      'a flat price for each subject',
      withPrice('{ slug: a, per: subject, model: flat, flatAmount: "1" }'),
      'per: unknown key',
    ],
    [
      'a match by a number',
      withPrice('{ slug: a, meter: tokens, match: { model: 4 }, model: per_unit, unitAmount: "1" }'),
      'match.model: must be a string, got number 4 (quote it)',
    ],
    [
      'an integer amount',
      withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: 1 }'),
      'got number 1 (quote it)',
    ],
    [
      'an amount with an exponent',
      withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: "1e-3" }'),
      'no exponent',
    ],
    ['a comma in an amount', withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: "1,5" }'), 'got "1,5"'],
    [
      'no tiers',
      withPrice('{ slug: a, meter: tokens, model: graduated, tiers: [] }'),
      'tiers: needs at least one tier',
    ],
    [
      'descending tiers',
      withPrice(
        '{ slug: a, meter: tokens, model: graduated, tiers: [ { upTo: "10", unitAmount: "1" }, { upTo: "9.5", unitAmount: "1" }, { upTo: null, unitAmount: "1" } ] }',
      ),
      'tiers[1].upTo: must be above 10',
    ],
    [
      'a first tier up to zero',
      withPrice(
        '{ slug: a, meter: tokens, model: volume, tiers: [ { upTo: "0", unitAmount: "1" }, { upTo: null, unitAmount: "1" } ] }',
      ),
      'tiers[0].upTo: must be above 0 (zero)',
    ],
    [
      'a last tier with a bound',
      withPrice('{ slug: a, meter: tokens, model: volume, tiers: [ { upTo: "10", unitAmount: "1" } ] }'),
      'tiers[0].upTo: the last tier must have "upTo: null"',
    ],
    [
      'a middle tier without a bound',
      withPrice(
        '{ slug: a, meter: tokens, model: volume, tiers: [ { upTo: null, unitAmount: "1" }, { upTo: null, unitAmount: "1" } ] }',
      ),
      'tiers[0].upTo: only the last tier',
    ],
    [
      'a tier without a bound key',
      withPrice('{ slug: a, meter: tokens, model: volume, tiers: [ { unitAmount: "1" } ] }'),
      'tiers[0].upTo: is missing',
    ],
    [
      'a tier without an amount',
      withPrice('{ slug: a, meter: tokens, model: volume, tiers: [ { upTo: null } ] }'),
      'tiers[0]: needs unitAmount, flatAmount or both',
    ],
    [
      'a package of nothing',
      withPrice('{ slug: a, meter: tokens, model: package, packageSize: "0", packageAmount: "1" }'),
      'packageSize: must be above zero, got "0"',
    ],
    [
      'a negative package',
      withPrice('{ slug: a, meter: tokens, model: package, packageSize: "-5", packageAmount: "1" }'),
      'packageSize: must be above zero, got "-5"',
    ],
    [
      'a flat price of a meter',
      withPrice('{ slug: a, meter: tokens, model: flat, flatAmount: "1" }'),
      'prices[0].meter: unknown key; known here: slug, model, every, charge, proration, giveBack, quantity, flatAmount',
    ],
    [
      'a price slug twice',
      withPrice('{ slug: a, model: flat, flatAmount: "1" }\n      - { slug: a, model: flat, flatAmount: "1" }'),
      'prices[1].slug: "a" is already the slug of plans[0].prices[0]',
    ],
    [
      'an unknown time zone',
      withPrice('{ slug: a, model: flat, flatAmount: "1" }').replace('calendar: true', 'timezone: Mars/Olympus'),
      'timezone: must be an IANA time zone',
    ],
    [
      'a bare offset for a time zone',
      withPrice('{ slug: a, model: flat, flatAmount: "1" }').replace('calendar: true', 'timezone: "+02:00"'),
      'timezone: must be an IANA time zone',
    ],
    [
      'subscriptions',
      `${withPrice('{ slug: a, model: flat, flatAmount: "1" }')}subscriptions: [ { subject: s } ]\n`,
      'p.yaml:8:1 subscriptions: are account objects: `tallyline import subscriptions FILE` takes them from this file',
    ],
    [
      'a billing period of a plan',
      withPrice('{ slug: a, model: flat, flatAmount: "1" }').replace('calendar: true', 'billingPeriod: month'),
      'p.yaml:5:5 plans[0].billingPeriod: each price says how long its periods are (`every`)',
    ],
    [
      'a period of no length',
      withPrice('{ slug: a, model: flat, flatAmount: "1", every: {} }'),
      'every: needs one of days, weeks, months, years, such as { months: 3 }',
    ],
    [
      'a period of two lengths',
      withPrice('{ slug: a, model: flat, flatAmount: "1", every: { months: 1, days: 3 } }'),
      'every: needs one of days, weeks, months, years',
    ],
    [
      'a period of hours',
      withPrice('{ slug: a, model: flat, flatAmount: "1", every: { hours: 36 } }'),
      'every.hours: unknown key; known here: days, weeks, months, years',
    ],
    [
      'a period of a word',
      withPrice('{ slug: a, model: flat, flatAmount: "1", every: month }'),
      'every: must be a map, got "month"',
    ],
    ...['0', '-1', '1.5', '11', '"1"', 'null'].map(
      (years) =>
        [
          `a period of ${years} years`,
          withPrice(`{ slug: a, model: flat, flatAmount: "1", every: { years: ${years} } }`),
          'every.years: must be a whole number from 1 to 10, got ',
        ] as const,
    ),
    [
      'a prorated sum',
      withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", onChange: prorate }'),
      'onChange: prorate is for levels (max, min, latest, avg), and this price is of a sum: carry, share or restart',
    ],
    ...['carry', 'share'].map(
      (kind) =>
        [
          `a level with ${kind}`,
          withPrice(`{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", onChange: ${kind} }`).replace(
            'sum',
            'max',
          ),
          `onChange: ${kind} is for units that add up (sum, count, unique), and this price is of a max: prorate or restart`,
        ] as const,
    ),
    [
      'a change of a fee',
      withPrice('{ slug: a, model: flat, flatAmount: "1", onChange: restart }'),
      'onChange: unknown key',
    ],
    [
      'usage in arrears',
      withPrice('{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", charge: in_arrears }'),
      'charge: unknown key',
    ],
    [
      'a fee in arrears that gives back',
      withPrice('{ slug: a, model: flat, flatAmount: "1", charge: in_arrears, giveBack: false }'),
      'giveBack: a fee in arrears takes nothing before it is due, so nothing comes back',
    ],
    [
      'a fee by the hour',
      withPrice('{ slug: a, model: flat, flatAmount: "1", proration: hour }'),
      'proration: must be one of second, day, none, got "hour"',
    ],
    [
      'a fee for a number',
      withPrice('{ slug: a, model: flat, flatAmount: "1", quantity: 7 }'),
      'quantity: must be a string, got number 7 (quote it)',
    ],
    [
      'a slug that is a fee in one plan and usage in another',
      `${withPrice('{ slug: a, model: flat, flatAmount: "1" }')}  - slug: q
    prices: [ { slug: b, model: flat, flatAmount: "1" }, { slug: a, meter: tokens, model: per_unit, unitAmount: "1" } ]
`,
      'p.yaml:9:66 plans[1].prices[1].slug: "a" can\'t be of meter "tokens": it is a fee in plan p, and a slug means',
    ],
    [
      'a plan that does not say what comes after it, where there is a default plan',
      `${withPlan('{ slug: p, prices: [] }')}  - { slug: q, prices: [] }\ndefaultPlan: q\n`,
      'p.yaml:5:5 plans[0].afterEnd: is missing: where there is a default plan, every other plan says',
    ],
    [
      'an end in something else',
      withPlan('{ slug: p, afterEnd: free, prices: [] }'),
      'afterEnd: must be one of none, default, got "free"',
    ],
    [
      'a trial of half the price',
      withPlan('{ slug: p, trialUsage: half, prices: [] }'),
      'trialUsage: must be one of charged, free, got "half"',
    ],
  ];
  it.each(bad)('refuses %s', (_, text, error) => {
    expect(errorsOf(text).join('\n')).toContain(error);
  });

  it.each([
    ['every: { months: 1 }', {}],
    ['every: { months: 12 }', { every: { years: 1 } }],
    ['every: { months: 18 }', { every: { months: 18 } }],
    ['every: { weeks: 2 }', { every: { weeks: 2 } }],
    ['every: { days: 7 }', { every: { days: 7 } }],
    ['charge: in_advance, proration: second, giveBack: true', {}],
    [
      'charge: in_arrears, proration: none, quantity: seats',
      { charge: 'in_arrears', proration: 'none', quantity: 'seats' },
    ],
    ['charge: in_advance, giveBack: false, proration: day', { giveBack: false, proration: 'day' }],
  ])('stores of a fee with %s what is not so anyway', (choices, stored) => {
    expect(priceOf(`{ slug: a, model: flat, flatAmount: "1", ${choices} }`)).toEqual({ flatAmount: '1', ...stored });
  });

  it.each([
    ['every: { years: 1 }, onChange: carry', { every: { years: 1 }, onChange: 'carry' }],
    ['onChange: share', { onChange: 'share' }],
    ['onChange: restart', { onChange: 'restart' }],
  ])('reads a price of units with %s', (choices, stored) => {
    expect(priceOf(`{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", ${choices} }`)).toEqual({
      unitAmount: '1',
      ...stored,
    });
  });

  it.each(['prorate', 'restart'])('reads a price of a level with onChange: %s', (kind) => {
    const price = `{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", onChange: ${kind} }`;
    for (const level of ['max', 'min', 'latest'])
      expect(errorsOf(withPrice(price).replace('aggregation: sum', `aggregation: ${level}`))).toEqual([]);
  });

  it('says nothing of what goes with the aggregation of a meter that is in error itself', () => {
    const price = '{ slug: a, meter: tokens, model: per_unit, unitAmount: "1", onChange: prorate }';
    expect(errorsOf(withPrice(price).replace('aggregation: sum', 'aggregation: total'))).toEqual([
      expect.stringContaining('aggregation: must be one of'),
    ]);
  });

  it('stores of a plan what is not so anyway', () => {
    const planOf = (plan: string) => {
      const reading = readCatalog(withPlan(`{ slug: p, prices: [], ${plan} }`), 'p.yaml');
      return reading.ok && reading.catalog.plans[0];
    };
    const plain = { slug: 'p', calendar: false, timezone: 'UTC', prices: [] };
    expect(planOf('afterEnd: none, trialUsage: charged')).toEqual(plain);
    expect(planOf('afterEnd: default, trialUsage: free')).toEqual({
      ...plain,
      afterEnd: 'default',
      trialUsage: 'free',
    });
  });

  it('asks of the default plan itself, and where there is none, nothing of what comes after a plan (T9)', () => {
    expect(errorsOf(withPlan('{ slug: p, prices: [] }'))).toEqual([]);
    expect(errorsOf(`${withPlan('{ slug: p, prices: [] }')}defaultPlan: p\n`)).toEqual([]);
    const two = `${withPlan('{ slug: p, afterEnd: none, prices: [] }')}  - { slug: q, prices: [] }\ndefaultPlan: q\n`;
    expect(errorsOf(two)).toEqual([]);
  });
});

describe('midnights that are no window boundaries', () => {
  const plan = (rest: string) =>
    `{ slug: p, ${rest}, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "1" } ] }`;

  it.each([
    ['calendar: true, timezone: America/New_York', '1d', 'meter it with window: 1h'],
    ['calendar: true, timezone: Asia/Kolkata', '1h', 'meter it with window: 15m'],
    ['calendar: true, timezone: Asia/Kathmandu', '1h', 'meter it with window: 15m'],
  ])('refuses %s for a window of %s', (rest, window, hint) => {
    expect(errorsOf(withPlan(plan(rest), window)).join('\n')).toContain(hint);
  });

  it.each([
    ['calendar: true, timezone: America/New_York', '1h'],
    ['calendar: true, timezone: Asia/Kathmandu', '15m'],
    ['calendar: true, timezone: UTC', '1d'],
    // Counted from a start, which may lie within a window in any zone.
    ['timezone: Asia/Kolkata', '1d'],
    ['timezone: Australia/Lord_Howe', '1h'],
  ])('accepts %s for a window of %s', (rest, window) => {
    expect(errorsOf(withPlan(plan(rest), window))).toEqual([]);
  });

  it('accepts every zone for a meter that says no window', () => {
    const text = withPlan(plan('calendar: true, timezone: Asia/Kathmandu'));
    expect(errorsOf(text)).toEqual([expect.stringContaining('midnight in Asia/Kathmandu')]);
    expect(errorsOf(text.replace(', window: 1h', ''))).toEqual([]);
  });

  it('holds the default plan to the calendar, even one that is counted from a start for its subscribers', () => {
    const text = withPlan(plan('timezone: Asia/Kolkata'), '1d');
    expect(errorsOf(text)).toEqual([]);
    expect(errorsOf(`${text}defaultPlan: p\n`).join('\n')).toMatch(
      /^p\.yaml:6:14 defaultPlan: midnight in Asia\/Kolkata/,
    );
  });
});

describe('hostile files', () => {
  it('refuses a billion laughs', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x,x]'];
    for (let i = 1; i < 10; i += 1) {
      const [name, before] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      bomb.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`);
    }
    expect(errorsOf(bomb.join('\n')).join('\n')).toContain('uses YAML aliases');
  });

  it.each(['? [a, b]\n: c\n', 'meters: { ? {a: 1} : 2 }\n', 'currency: USD\n1: a\n"1": b\n'])(
    'refuses a key that is no string, or one only once printed: %j',
    (text) => {
      expect(errorsOf(text)).not.toEqual([]);
    },
  );

  it('allows an alias for tiers that two prices share', () => {
    const price = (slug: string, tiers: string) =>
      `{ slug: ${slug}, meter: tokens, model: graduated, tiers: ${tiers} }`;
    expect(
      errorsOf(withPrice(`${price('a', '&t [ { upTo: null, unitAmount: "1" } ]')}\n      - ${price('b', '*t')}`)),
    ).toEqual([]);
    expect(
      errorsOf(withPrice(`${price('a', '&t [ { upTo: null, unitAmount: 1 } ]')}\n      - ${price('b', '*t')}`)),
    ).toHaveLength(2);
  });

  it('refuses deep nesting and large files without falling over', () => {
    expect(errorsOf('['.repeat(200_000)).length).toBeGreaterThan(0);
    expect(errorsOf(`currency: USD\nmeters: ${'['.repeat(20_000)}${']'.repeat(20_000)}`).length).toBeGreaterThan(0);
    expect(errorsOf(`# ${'x'.repeat(CATALOG_BYTES_MAX)}`)).toEqual([
      `p.yaml:1:1 is larger than ${CATALOG_BYTES_MAX} bytes`,
    ]);
  });
});
