import { isAscii } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Catalog, Meter } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { admitPlainly } from '../../test/support/plain-admission.ts';
import type { EventForm } from './admission.ts';
import { EVENT_BYTES_MAX } from './event-scanner.ts';
import { FastAdmission } from './fast-admission.ts';
import { compileMeterChecks } from './meter-checks.ts';

const NOW = Date.UTC(2026, 10, 20, 10);

const meter = (slug: string, more: Partial<Meter>): Meter =>
  aMeter(slug, { eventType: 'call', valuePath: ['n'], ...more });

const catalog: Catalog = {
  currency: 'USD',
  meters: [
    meter('n', { dimensions: by('model', 'op') }),
    meter('users', { aggregation: 'unique', valuePath: ['user'] }),
    meter('calls', { aggregation: 'count', valuePath: null, dimensions: by('op') }),
    meter('must', { eventType: 'must', required: true }),
    meter('deep', { eventType: 'deep', valuePath: ['usage', 'n'] }),
    meter('dotted', { eventType: 'other', valuePath: ['gen_ai.n'], dimensions: by('gen_ai.model') }),
    meter('all', { eventType: 'wide', valuePath: [null] }),
    // Of events that fail, even one that has no number is taken.
    meter('done', { eventType: 'job', required: true, where: [{ path: ['op'], isNot: true, values: ['', 'a', '7'] }] }),
    meter('fresh', {
      eventType: 'sum',
      valuePath: null,
      precision: 'exact',
      addends: [
        { path: ['n'], factor: '1' },
        { path: ['z'], factor: '-0.5' },
      ],
      where: [{ path: ['model'], isNot: false, values: ['', 'a', 'true', '0.5', '12'] }],
    }),
    meter('whole', {
      eventType: 'sum',
      valuePath: null,
      addends: [
        { path: ['n'], factor: '999999999' },
        { path: ['op'], factor: '-1' },
      ],
    }),
  ],
  plans: [],
  defaultPlan: null,
};
const context = {
  tenant: 'acme',
  subjects: null,
  now: NOW,
  horizonMs: 35 * 86_400_000,
  checks: compileMeterChecks(catalog, ruleSet(NEWEST_RULE_SET)),
};
const fast = new FastAdmission();

/** The event that is all of a text, or null where it is not for the fast way. */
function admitFast(text: string, form: EventForm = 'any'): UsageEvent | null {
  const bytes = Buffer.from(text);
  if (!isAscii(bytes)) return null;
  const event = fast.take(bytes, text, 0, bytes.length, form, context);
  return text.slice(fast.at).trim() === '' ? event : null;
}

/** What the plain rules accept. */
function admitPlain(text: string, form: EventForm = 'any'): UsageEvent | null {
  const bodyForm = form === 'any' ? 'json' : 'cloudevent';
  const outcome = admitPlainly(bodyForm, {}, Buffer.from(text), context);
  return typeof outcome === 'string' || outcome.rejected.length > 0 ? null : (outcome.accepted[0] ?? null);
}

const value = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.oneof(fc.nat(), fc.constantFrom(0, 0.5, 12.25, 1e-6, 1e-7, -3, -0, 123456789012345, 2 ** 53)),
  },
  { weight: 4, arbitrary: fc.constantFrom('chat', '', '12', '1.5', 'a"b', 'é', 'x'.repeat(300), '1'.repeat(30)) },
  { weight: 2, arbitrary: fc.constantFrom(true, false, null) },
  { weight: 1, arbitrary: fc.constantFrom<unknown>([], {}, [1], { n: 1 }) },
);
const data = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.dictionary(
      fc.constantFrom('n', 'model', 'op', 'user', 'z', 'a b', '7', 'gen_ai.n', 'gen_ai.model'),
      value,
      { maxKeys: 6 },
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(null, 'text', [], { usage: { n: 1 } }, undefined) },
);
const name = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('call', 'e1', 'must', 'deep', 'other', 'wide', 'job', 'sum', 'cus_1') },
  { weight: 1, arbitrary: fc.constantFrom<unknown>('', null, 7, undefined, 'y'.repeat(257), 'a\nb', 'ü') },
);
const time = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(undefined, '2026-11-20T09:00:00Z', '2026-11-20T10:00:00.123+01:00') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(null, '', 'now', '2020-01-01T00:00:00Z', '2027-01-01T00:00:00Z', 5),
  },
);
const event = fc.record({
  id: name,
  source: fc.constantFrom<unknown>(undefined, undefined, undefined, 'app', '', null, 3),
  type: name,
  subject: name,
  time,
  data,
});
/** Good events, nearly all. */
const goodEvent = fc.record({
  id: fc.constantFrom('e1', 'e2'),
  type: fc.constantFrom('call', 'other', 'job', 'sum'),
  subject: fc.constant('cus_1'),
  time: fc.constantFrom(undefined, '2026-11-20T09:00:00Z'),
  data: fc.dictionary(
    fc.constantFrom('n', 'model', 'op', 'z', 'gen_ai.n', 'gen_ai.model'),
    fc.oneof(fc.nat(), fc.constantFrom('a', 0.5, true, null, '7')),
  ),
});

/** What makes an event a CloudEvent, or nearly. */
const attributes = fc.record(
  {
    specversion: fc.constantFrom<unknown>('1.0', '1.0', '1.0', '1.0', '0.3', 1, null),
    source: fc.constantFrom<unknown>('/s', '/s', '/s', '', undefined),
    datacontenttype: fc.constantFrom<unknown>(
      ...['application/json', 'application/json', undefined, 'text/json; charset=utf-8', 'text/xml', '', null, 7],
    ),
    traceparent: fc.constantFrom<unknown>(undefined, '00-ab', 7, true, null, {}, 1e21),
    data_base64: fc.constantFrom<unknown>(undefined, undefined, undefined, undefined, null, 'e30='),
  },
  { requiredKeys: ['source'] },
);
const form = fc.constantFrom<EventForm>('any', 'cloudevents');

/** As other languages write JSON: with a space behind each comma and colon, or over several lines. */
const layouts: readonly ((value: unknown) => string)[] = [
  (value) => JSON.stringify(value),
  (value) => JSON.stringify(value, null, 1).replaceAll(/\n */g, ' '),
  (value) => ` ${JSON.stringify(value, null, '\t')}\r\n`,
];
const nativeEvent = fc.oneof({ weight: 2, arbitrary: goodEvent }, { weight: 1, arbitrary: event });
/** The attributes stand before the other fields, or behind them. */
const cloudEvent = fc
  .tuple(nativeEvent, attributes, fc.boolean())
  .map(([fields, more, isFirst]) => (isFirst ? { ...more, ...fields, ...more } : { ...fields, ...more }));
const body = fc
  .tuple(fc.oneof(nativeEvent, cloudEvent), fc.constantFrom(...layouts))
  .map(([value, write]) => write(value));

/** With further members. */
const cloud = (more = ''): string =>
  `{"specversion":"1.0","source":"/s","id":"e1","type":"call","subject":"c","data":{"n":1}${more && `,${more}`}}`;

describe('fast admission', () => {
  it('accepts what the plain rules accept, as they do, or leaves it to them', () => {
    let taken = 0;
    let cloudEventsTaken = 0;
    fc.assert(
      fc.property(body, form, (text, as) => {
        const admitted = admitFast(text, as);
        if (admitted === null) return;
        taken++;
        if (text.includes('specversion')) cloudEventsTaken++;
        expect(admitted).toEqual(admitPlain(text, as));
      }),
      { numRuns: 4_000 },
    );
    expect(taken).toBeGreaterThan(100);
    expect(cloudEventsTaken).toBeGreaterThan(30);
  });

  it('accepts no text that the plain rules do not, however it is damaged', () => {
    const damage = fc.record({
      at: fc.nat(),
      text: fc.constantFrom(
        '',
        '"',
        '\\',
        ',',
        ':',
        '{',
        '}',
        '[',
        ']',
        '0',
        '-',
        '.',
        'e',
        ' ',
        '\n',
        '\u0000',
        'é',
        '"n":1,',
        '"specversion":"1.0",',
        'null',
      ),
      cut: fc.nat(2),
    });
    fc.assert(
      fc.property(body, form, fc.array(damage, { minLength: 1, maxLength: 2 }), (text, as, damages) => {
        let damaged = text;
        for (const { at, text: put, cut } of damages) {
          const place = at % (damaged.length + 1);
          damaged = damaged.slice(0, place) + put + damaged.slice(place + cut);
        }
        const admitted = admitFast(damaged, as);
        if (admitted !== null) expect(admitted).toEqual(admitPlain(damaged, as));
      }),
      { numRuns: 6_000 },
    );
  });

  it.each([
    ['one event', '{"id":"e1","type":"call","subject":"c","data":{"n":3,"model":"m","op":"chat"}}'],
    ['an event without data', '{"id":"e1","type":"call","subject":"c","time":"2026-11-20T09:00:00Z"}'],
    ['spaces', ' { "id": "e1", "type": "call", "subject": "c", "data": { "op": "a", "n": 0.25, "model": true } } '],
    ['a quantity as text', '{"id":"e1","type":"call","subject":"c","data":{"n":"12"}}'],
    ['a value that is null', '{"id":"e1","type":"call","subject":"c","data":{"n":null,"user":"u1"}}'],
    [
      'a value by a name with dots',
      '{"id":"e1","type":"other","subject":"c","data":{"gen_ai.n":3,"gen_ai.model":"m"}}',
    ],
    ['an empty source', '{"id":"e1","source":"","type":"call","subject":"c"}'],
    ['a CloudEvent', cloud()],
    [
      'a CloudEvent that says so at its end',
      '{"id":"e1","source":"/s","type":"call","subject":"c","specversion":"1.0"}',
    ],
    ['a type of data that is JSON', cloud('"datacontenttype":"application/vnd.usage+json; charset=utf-8"')],
    ['extensions', cloud('"traceparent":"00-ab","sequence":7,"sampled":true,"tenant":null,"__proto__":1')],
  ])('takes %s, and it is what the plain rules make of it', (_, text) => {
    const admitted = admitFast(text);
    expect(admitted).not.toBeNull();
    expect(admitted).toEqual(admitPlain(text));
  });

  it.each([
    ['an event that is cut', '{"id":"e1","type":"call","subject":"c"'],
    ['an array', '[{"id":"e1","type":"call","subject":"c"}]'],
    ['a key that stands there twice', '{"id":"e1","id":"e2","type":"call","subject":"c"}'],
    ['data that stands there twice', '{"id":"e1","type":"call","subject":"c","data":{},"data":{}}'],
    ['a member that stands there twice', '{"id":"e1","type":"call","subject":"c","data":{"n":1,"n":2}}'],
    ['keys that are numbers', '{"id":"e1","type":"call","subject":"c","data":{"b":1,"7":2}}'],
    ['an escape', '{"id":"e\\u0031","type":"call","subject":"c"}'],
    ['other characters', '{"id":"é","type":"call","subject":"c"}'],
    ['a number in another form', '{"id":"e1","type":"call","subject":"c","data":{"n":1.0}}'],
    ['a number of many digits', '{"id":"e1","type":"call","subject":"c","data":{"n":1234567890123456}}'],
    ['a comma too many', '{"id":"e1","type":"call","subject":"c","data":{"n":1,}}'],
    ['an object in the data', '{"id":"e1","type":"call","subject":"c","data":{"o":{}}}'],
    ['a field that is none', '{"id":"e1","type":"call","subject":"c","plan":"x"}'],
    [
      'a type of data, in an event that is no CloudEvent',
      '{"id":"e1","type":"call","subject":"c","datacontenttype":"application/json"}',
    ],
    ['another version of CloudEvents', cloud().replace('1.0', '1.1')],
    ['a version that is a number', cloud().replace('"1.0"', '1')],
    ['a version that stands there twice', cloud('"specversion":"1.0"')],
    ['a CloudEvent without a source', cloud().replace('"source":"/s",', '')],
    ['a CloudEvent whose source is empty', cloud().replace('"/s"', '""')],
    ['data that is no JSON', cloud('"datacontenttype":"text/xml"')],
    ['data in base64', cloud('"data_base64":"e30="')],
    ['an extension that is an object', cloud('"trace":{}')],
    ['more extensions than events have', cloud(Array.from({ length: 65 }, (_, i) => `"x${i}":1`).join())],
    ['an extension that is too much to read', cloud(`"x":"${'x'.repeat(EVENT_BYTES_MAX)}"`)],
    ['white space that is too much to read', `{${' '.repeat(EVENT_BYTES_MAX)}${cloud().slice(1)}`],
    ['a missing value', '{"id":"e1","type":"must","subject":"c","data":{}}'],
    ['a meter of all members', '{"id":"e1","type":"wide","subject":"c","data":{"n":1}}'],
    ['a meter that reads deeper', '{"id":"e1","type":"deep","subject":"c","data":{"n":1}}'],
  ])('leaves %s to the plain rules', (_, text) => {
    expect(admitFast(text)).toBeNull();
  });

  it('leaves an event of our own form to the plain rules where CloudEvents must stand', () => {
    const text = '{"id":"e1","source":"/s","type":"call","subject":"c"}';
    expect(admitFast(text)).not.toBeNull();
    expect(admitFast(text, 'cloudevents')).toBeNull();
  });

  it('leaves an event of another subject to the plain rules where the key is limited to some', () => {
    const ofCustomer = { ...context, subjects: ['cus_1'] };
    const take = (subject: string) => {
      const text = `{"id":"e1","type":"call","subject":"${subject}"}`;
      return fast.take(Buffer.from(text), text, 0, text.length, 'any', ofCustomer);
    };
    expect(take('cus_1')).toMatchObject({ subject: 'cus_1' });
    for (const subject of ['cus_2', 'cus_11', 'cus_', 'CUS_1', 'cus_1 ']) expect(take(subject)).toBeNull();
  });

  it('keeps nothing of the body before', () => {
    admitFast('{"id":"e1","source":"app","type":"call","subject":"c","time":"2026-11-20T09:00:00Z","data":{"n":1}}');
    const text = '{"id":"e2","type":"call","subject":"c"}';
    expect(admitFast(text)).toEqual(admitPlain(text));
    expect(admitFast(cloud('"traceparent":"x","datacontenttype":"application/json"'))).not.toBeNull();
    expect(admitFast(text)).toEqual(admitPlain(text));
  });
});
