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

const withSubscription = (plan: string, subscriptions: string, window = '1h') => `currency: USD
meters:
  - { slug: tokens, eventType: llm, aggregation: sum, value: data.n, window: ${window} }
plans:
  - ${plan}
subscriptions: ${subscriptions}
`;

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
subscriptions:
  - { subject: s, plan: p, startsAt: "2026-11-01T02:00:00+02:00", tenant: acme }
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
            billingPeriod: 'month',
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
        subscriptions: [{ subject: 's', plan: 'p', startsAt: Date.UTC(2026, 10, 1), tenant: 'acme' }],
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
      'p.yaml:3:50 meters[0].aggregation: must be one of sum, count, max, min, latest, unique, got "total"',
      'p.yaml:4:13 meters[1].slug: "tokens" is already the slug of meters[0]',
      'p.yaml:4:32 meters[1].eventType: must be a string, got number 7 (quote it)',
      'p.yaml:4:60 meters[1].value: must be a path below data, such as data.input_tokens, got "input_tokens"',
      'p.yaml:6:88 plans[0].prices[1].flatAmount: is missing',
      'p.yaml:6:99 plans[0].prices[1].meter: unknown key; known here: slug, model, flatAmount',
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
      'prices[0].meter: unknown key; known here: slug, model, flatAmount',
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
      'a subscription to no plan',
      withSubscription('{ slug: p, prices: [] }', '[ { subject: s, plan: q, startsAt: 2026-11-01T00:00:00Z } ]'),
      'subscriptions[0].plan: there is no plan "q"',
    ],
    [
      'a day that does not exist',
      withSubscription('{ slug: p, prices: [] }', '[ { subject: s, plan: p, startsAt: 2026-02-30T00:00:00Z } ]'),
      'startsAt: must be an RFC 3339 time',
    ],
    [
      'a time without an offset',
      withSubscription('{ slug: p, prices: [] }', '[ { subject: s, plan: p, startsAt: 2026-11-01T00:00:00 } ]'),
      'startsAt: must be an RFC 3339 time',
    ],
    [
      'two subscriptions at once',
      withSubscription(
        '{ slug: p, prices: [] }',
        '[ { subject: s, plan: p, startsAt: 2026-11-01T00:00:00Z }, { subject: s, plan: p, startsAt: 2026-11-01T01:00:00+01:00 } ]',
      ),
      'subscriptions[1].startsAt: subscriptions[0] already starts at this time',
    ],
  ];
  it.each(bad)('refuses %s', (_, text, error) => {
    expect(errorsOf(text).join('\n')).toContain(error);
  });

  it('keeps subjects of two tenants apart', () => {
    const subscription = (tenant: string) =>
      `{ subject: s, plan: p, startsAt: 2026-11-01T00:00:00Z, tenant: ${tenant} }`;
    expect(
      errorsOf(withSubscription('{ slug: p, prices: [] }', `[ ${subscription('a')}, ${subscription('b')} ]`)),
    ).toEqual([]);
  });
});

describe('period boundaries that are no window boundaries', () => {
  const plan = (rest: string) =>
    `{ slug: p, ${rest}, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "1" } ] }`;
  const subscription = (startsAt: string) => `[ { subject: s, plan: p, startsAt: ${startsAt} } ]`;

  it.each([
    ['calendar: true, timezone: America/New_York', '1d', 'meter it with window: 1h'],
    ['calendar: true, timezone: Asia/Kolkata', '1h', 'meter it with window: 15m'],
    ['calendar: true, timezone: Asia/Kathmandu', '1h', 'meter it with window: 15m'],
    ['timezone: America/New_York', '1d', 'meter it with window: 1h'],
    ['timezone: Australia/Lord_Howe', '1h', 'meter it with window: 15m'],
  ])('refuses %s for a window of %s', (rest, window, hint) => {
    expect(errorsOf(withSubscription(plan(rest), '[]', window)).join('\n')).toContain(hint);
  });

  it.each([
    ['calendar: true, timezone: America/New_York', '1h'],
    ['calendar: true, timezone: Asia/Kathmandu', '15m'],
    ['calendar: true, timezone: UTC', '1d'],
    // No daylight saving: a day after a UTC midnight is a UTC midnight, whatever the clocks there show.
    ['timezone: Asia/Kolkata', '1d'],
  ])('accepts %s for a window of %s', (rest, window) => {
    expect(errorsOf(withSubscription(plan(rest), '[]', window))).toEqual([]);
  });

  it('accepts every zone, and a start at every quarter of an hour, for a meter that says no window', () => {
    const text = withSubscription(
      plan('calendar: true, timezone: Asia/Kathmandu'),
      subscription('2026-11-01T10:45:00Z'),
    ).replace(', window: 1h', '');
    expect(errorsOf(text)).toEqual([]);
    expect(errorsOf(text.replace('10:45', '10:50')).join('\n')).toContain('must be the start of a 15m window');
  });

  it('refuses a subscription that starts inside a window', () => {
    expect(errorsOf(withSubscription(plan('timezone: UTC'), subscription('2026-11-01T10:30:00Z')))).toEqual([
      'p.yaml:6:51 subscriptions[0].startsAt: must be the start of a 1h window (aligned to UTC) of meter "tokens", such as ' +
        '2026-11-01T10:00:00Z or 2026-11-01T11:00:00Z',
    ]);
    expect(errorsOf(withSubscription(plan('timezone: UTC'), subscription('2026-11-01T10:00:00Z')))).toEqual([]);
    expect(errorsOf(withSubscription(plan('timezone: UTC'), subscription('2026-11-01T10:30:00Z'), '1m'))).toEqual([]);
  });

  it('refuses a start that cuts a window of the plan before it, here the default plan', () => {
    const text = `${withSubscription('{ slug: free, prices: [] }\n  - { slug: metered, prices: [ { slug: a, meter: tokens, model: per_unit, unitAmount: "1" } ] }', '[ { subject: s, plan: free, startsAt: 2026-11-01T10:30:00Z } ]')}`;
    expect(errorsOf(text)).toEqual([]);
    expect(errorsOf(`${text}defaultPlan: metered\n`).join('\n')).toContain(
      'subscriptions[0].startsAt: must be the start of a 1h window',
    );
  });

  it('holds the default plan to calendar months, even one that is anchored for its subscribers', () => {
    const text = withSubscription(plan('timezone: Asia/Kolkata'), '[]', '1d');
    expect(errorsOf(text)).toEqual([]);
    expect(errorsOf(`${text}defaultPlan: p\n`).join('\n')).toMatch(
      /^p\.yaml:7:14 defaultPlan: midnight in Asia\/Kolkata/,
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
