import { describe, expect, it } from '@jest/globals';
import { BodyFault, type DecodedBody, decodeBody, EVENTS_MAX } from './body-decoding.ts';
import { type BodyForm, bodyFormOf, type RequestHeaders } from './body-form.ts';
import { Rejection } from './rejection.ts';

const decode = (form: BodyForm, body: string | Buffer, headers: RequestHeaders = {}): DecodedBody | BodyFault =>
  decodeBody(form, headers, Buffer.from(body as string));

function expectItems(result: DecodedBody | BodyFault): readonly unknown[] {
  if (result instanceof BodyFault) throw new Error(`${result.code}: ${result.detail}`);
  return result.items;
}

const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

describe('bodyFormOf', () => {
  it.each<[RequestHeaders, BodyForm]>([
    [{ 'content-type': 'application/json' }, 'json'],
    [{ 'content-type': 'Application/JSON; charset=UTF-8' }, 'json'],
    [{ 'content-type': 'application/json;charset="utf-8"' }, 'json'],
    [{ 'content-type': 'application/json; charset=utf8; boundary=x' }, 'json'],
    [{ 'content-type': 'application/x-ndjson' }, 'ndjson'],
    [{ 'content-type': 'application/cloudevents+json; charset=utf-8' }, 'cloudevent'],
    [{ 'content-type': 'application/cloudevents-batch+json' }, 'cloudevent-batch'],
    [{ 'content-type': 'application/json', 'ce-specversion': '1.0' }, 'cloudevent-binary'],
    [{ 'content-type': 'application/json; charset=utf-8', 'ce-id': 'a' }, 'cloudevent-binary'],
    [{ 'content-type': 'application/vnd.usage+json', 'ce-specversion': '1.0' }, 'cloudevent-binary'],
    [{ 'ce-specversion': '1.0' }, 'cloudevent-binary'],
    [{ 'content-type': 'application/cloudevents+json', 'ce-specversion': '1.0' }, 'cloudevent'],
  ])('%j is %s', (headers, form) => {
    expect(bodyFormOf(headers)).toBe(form);
  });

  it.each<[RequestHeaders]>([
    [{}],
    [{ 'content-type': '' }],
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/xml' }],
    [{ 'content-type': 'application/json; charset=latin1' }],
    [{ 'content-type': 'application/json; charset=utf-16' }],
    [{ 'content-type': 'application/x-ndjson;charset="ISO-8859-1"' }],
    [{ 'content-type': 'json' }],
    [{ 'content-type': 'constructor' }],
    [{ 'content-type': '__proto__/x' }],
    [{ 'content-type': 'application/json, application/json' }],
    [{ 'content-type': 'text/plain', 'ce-specversion': '1.0' }],
    [{ 'content-type': 'application/x-ndjson', 'ce-specversion': '1.0' }],
    [{ 'content-type': 'application/cloudevents+avro' }],
    [{ 'content-type': 'application/cloudevents+xml', 'ce-id': 'a' }],
  ])('%j is none', (headers) => {
    expect(bodyFormOf(headers)).toEqual({ unknown: expect.any(String) });
  });
});

describe('decodeBody', () => {
  it.each<[string, BodyForm, string, unknown[]]>([
    ['one event', 'json', '{"id":"a"}', [{ id: 'a' }]],
    ['an array', 'json', ' [{"id":"a"}, 5 ]\n', [{ id: 'a' }, 5]],
    ['a byte order mark', 'json', '\ufeff{"id":"a"}', [{ id: 'a' }]],
    ['what is JSON and no event', 'json', 'null', [null]],
    ['lines', 'ndjson', '{"id":"a"}\n{"id":"b"}\n', [{ id: 'a' }, { id: 'b' }]],
    ['a last line without its end', 'ndjson', '{"id":"a"}\n{"id":"b"}', [{ id: 'a' }, { id: 'b' }]],
    ['CRLF and blank lines', 'ndjson', '\r\n{"id":"a"}\r\n\r\n  \n{"id":"b"}\r\n', [{ id: 'a' }, { id: 'b' }]],
    ['a line that is an array', 'ndjson', '[{"id":"a"}]', [[{ id: 'a' }]]],
    ['a CloudEvent', 'cloudevent', '{"id":"a"}', [{ id: 'a' }]],
    ['a batch of CloudEvents', 'cloudevent-batch', '[{"id":"a"}]', [{ id: 'a' }]],
  ])('reads %s', (_, form, body, items) => {
    expect(expectItems(decode(form, body))).toEqual(items);
  });

  it.each<[string, BodyForm, string | Buffer, BodyFault['code']]>([
    ['nothing', 'json', '', 'malformed_body'],
    ['white space', 'json', ' \n', 'malformed_body'],
    ['a truncated event', 'json', '{"id":"a","data":{"tok', 'malformed_body'],
    ['a truncated array', 'json', '[{"id":"a"},', 'malformed_body'],
    ['a truncated long number', 'json', '{"n":12345678901234567890', 'malformed_body'],
    ['two events one after the other', 'json', '{"id":"a"}{"id":"b"}', 'malformed_body'],
    ['NaN', 'json', '{"n":NaN}', 'malformed_body'],
    ['Infinity', 'json', '{"n":-Infinity}', 'malformed_body'],
    ['a leading zero', 'json', '{"n":012}', 'malformed_body'],
    ['a leading zero of a long number', 'json', '{"n":01234567890123456789}', 'malformed_body'],
    ['a number that ends in a point', 'json', '{"n":1.}', 'malformed_body'],
    ['an exponent without digits', 'json', '{"n":1e}', 'malformed_body'],
    ['a plus sign', 'json', '{"n":+1}', 'malformed_body'],
    ['hexadecimal', 'json', '{"n":0x1}', 'malformed_body'],
    ['single quotes', 'json', "{'id':'a'}", 'malformed_body'],
    ['a trailing comma', 'json', '{"id":"a",}', 'malformed_body'],
    ['a trailing comma beside a long number', 'json', '{"n":1e1,}', 'malformed_body'],
    ['a comment', 'json', '{"id":"a"/*b*/}', 'malformed_body'],
    ['a raw control character', 'json', '{"id":"a\u0001"}', 'malformed_body'],
    ['a byte order mark within', 'json', '{"id":\ufeff"a"}', 'malformed_body'],
    ['form data', 'json', 'id=a&type=b', 'malformed_body'],
    ['bytes that are not UTF-8', 'json', Buffer.from([0x22, 0xff, 0x22]), 'malformed_body'],
    ['an overlong encoding', 'json', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'malformed_body'],
    ['a surrogate in UTF-8', 'json', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'malformed_body'],
    ['a character cut in two', 'json', Buffer.from('{"id":"é').subarray(0, 8), 'malformed_body'],
    ['UTF-16', 'json', Buffer.from('\ufeff{"id":"a"}', 'utf16le'), 'malformed_body'],
    ['UTF-8 that is broken in one of many lines', 'ndjson', Buffer.from([0x7b, 0x7d, 0x0a, 0xff]), 'malformed_body'],
    ['long numbers below 513 levels', 'json', `[1e5,${deep(512)}]`, 'malformed_body'],
    ['long numbers below 100,000 levels', 'json', `[1e5,${deep(100_000)}]`, 'malformed_body'],
    ['an empty array', 'json', '[]', 'empty_batch'],
    ['an empty batch of CloudEvents', 'cloudevent-batch', '[]', 'empty_batch'],
    ['no line', 'ndjson', '', 'empty_batch'],
    ['blank lines alone', 'ndjson', '\n \r\n', 'empty_batch'],
    ['a batch that is no array', 'cloudevent-batch', '{"id":"a"}', 'malformed_body'],
    ['an array in place of a CloudEvent', 'cloudevent', '[{"id":"a"}]', 'malformed_body'],
    ['too many events', 'json', `[${'1,'.repeat(EVENTS_MAX)}1]`, 'too_many_events'],
    ['too many lines', 'ndjson', '1\n'.repeat(EVENTS_MAX + 1), 'too_many_events'],
  ])('refuses %s', (_, form, body, code) => {
    const result = decode(form, body);
    expect(result).toBeInstanceOf(BodyFault);
    expect(result).toMatchObject({ code });
    expect((result as BodyFault).detail.length).toBeLessThan(300);
  });

  it('takes as many events as it says', () => {
    expect(expectItems(decode('json', `[${'1,'.repeat(EVENTS_MAX - 1)}1]`))).toHaveLength(EVENTS_MAX);
    expect(expectItems(decode('ndjson', '1\n'.repeat(EVENTS_MAX)))).toHaveLength(EVENTS_MAX);
  });

  it('leaves deep nesting to the admission of its event where no exact parser is needed', () => {
    expect(expectItems(decode('json', `[{"id":"good"},${deep(100_000)}]`))).toHaveLength(2);
  });

  it('does not count brackets in strings', () => {
    expect(expectItems(decode('json', `[1e5,{"a":"\\"${'['.repeat(1_000)}"}]`))).toHaveLength(2);
  });

  it('rejects a line that is no JSON, and no other', () => {
    const items = expectItems(decode('ndjson', '{"id":"a"}\n{"id":\n{"id":"c"}\n{"id":"d","da'));
    expect(items[0]).toEqual({ id: 'a' });
    expect(items[1]).toMatchObject({ code: 'malformed_line' });
    expect(items[2]).toEqual({ id: 'c' });
    expect(items[3]).toBeInstanceOf(Rejection);
  });

  it('says whether a number needed the exact parser', () => {
    expect(decode('json', '{"n":1.5}')).toMatchObject({ exact: false });
    expect(decode('json', '{"n":1e5}')).toMatchObject({ exact: true });
    expect(decode('ndjson', '{"n":1}\n{"n":1234567890123456789}')).toMatchObject({ exact: true });
  });
});

describe('CloudEvents binary mode', () => {
  const headers = {
    'ce-specversion': '1.0',
    'ce-id': 'a',
    'ce-source': '/s',
    'ce-type': 't',
    'content-type': 'application/json',
  };
  const binary = (more: RequestHeaders, body = '{"n":1}'): unknown =>
    expectItems(decode('cloudevent-binary', body, { ...headers, ...more }))[0];

  it('takes the attributes from the headers and the data from the body', () => {
    expect(binary({ 'ce-subject': 'c', 'x-other': 'y' })).toEqual({
      specversion: '1.0',
      id: 'a',
      source: '/s',
      type: 't',
      subject: 'c',
      data: { n: 1 },
    });
  });

  it.each([
    ['Euro%20%E2%82%AC%20%F0%9F%98%80', 'Euro € 😀'],
    ['a%25b', 'a%b'],
    ['"quoted \\"value\\""', 'quoted "value"'],
    ['"a%20b"', 'a b'],
    ['plain + text', 'plain + text'],
  ])('decodes %s', (encoded, decoded) => {
    expect(binary({ 'ce-subject': encoded })).toMatchObject({ subject: decoded });
  });

  it.each(['100%', '%zz', '%ff', '%ed%a0%80', 'caf\u00e9'])('rejects the header value %s', (value) => {
    expect(binary({ 'ce-subject': value })).toMatchObject({ code: 'invalid_field', field: 'subject' });
  });

  it('has no data where the body is empty', () => {
    expect(binary({}, '')).not.toHaveProperty('data');
  });

  it('takes the data from nowhere but the body', () => {
    const event = binary({ 'ce-data': '{"n":9}', 'ce-data_base64': 'e30=', 'ce-__proto__': 'x' }, '');
    expect(Object.keys(event as object).sort()).toEqual(['id', 'source', 'specversion', 'type']);
  });

  it('refuses a body that is no JSON', () => {
    expect(decode('cloudevent-binary', '<xml/>', headers)).toMatchObject({ code: 'malformed_body' });
  });
});
