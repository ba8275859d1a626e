import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { needsExactParser, parseExactJson } from '../../domain/json/exact-json.ts';
import { pick } from '../../domain/json/json-path.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { readQuantity } from '../../domain/number/quantity.ts';
import { Rejection } from '../../domain/rejection.ts';
import { dedupKeyOf, type UsageEvent } from '../../domain/usage-event.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { type AdmissionContext, admit, type EventForm, reportedId } from './admission.ts';
import { compileMeterChecks } from './meter-checks.ts';

const NOW = Date.parse('2026-11-20T10:00:00Z');
const DAY_MS = 86_400_000;

const checks = compileMeterChecks(
  {
    meters: [
      aMeter('tokens', { dimensions: [{ name: 'model', path: ['model'] }] }),
      aMeter('nested', { valuePath: ['usage', 'total'], dimensions: [{ name: 'region', path: ['where', 'region'] }] }),
      aMeter('calls', { aggregation: 'count', valuePath: null }),
      aMeter('peak', { aggregation: 'max' }),
      aMeter('users', { aggregation: 'unique', valuePath: ['user'] }),
      aMeter('seconds', { eventType: 'audio', required: true }),
      aMeter('seats', { eventType: 'seat', aggregation: 'unique', valuePath: ['seat'], required: true }),
    ],
  },
  ruleSet(NEWEST_RULE_SET),
);

/** Admits the event written in `text`, as a body that holds it alone would be read. */
function admitText(
  text: string,
  form: EventForm = 'any',
  context: Partial<AdmissionContext> = {},
): UsageEvent | Rejection {
  return admit(
    parseExactJson(text),
    form,
    { tenant: 'acme', subjects: null, now: NOW, horizonMs: 35 * DAY_MS, checks, ...context },
    needsExactParser(text),
  );
}

/** An event of JSON text, its members given as JSON text; "" leaves one out. */
function eventText(members: Record<string, string> = {}): string {
  const all = { id: '"evt_01"', type: '"llm.completion"', subject: '"cus_42"', ...members };
  return `{${Object.entries(all)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `"${name}":${value}`)
    .join(',')}}`;
}

const admitMembers = (members: Record<string, string>): UsageEvent | Rejection => admitText(eventText(members));

function expectEvent(result: UsageEvent | Rejection): UsageEvent {
  if (result instanceof Rejection) throw new Error(`rejected: ${result.code}: ${result.message}`);
  return result;
}

const long = (characters: number, character = 'x'): string => JSON.stringify(character.repeat(characters));

describe('admit, native form', () => {
  it('gives an event as it goes into the log', () => {
    const text = eventText({
      source: '"api"',
      time: '"2026-11-20T09:59:00.250+00:00"',
      data: '{"model": "m-large", "tokens": 1204}',
    });
    expect(admitText(text)).toEqual({
      tenant: 'acme',
      source: 'api',
      id: 'evt_01',
      type: 'llm.completion',
      subject: 'cus_42',
      eventTime: NOW - 59_750,
      timeGiven: true,
      receivedAt: NOW,
      data: '{"model":"m-large","tokens":1204}',
      dedupKey: dedupKeyOf('acme', 'api', 'evt_01'),
      payloadHash: expect.any(BigInt),
    });
  });

  it('fills in what may be left out', () => {
    const event = expectEvent(admitMembers({}));
    expect(event).toMatchObject({ source: '', eventTime: NOW, timeGiven: false, data: '{}' });
    expect(expectEvent(admitMembers({ source: 'null', time: 'null', data: 'null' }))).toEqual(event);
  });

  it.each<[string, Record<string, string>]>([
    ['an event type that no meter reads', { type: '"unheard.of"', data: '{"tokens":"many"}' }],
    ['256 characters', { id: long(256) }],
    ['256 characters beyond the basic plane', { id: long(256, '😀') }],
    ['controls and separators', { id: '"a\\nb\\u001f|:,/"', subject: '" "' }],
    ['a time 35 days ago to the millisecond', { time: '"2026-10-16T10:00:00.000Z"' }],
    ['a time in 5 minutes to the millisecond', { time: '"2026-11-20T10:05:00.000Z"' }],
    ['a number', { data: '{"tokens":12}' }],
    ['a fraction', { data: '{"tokens":0.000000000001}' }],
    ['zero, however written', { data: '{"tokens":-0}' }],
    ['zero with an exponent', { data: '{"tokens":0e99}' }],
    ['a negative number', { data: '{"tokens":-3.5}' }],
    ['an exponent', { data: '{"tokens":1.5e3}' }],
    ['a text with an exponent', { data: '{"tokens":"1e-7"}' }],
    ['digits beyond the twelfth, as floats have them', { data: '{"tokens":0.30000000000000004}' }],
    ['1e-13, which is rounded to nothing', { data: '{"tokens":1e-13}' }],
    ['a thirteenth fraction digit of text', { data: '{"tokens":"0.0000000000001"}' }],
    ['26 integer and 12 fraction digits', { data: '{"tokens":99999999999999999999999999.999999999999}' }],
    ['a decimal string', { data: '{"tokens":"12.50"}' }],
    ['an absent value', { data: '{"model":"m"}' }],
    ['a null value', { data: '{"tokens":null}' }],
    ['a path that ends early', { data: '{"usage":5}' }],
    ['an empty group value', { data: '{"tokens":1,"model":""}' }],
    ['a number as group value', { data: '{"tokens":1,"model":4.5}' }],
    ['a boolean as group value', { data: '{"tokens":1,"model":true}' }],
    ['null as group value', { data: '{"tokens":1,"model":null}' }],
    ['a group value of a meter that is left alone', { data: '{"model":{"not":"read"}}' }],
    ['a string as unique value', { data: '{"user":"u1"}' }],
    ['a unique value of any length', { data: `{"user":${long(10_000)}}` }],
    ['a boolean as unique value', { data: '{"user":false}' }],
    ['a long number as unique value', { data: '{"user":12345678901234567890}' }],
    ['keys named as prototypes', { data: '{"__proto__":{"tokens":"x"},"constructor":1}' }],
    ['a lone surrogate in data that no meter reads', { data: '{"note":"\\ud800"}' }],
    ['numbers no meter reads, of any size', { data: '{"n":1e999,"m":-1e-999}' }],
    ['64 levels of data', { data: `${'{"a":'.repeat(63)}{}${'}'.repeat(63)}` }],
  ])('takes %s', (_, members) => {
    expectEvent(admitMembers(members));
  });

  it.each<[string, Record<string, string>, string, string | null]>([
    ['no id', { id: '' }, 'missing_field', 'id'],
    ['a null id', { id: 'null' }, 'missing_field', 'id'],
    ['an empty id', { id: '""' }, 'invalid_field', 'id'],
    ['a number as id', { id: '5' }, 'invalid_field', 'id'],
    ['a long number as id', { id: '12345678901234567890' }, 'invalid_field', 'id'],
    ['an object as id', { id: '{}' }, 'invalid_field', 'id'],
    ['an object that poses as text', { id: '{"length":1,"toString":"x"}' }, 'invalid_field', 'id'],
    ['an array as id', { id: '["a"]' }, 'invalid_field', 'id'],
    ['an id of 257 characters', { id: long(257) }, 'invalid_field', 'id'],
    ['an id of 257 characters beyond the basic plane', { id: long(257, '😀') }, 'invalid_field', 'id'],
    ['a lone high surrogate', { id: '"a\\ud800"' }, 'invalid_field', 'id'],
    ['a lone low surrogate', { subject: '"\\udc00b"' }, 'invalid_field', 'subject'],
    ['surrogates in the wrong order', { type: '"\\udc00\\ud800"' }, 'invalid_field', 'type'],
    ['U+0000', { subject: '"a\\u0000b"' }, 'invalid_field', 'subject'],
    ['no type', { type: '' }, 'missing_field', 'type'],
    ['a boolean as type', { type: 'true' }, 'invalid_field', 'type'],
    ['no subject', { subject: '' }, 'missing_field', 'subject'],
    ['an empty subject', { subject: '""' }, 'invalid_field', 'subject'],
    ['a number as source', { source: '0' }, 'invalid_field', 'source'],
    ['false as source', { source: 'false' }, 'invalid_field', 'source'],
    ['a source of 257 characters', { source: long(257) }, 'invalid_field', 'source'],
    ['a lone surrogate in source', { source: '"\\ud83d"' }, 'invalid_field', 'source'],
    ['a misspelt time', { timestamp: '"2026-11-20T10:00:00Z"' }, 'unknown_field', 'timestamp'],
    ['another case of a field', { ID: '"x"' }, 'unknown_field', 'ID'],
    ['__proto__ as a field', { ['__proto__']: '{"time":1}' }, 'unknown_field', '__proto__'],
    [
      'an attribute of CloudEvents alone',
      { datacontenttype: '"application/json"' },
      'unknown_field',
      'datacontenttype',
    ],
    ['a CloudEvent without a source', { specversion: '"1.0"' }, 'missing_field', 'source'],
    [
      'a CloudEvent of another version',
      { specversion: '"0.3"', source: '"/s"' },
      'unsupported_specversion',
      'specversion',
    ],
    ['specversion null', { specversion: 'null', source: '"/s"' }, 'missing_field', 'specversion'],
    ['a number as time', { time: '1763632800000' }, 'invalid_time', 'time'],
    ['an empty time', { time: '""' }, 'invalid_time', 'time'],
    ['a time without an offset', { time: '"2026-11-20T10:00:00"' }, 'invalid_time', 'time'],
    ['30 February', { time: '"2026-02-30T10:00:00Z"' }, 'invalid_time', 'time'],
    ['a time 35 days and a millisecond ago', { time: '"2026-10-16T09:59:59.999Z"' }, 'time_too_old', 'time'],
    ['a time in the year 1', { time: '"0001-01-01T00:00:00Z"' }, 'time_too_old', 'time'],
    ['a time in 5 minutes and a millisecond', { time: '"2026-11-20T10:05:00.001Z"' }, 'time_in_future', 'time'],
    ['a time ahead by its offset alone', { time: '"2026-11-20T10:00:00-01:00"' }, 'time_in_future', 'time'],
    ['data that is a string', { data: '"{}"' }, 'invalid_data', 'data'],
    ['data that is an array', { data: '[]' }, 'invalid_data', 'data'],
    ['data that is a number', { data: '5' }, 'invalid_data', 'data'],
    ['data that is a long number', { data: '12345678901234567890' }, 'invalid_data', 'data'],
    ['data that is false', { data: 'false' }, 'invalid_data', 'data'],
    ['65 levels of data', { data: `${'{"a":'.repeat(64)}{}${'}'.repeat(64)}` }, 'nested_too_deep', 'data'],
    ['50,000 levels of data', { data: `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}` }, 'nested_too_deep', 'data'],
    ['data beyond 256 KiB', { data: `{"a":${long(256 * 1024)}}` }, 'data_too_large', 'data'],
    ['data beyond 256 KiB as UTF-8 alone', { data: `{"a":${long(100_000, '€')}}` }, 'data_too_large', 'data'],
    ['text for a number', { data: '{"tokens":"many"}' }, 'invalid_value', 'data.tokens'],
    ['NaN as text', { data: '{"tokens":"NaN"}' }, 'invalid_value', 'data.tokens'],
    ['infinity as text', { data: '{"tokens":"Infinity"}' }, 'invalid_value', 'data.tokens'],
    ['an empty text for a number', { data: '{"tokens":""}' }, 'invalid_value', 'data.tokens'],
    ['a text with a space', { data: '{"tokens":" 1"}' }, 'invalid_value', 'data.tokens'],
    ['hexadecimal text', { data: '{"tokens":"0x10"}' }, 'invalid_value', 'data.tokens'],
    ['digits of another script', { data: '{"tokens":"١٢"}' }, 'invalid_value', 'data.tokens'],
    ['a boolean for a number', { data: '{"tokens":true}' }, 'invalid_value', 'data.tokens'],
    ['an object for a number', { data: '{"tokens":{}}' }, 'invalid_value', 'data.tokens'],
    [
      'an object that poses as a number',
      { data: '{"tokens":{"isLosslessNumber":true,"value":"1"}}' },
      'invalid_value',
      'data.tokens',
    ],
    ['an array for a number', { data: '{"tokens":[1]}' }, 'invalid_value', 'data.tokens'],
    ['1e999', { data: '{"tokens":1e999}' }, 'invalid_value', 'data.tokens'],
    ['27 integer digits', { data: '{"tokens":100000000000000000000000000}' }, 'invalid_value', 'data.tokens'],
    ['10,000 digits', { data: `{"tokens":${'9'.repeat(10_000)}}` }, 'invalid_value', 'data.tokens'],
    ['10,000 digits of text', { data: `{"tokens":"${'9'.repeat(10_000)}"}` }, 'invalid_value', 'data.tokens'],
    ['a bad value at a path', { data: '{"usage":{"total":"x"}}' }, 'invalid_value', 'data.usage.total'],
    ['a bad value of the second meter', { data: '{"tokens":1,"peak":[]}' }, 'invalid_value', 'data.peak'],
    ['an object as unique value', { data: '{"user":{}}' }, 'invalid_value', 'data.user'],
    ['a lone surrogate as unique value', { data: '{"user":"\\ud800"}' }, 'invalid_value', 'data.user'],
    ['a missing required value', { type: '"audio"', data: '{}' }, 'missing_value', 'data.seconds'],
    ['a missing required value and no data', { type: '"audio"' }, 'missing_value', 'data.seconds'],
    ['a null required value', { type: '"audio"', data: '{"seconds":null}' }, 'missing_value', 'data.seconds'],
    ['a missing required unique value', { type: '"seat"', data: '{"other":1}' }, 'missing_value', 'data.seat'],
    [
      'a value inherited and not own',
      { type: '"audio"', data: '{"__proto__":{"seconds":1}}' },
      'missing_value',
      'data.seconds',
    ],
    ['an object as group value', { data: '{"tokens":1,"model":{}}' }, 'invalid_group', 'data.model'],
    ['an array as group value', { data: '{"tokens":1,"model":["m"]}' }, 'invalid_group', 'data.model'],
    ['a group value of 257 characters', { data: `{"tokens":1,"model":${long(257)}}` }, 'invalid_group', 'data.model'],
    ['a lone surrogate as group value', { data: '{"tokens":1,"model":"\\udfff"}' }, 'invalid_group', 'data.model'],
    ['U+0000 as group value', { data: '{"tokens":1,"model":"\\u0000"}' }, 'invalid_group', 'data.model'],
    [
      'a bad group value at a path',
      { data: '{"usage":{"total":1},"where":{"region":[]}}' },
      'invalid_group',
      'data.where.region',
    ],
  ])('rejects %s', (_, members, code, field) => {
    const result = admitMembers(members);
    expect(result).toBeInstanceOf(Rejection);
    expect(result).toMatchObject({ code, field });
    // Whatever was sent, what is said about it is short and can be written as UTF-8.
    const { message } = result as Rejection;
    expect(message.length).toBeLessThan(300);
    expect(message.isWellFormed()).toBe(true);
  });

  it.each(['null', '5', '"event"', 'true', '[]', '[[]]', '12345678901234567890'])(
    'rejects %s in place of an event',
    (text) => {
      expect(admitText(text)).toMatchObject({ code: 'invalid_event', field: null });
    },
  );

  it('takes events of the subjects of its key alone', () => {
    const take = (members: Record<string, string>) =>
      admitText(eventText(members), 'any', { subjects: ['cus_1', 'cus_2'] });
    expect(expectEvent(take({ subject: '"cus_2"' })).subject).toBe('cus_2');
    for (const subject of ['"cus_3"', '"cus_11"', '"CUS_1"', '"cus_1\u200b"']) {
      expect(take({ subject })).toMatchObject({ code: 'subject_not_allowed', field: 'subject' });
    }
    // What it is missing comes first.
    expect(take({ subject: '' })).toMatchObject({ code: 'missing_field' });
  });

  it('names the value and the meter that reads it', () => {
    expect(admitMembers({ data: '{"tokens":"many"}' })).toMatchObject({
      message:
        'data.tokens must be a decimal number of at most 26 integer digits, not the string "many": meter "tokens" reads it',
    });
  });

  it('lets the last of two equal keys win, whichever parser reads them', () => {
    const plain = expectEvent(admitText('{"id":"a","id":"b","type":"t","subject":"s","data":{"n":1,"n":2}}'));
    const exact = expectEvent(admitText('{"id":"a","id":"b","type":"t","subject":"s","data":{"n":1e0,"n":2}}'));
    expect(plain).toMatchObject({ id: 'b', data: '{"n":2}' });
    expect(exact).toEqual(plain);
  });

  it('passes a rejection on that the body already met', () => {
    const met = new Rejection('malformed_line', 'not JSON');
    expect(admit(met, 'any', { tenant: 'a', subjects: null, now: NOW, horizonMs: 1, checks }, false)).toBe(met);
  });
});

describe('admit, CloudEvents form', () => {
  const cloudEvent = (members: Record<string, string>) =>
    admitText(eventText({ specversion: '"1.0"', source: '"/api"', ...members }), 'cloudevents');

  it.each<[string, Record<string, string>]>([
    ['the required attributes', {}],
    ['extension attributes', { traceparent: '"00-ab-cd-01"', partitionkey: '"p"' }],
    ['dataschema', { dataschema: '"https://example.com/s.json"' }],
    ['JSON as datacontenttype', { datacontenttype: '"application/json; charset=utf-8"', data: '{"tokens":1}' }],
    ['a +json datacontenttype', { datacontenttype: '"application/vnd.usage+json"' }],
    ['text/json', { datacontenttype: '"text/json"' }],
    ['null for an optional attribute', { datacontenttype: 'null', time: 'null' }],
  ])('takes %s', (_, members) => {
    expectEvent(cloudEvent(members));
  });

  it.each<[string, Record<string, string>, string, string]>([
    ['no specversion', { specversion: '' }, 'missing_field', 'specversion'],
    ['specversion 0.3', { specversion: '"0.3"' }, 'unsupported_specversion', 'specversion'],
    ['specversion as a number', { specversion: '1.0' }, 'unsupported_specversion', 'specversion'],
    ['no source', { source: '' }, 'missing_field', 'source'],
    ['an empty source', { source: '""' }, 'invalid_field', 'source'],
    ['no subject', { subject: '' }, 'missing_field', 'subject'],
    ['no id: none is invented', { id: '' }, 'missing_field', 'id'],
    ['XML', { datacontenttype: '"application/xml"' }, 'unsupported_datacontenttype', 'datacontenttype'],
    [
      'a type that only looks like JSON',
      { datacontenttype: '"application/jsonp"' },
      'unsupported_datacontenttype',
      'datacontenttype',
    ],
    ['a datacontenttype that is no string', { datacontenttype: '5' }, 'unsupported_datacontenttype', 'datacontenttype'],
    ['base64', { data_base64: '"e30="' }, 'invalid_data', 'data_base64'],
    ['data as JSON text', { data: '"{}"' }, 'invalid_data', 'data'],
  ])('rejects %s', (_, members, code, field) => {
    expect(cloudEvent(members)).toMatchObject({ code, field });
  });

  it('is the same event as its native form', () => {
    const native = admitMembers({ source: '"/api"', data: '{"tokens":1}' });
    expect(cloudEvent({ data: '{"tokens":1}' })).toEqual(native);
  });

  it('is known by its specversion where any form may stand', () => {
    const members = { specversion: '"1.0"', source: '"/api"', traceparent: '"x"', data: '{"tokens":1}' };
    expect(expectEvent(admitMembers(members))).toEqual(cloudEvent(members));
  });
});

describe('the payload hash', () => {
  const hashOf = (members: Record<string, string>) => expectEvent(admitMembers(members)).payloadHash;

  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['the order of keys', { data: '{"a":1,"b":{"c":2,"d":3}}' }, { data: '{"b":{"d":3,"c":2},"a":1}' }],
    ['white space', { data: '{"a":1}' }, { data: ' { "a" : 1 } ' }],
    ['the form of a number', { data: '{"a":100}' }, { data: '{"a":1.00e2}' }],
    ['escapes', { data: '{"a":"é"}' }, { data: '{"\\u0061":"\\u00e9"}' }],
    ['the offset of a time', { time: '"2026-11-20T10:00:00Z"' }, { time: '"2026-11-20T11:00:00.000+01:00"' }],
    ['no data and empty data', {}, { data: '{}' }],
  ])('does not see %s', (_, a, b) => {
    expect(hashOf(a)).toBe(hashOf(b));
  });

  it.each<[string, Record<string, string>, Record<string, string>]>([
    ['the last of 20 digits', { data: '{"a":12345678901234567890}' }, { data: '{"a":12345678901234567891}' }],
    ['a number and its text', { data: '{"a":1}' }, { data: '{"a":"1"}' }],
    ['a key of null', { data: '{"a":null}' }, { data: '{}' }],
    ['the order of an array', { data: '{"a":[1,2]}' }, { data: '{"a":[2,1]}' }],
    ['a millisecond', { time: '"2026-11-20T10:00:00.001Z"' }, { time: '"2026-11-20T10:00:00.002Z"' }],
    ['a given time and none', { time: '"2026-11-20T10:00:00Z"' }, {}],
    ['the subject', { subject: '"a"' }, { subject: '"b"' }],
    ['the type', { type: '"a"' }, { type: '"b"' }],
  ])('sees %s', (_, a, b) => {
    expect(hashOf(a)).not.toBe(hashOf(b));
  });

  it('leaves the time of arrival out', () => {
    const later = expectEvent(admitText(eventText(), 'any', { now: NOW + 5_000 }));
    expect(later.payloadHash).toBe(hashOf({}));
    expect(later.receivedAt).toBe(NOW + 5_000);
  });

  it('is the same beside any other event of its body', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })), (data) => {
        const text = eventText({ type: '"unmetered"', data: JSON.stringify(data) });
        const alone = expectEvent(admitText(text));
        const [, beside] = parseExactJson(`[1e2,${text}]`) as [unknown, unknown];
        const context = { tenant: 'acme', subjects: null, now: NOW, horizonMs: 35 * DAY_MS, checks };
        expect(expectEvent(admit(beside, 'any', context, true)).payloadHash).toBe(alone.payloadHash);
      }),
    );
  });
});

describe('the data in the log', () => {
  const digits = (min: number, max: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max });

  it('keeps every digit a meter may read', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), digits(0, 25), digits(0, 12), (first, rest, fraction) => {
        const token = `${first}${rest}${fraction === '' ? '' : `.${fraction}`}`;
        const { data } = expectEvent(admitMembers({ data: `{"tokens":${token}}` }));
        expect(readQuantity(pick(parseExactJson(data), ['tokens']))).toBe(readQuantity(token));
      }),
    );
  });

  it('is the client’s, member by member', () => {
    const data = '{"z":1,"a":[true,null,{"k":"\\u0000\\ud800"}],"__proto__":{"x":1},"n":12345678901234567890.10}';
    expect(expectEvent(admitMembers({ data })).data).toBe(data);
  });
});

describe('ids that would be one when joined', () => {
  it.each([
    [
      { source: '"a"', id: '"b:c"' },
      { source: '"a:b"', id: '"c"' },
    ],
    [
      { source: '""', id: '"ab"' },
      { source: '"a"', id: '"b"' },
    ],
    [
      { source: '"1"', id: '"1:a"' },
      { source: '"11"', id: '":a"' },
    ],
  ])('%j and %j', (a, b) => {
    const [keyA, keyB] = [expectEvent(admitMembers(a)).dedupKey, expectEvent(admitMembers(b)).dedupKey];
    expect(keyA.equals(keyB)).toBe(false);
  });
});

describe('reportedId', () => {
  it.each([
    [{ id: 'evt' }, 'evt'],
    [{ id: 5 }, null],
    [{}, null],
    [null, null],
    ['text', null],
    [{ id: 'a\ud800' }, 'a\ufffd'],
    [{ id: 'x'.repeat(1_000) }, 'x'.repeat(256)],
  ])('of %j is %j', (raw, id) => {
    expect(reportedId(raw)).toBe(id);
  });
});
