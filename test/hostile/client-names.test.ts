// No value is asked what it is by a name that its client can write: not an object that poses as a number of ours, and
// none whose members are named as those that every object of JavaScript has. Each is an event like any other, is taken
// or rejected as one, and leaves the events beside it alone.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { emptyCatalog } from '../../domain/catalog/catalog.ts';
import { readCatalog } from '../../domain/catalog/catalog-file.ts';
import { parseExactJson } from '../../domain/json/exact-json.ts';
import { metersByType, readMeters } from '../../domain/metering/meter-reading.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { type Answer, type Gateway, startGateway } from '../bad-input/gateway.ts';
import { good } from '../bad-input/http-requests.cases.ts';
import { sampleCatalog } from '../fuzz/targets/catalog-sample.ts';

const names = [
  ...['constructor', 'toString', 'valueOf', '__proto__', 'toJSON', 'then', 'length', 'prototype', 'hasOwnProperty'],
  ...['isLosslessNumber', 'value', 'text', 'name', 'message', 'code', 'get', 'type', 'Symbol(Symbol.toPrimitive)'],
];
/** Each under every name, and all of them together. */
const values = [
  '1',
  '"x"',
  'null',
  '{}',
  '[]',
  '{"name":"LosslessNumber"}',
  '{"name":"ExactNumber","text":"5"}',
  '1e1',
];
const objects = [
  ...names.flatMap((name) => values.map((value) => `{"${name}":${value}}`)),
  '{"constructor":{"name":"LosslessNumber"},"toString":1}',
  '{"constructor":{"name":"ExactNumber"},"text":"5","toString":"5","valueOf":5,"toJSON":"5","length":1}',
  '{"isLosslessNumber":true,"value":"5","type":"number"}',
  `{${names.map((name) => `"${name}":1`).join(',')}}`,
];

const eventText = (members: Readonly<Record<string, string>>): string => {
  const all = Object.entries({ id: '"odd"', type: '"llm"', subject: '"cus"', ...members });
  return `{${all.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`;
};
const withData = (data: string): string => eventText({ data });

interface Said {
  readonly accepted: number;
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly field: string | null }[];
}

let gateway: Gateway;

/** Sends each text between two good events, all of them in one batch and in lines. */
async function sendBetween(texts: readonly string[]): Promise<Said> {
  const all = texts.flatMap((text, index) => [good(`before-${index}`), text]).concat(good('last'));
  const answers: Answer[] = [
    await gateway.post(`[${all.join(',')}]`),
    await gateway.post(all.join('\n'), { 'content-type': 'application/x-ndjson' }),
  ];
  const [batch, lines] = answers.map(({ status, text }) => {
    expect([200, 207]).toContain(status);
    return JSON.parse(text) as Said;
  }) as [Said, Said];
  expect(lines).toEqual(batch);
  return batch;
}

beforeAll(async () => {
  gateway = await startGateway();
});
afterEach(() => {
  gateway.takeEvents();
});
afterAll(async () => {
  await gateway.stop();
});

describe('an object with members that every object of JavaScript has', () => {
  it.each<[string, string, string | null, string | null]>([
    ['an id', 'id', 'invalid_field', 'id'],
    ['a type', 'type', 'invalid_field', 'type'],
    ['a subject', 'subject', 'invalid_field', 'subject'],
    ['a source', 'source', 'invalid_field', 'source'],
    ['a time', 'time', 'invalid_time', 'time'],
  ])('is rejected as %s', async (_, field, code, named) => {
    const { accepted, rejected } = await sendBetween(objects.map((object) => eventText({ [field]: object })));
    expect(accepted).toBe(objects.length + 1);
    for (const rejection of rejected) expect(rejection).toMatchObject({ code, field: named });
    expect(rejected.map(({ index }) => index)).toEqual(objects.map((_object, place) => 2 * place + 1));
  });

  it.each([
    ['a value that a meter sums', 'tokens', 'invalid_value'],
    ['a value that a meter counts as unique', 'user', 'invalid_value'],
    ['a group', 'model', 'invalid_group'],
  ])('is rejected as %s', async (_, member, code) => {
    const texts = objects.map((object) => withData(`{"tokens":1,"${member}":${object}}`));
    const { accepted, rejected } = await sendBetween(texts);
    expect(accepted).toBe(objects.length + 1);
    expect(rejected).toHaveLength(objects.length);
    for (const rejection of rejected) expect(rejection).toMatchObject({ code, field: `data.${member}` });
  });

  it('is data like any other, at every level, and what a meter reads of it is read in the log', async () => {
    const texts = objects.flatMap((object) => [
      withData(object),
      withData(`{"tokens":7,"note":${object}}`),
      withData(`{"tokens":7,"list":[[${object}],1e2]}`),
    ]);
    const { accepted, rejected } = await sendBetween(texts);
    expect([accepted, rejected]).toEqual([2 * texts.length + 1, []]);
    const meters = metersByType(sampleCatalog).get('llm')!;
    for (const { data } of gateway.takeEvents())
      expect(readMeters(meters, parseExactJson(data), ruleSet(NEWEST_RULE_SET))).toMatchObject({ unread: [] });
  });

  it('is no event', async () => {
    const { rejected } = await sendBetween(objects);
    expect(rejected).toHaveLength(objects.length);
    for (const { code } of rejected) expect(['unknown_field', 'missing_field', 'invalid_field']).toContain(code);
  });

  it('is rejected in every attribute of a CloudEvent', async () => {
    const attributes = ['id', 'source', 'type', 'subject', 'time', 'specversion', 'datacontenttype', 'data_base64'];
    const texts = attributes.flatMap((attribute) =>
      objects.map((object) => eventText({ specversion: '"1.0"', source: '"/s"', [attribute]: object })),
    );
    const answer = await gateway.post(
      `[${[...texts, eventText({ specversion: '"1.0"', source: '"/s"' })].join(',')}]`,
      {
        'content-type': 'application/cloudevents-batch+json',
      },
    );
    expect(answer.status).toBe(207);
    expect(JSON.parse(answer.text)).toMatchObject({ accepted: 1, rejected: { length: texts.length } });
  });
});

describe('such a name as a text', () => {
  it('names events, types, subjects and sources', async () => {
    const texts = names.map((name) => {
      const text = JSON.stringify(name);
      return eventText({ id: text, type: text, subject: text, source: text, data: `{"model":${text}}` });
    });
    expect(await sendBetween(texts)).toEqual({ accepted: 2 * names.length + 1, rejected: [] });
  });

  it('is an unknown field of an event', async () => {
    const unknown = names.filter((name) => name !== 'type');
    const { rejected } = await sendBetween(unknown.map((name) => eventText({ [name]: '1' })));
    expect(rejected.map(({ code, field }) => [code, field])).toEqual(unknown.map((name) => ['unknown_field', name]));
  });

  it('names attributes in the headers of a CloudEvent in binary mode, which are ignored', async () => {
    for (const name of names.filter((name) => /^\w+$/.test(name) && name !== 'type')) {
      const answer = await gateway.post('{"tokens":1}', {
        ...{ 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': '/s', 'ce-type': 'llm', 'ce-subject': 'cus' },
        [`ce-${name}`]: 'x',
      });
      expect([name, answer.status, answer.text]).toEqual([name, 200, '{"accepted":1,"rejected":[]}']);
    }
  });
});

describe('a catalog that uses such names', () => {
  /**
   * A slug begins with a letter or digit, so __proto__ is none; the name of a group may not be one of an object's own.
   */
  const slugs = names.filter((name) => /^[A-Za-z]\w*$/.test(name));
  const yaml = [
    'currency: USD',
    'meters:',
    ...slugs.map(
      (name) =>
        `  - {slug: ${name}, eventType: __proto__, aggregation: sum, value: data.${name}, groupBy: {of.${name}: data.of.${name}}}`,
    ),
    'plans:',
    ...slugs.map(
      (name) =>
        `  - {slug: ${name}, prices: [{slug: ${name}, model: per_unit, meter: ${name}, unitAmount: "1", match: {of.${name}: ${name}}}]}`,
    ),
  ].join('\n');

  it('is read, and meters by them', async () => {
    const reading = readCatalog(yaml, 'names.yaml');
    if (!reading.ok) throw new Error(JSON.stringify(reading.errors));
    const { catalog } = reading;
    expect(catalog.meters.map(({ slug }) => slug)).toEqual(slugs);
    const own = await startGateway({ catalog: { ...emptyCatalog, ...catalog } });
    try {
      const members = slugs.map((name, index) => `"${name}":${index}`).join(',');
      const groups = slugs.map((name) => `"${name}":"${name}"`).join(',');
      const event = eventText({ type: '"__proto__"', data: `{${members},"of":{${groups}}}` });
      const bad = eventText({ type: '"__proto__"', data: `{${members},"of":{"constructor":{}}}` });
      const answer = await own.post(`[${event},${bad}]`);
      expect(JSON.parse(answer.text)).toMatchObject({
        accepted: 1,
        rejected: [{ code: 'invalid_group', field: 'data.of.constructor' }],
      });
      const { data } = own.takeEvents()[0]!;
      const read = readMeters(metersByType(catalog).get('__proto__')!, parseExactJson(data), ruleSet(NEWEST_RULE_SET));
      expect(read).toEqual({
        readings: catalog.meters.map((meter, index) =>
          expect.objectContaining({ meter, quantity: BigInt(index) * 10n ** 12n }),
        ),
        unread: [],
      });
    } finally {
      await own.stop();
    }
  });

  it.each(names)('that has a key %s where none is known names it', (name) => {
    const reading = readCatalog(`currency: USD\n${name}: {}\n`, 'names.yaml');
    expect(reading.ok).toBe(false);
    expect(reading.ok ? [] : reading.errors.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('unknown key'),
    );
  });
});
