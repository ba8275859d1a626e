import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET, ruleSet } from '../../domain/metering/rule-set.ts';
import { Problem, type ProblemCode } from '../../domain/problem.ts';
import { aMeter, by } from '../../test/support/a-meter.ts';
import { orProblem } from '../../test/support/or-problem.ts';
import { admitPlainly } from '../../test/support/plain-admission.ts';
import { binaryModeEvent } from './binary-mode.ts';
import { admitBody, EVENTS_MAX, PART_BYTES } from './body-admission.ts';
import { type BodyForm, bodyFormOf, type RequestHeaders } from './body-form.ts';
import type { Admitted } from './decisions.ts';
import { EVENT_BYTES_MAX, EVENT_DEPTH_MAX, EVENT_VALUES_MAX } from './event-scanner.ts';
import { compileMeterChecks } from './meter-checks.ts';

const meter: Meter = aMeter('n', { eventType: 'call', dimensions: by('model') });
const context = {
  tenant: 'acme',
  subjects: null,
  now: Date.UTC(2026, 10, 20, 10),
  horizonMs: 35 * 86_400_000,
  checks: compileMeterChecks({ ...emptyCatalog, meters: [meter] }, ruleSet(NEWEST_RULE_SET)),
};

/** What becomes of a body, and in how many parts. */
function run(form: BodyForm, body: string | Buffer, headers: RequestHeaders = {}) {
  const work = admitBody(form, headers, Buffer.from(body as string), context);
  for (let parts = 1; ; parts++) {
    const part = orProblem(() => work.next());
    if (part instanceof Problem) return { outcome: part, parts };
    if (part.done === true) return { outcome: part.value, parts };
  }
}

function admitted(form: BodyForm, body: string | Buffer, headers: RequestHeaders = {}): Admitted {
  const { outcome } = run(form, body, headers);
  if (outcome instanceof Problem) throw new Error(`${outcome.code}: ${outcome.detail}`);
  return outcome;
}

/** The ids of accepted events, and the codes of rejected ones at their places. */
function summary({ accepted, rejected }: Admitted): unknown[] {
  const all: unknown[] = accepted.map(({ id }) => id);
  for (const { index, code } of rejected) all.splice(index, 0, code);
  return all;
}

const event = (id: string, data = '{"n":1}'): string => `{"id":"${id}","type":"call","subject":"s","data":${data}}`;
const cloud = (id: string): string => `{"specversion":"1.0","source":"/s",${event(id).slice(1)}`;
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
    expect(orProblem(() => bodyFormOf(headers))).toMatchObject({ code: 'unsupported_media_type' });
  });
});

describe('a body', () => {
  it.each<[string, BodyForm, string, unknown[]]>([
    ['one event', 'json', event('a'), ['a']],
    ['an array', 'json', ` [${event('a')}, 5 ]\n`, ['a', 'invalid_event']],
    ['a byte order mark', 'json', `\ufeff${event('a')}`, ['a']],
    ['what is JSON and no event', 'json', 'null', ['invalid_event']],
    ['lines', 'ndjson', `${event('a')}\n${event('b')}\n`, ['a', 'b']],
    ['a last line without its end', 'ndjson', `${event('a')}\n${event('b')}`, ['a', 'b']],
    ['CRLF and blank lines', 'ndjson', `\r\n${event('a')}\r\n\r\n  \n${event('b')}\r\n`, ['a', 'b']],
    ['a line that is an array', 'ndjson', `[${event('a')}]`, ['invalid_event']],
    ['a line with more than its event', 'ndjson', `${event('a')} 1\n${event('b')}`, ['malformed_line', 'b']],
    ['an event over two lines', 'ndjson', event('a').replace(',', ',\n'), ['malformed_line', 'malformed_line']],
    ['byte order marks within', 'ndjson', `\ufeff${event('a')}\n\ufeff${event('b')}\u00a0`, ['a', 'b']],
    ['a CloudEvent', 'cloudevent', cloud('a'), ['a']],
    ['a batch of CloudEvents', 'cloudevent-batch', `[${cloud('a')}]`, ['a']],
    ['a CloudEvent in plain JSON', 'json', cloud('a'), ['a']],
    ['CloudEvents beside our own', 'json', `[${cloud('a')},${event('b')},${cloud('é')}]`, ['a', 'b', 'é']],
    ['CloudEvents in lines', 'ndjson', `${cloud('a')}\n${event('b')}\n${cloud('c')}`, ['a', 'b', 'c']],
    [
      'a CloudEvent of another version beside others',
      'json',
      `[${cloud('a').replace('1.0', '0.3')},${cloud('b')},${event('c')}]`,
      ['unsupported_specversion', 'b', 'c'],
    ],
    ['characters beyond ASCII', 'json', `[${event('é')},${event('b', '{"n":1,"model":"ü"}')}]`, ['é', 'b']],
    [
      'a line that is no JSON',
      'ndjson',
      `${event('a')}\n{"id":\n${event('c')}\n{"id":"d","da`,
      ['a', 'malformed_line', 'c', 'malformed_line'],
    ],
  ])('holds %s', (_, form, body, expected) => {
    expect(summary(admitted(form, body))).toEqual(expected);
  });

  it.each<[string, BodyForm, string | Buffer, ProblemCode]>([
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
    ['an empty array', 'json', '[]', 'empty_batch'],
    ['an empty batch of CloudEvents', 'cloudevent-batch', '[]', 'empty_batch'],
    ['no line', 'ndjson', '', 'empty_batch'],
    ['blank lines alone', 'ndjson', '\n \r\n', 'empty_batch'],
    ['a batch that is no array', 'cloudevent-batch', '{"id":"a"}', 'malformed_body'],
    ['an array in place of a CloudEvent', 'cloudevent', '[{"id":"a"}]', 'malformed_body'],
    ['too many events', 'json', `[${'1,'.repeat(EVENTS_MAX)}1]`, 'too_many_events'],
    ['too many lines', 'ndjson', '1\n'.repeat(EVENTS_MAX + 1), 'too_many_events'],
  ])('is refused with %s', (_, form, body, code) => {
    const { outcome } = run(form, body);
    expect(outcome).toBeInstanceOf(Problem);
    expect(outcome).toMatchObject({ code });
    expect((outcome as Problem).detail.length).toBeLessThan(300);
  });

  it('says where it is no JSON, and what stands there', () => {
    const detailOf = (body: string) => (run('json', body).outcome as Problem).detail;
    expect(detailOf('[{"id":é}]')).toBe('The body is not JSON: unexpected "é" at byte 7.');
    expect(detailOf('[1,')).toBe('The body is not JSON: the end comes too early.');
  });

  it('holds as many events as it says', () => {
    expect(admitted('json', `[${'1,'.repeat(EVENTS_MAX - 1)}1]`).rejected).toHaveLength(EVENTS_MAX);
    expect(admitted('ndjson', '1\n'.repeat(EVENTS_MAX)).rejected).toHaveLength(EVENTS_MAX);
  });
});

describe('an event that costs too much to be read', () => {
  const filler = (bytes: number): string => 'x'.repeat(bytes);
  const excesses: [string, string, string][] = [
    ['too many bytes', event('a', `{"a":"${filler(EVENT_BYTES_MAX)}"}`), 'data_too_large'],
    ['white space', event('a', `{"n":${' '.repeat(EVENT_BYTES_MAX)}1}`), 'data_too_large'],
    ['a number of millions of digits', event('a', `{"n":${'7'.repeat(5_600_000)}}`), 'data_too_large'],
    ['the same behind the point', event('a', `{"n":0.${'7'.repeat(5_600_000)}}`), 'data_too_large'],
    ['an exponent of millions of digits', event('a', `{"n":1e${'7'.repeat(5_600_000)}}`), 'data_too_large'],
    ['a key of millions of characters', event('a', `{"${filler(5_600_000)}":1}`), 'data_too_large'],
    ['an extension that is too long', cloud('a').replace('{', `{"x":"${filler(EVENT_BYTES_MAX)}",`), 'data_too_large'],
    ['too many extensions', cloud('a').replace('{', `{${'"x":1,'.repeat(EVENT_VALUES_MAX)}`), 'too_many_values'],
    ['too many values', event('a', `{"a":[1e1${',1'.repeat(EVENT_VALUES_MAX)}]}`), 'too_many_values'],
    ['too many levels', event('a', `{"a":${deep(EVENT_DEPTH_MAX)}}`), 'nested_too_deep'],
    ['more levels than a stack has', event('a', `{"n":1e1,"a":${deep(1_000_000)}}`), 'data_too_large'],
    ['a million levels and no event', deep(1_000_000), 'invalid_event'],
    ['a number of millions of digits in its place', '7'.repeat(5_600_000), 'data_too_large'],
  ];

  it.each(excesses)('with %s is rejected, and no other', (_, text, code) => {
    const batch = admitted('json', `[${event('b')},${text},${event('c', '{"n":1e1}')}]`);
    expect(summary(batch)).toEqual(['b', code, 'c']);
    expect(batch.rejected[0]).toMatchObject({ index: 1, id: null, field: null });
    expect(summary(admitted('ndjson', `${event('b')}\n${text}\n${event('c')}`))).toEqual(['b', code, 'c']);
    expect(summary(admitted('json', text))).toEqual([code]);
  });

  it.each(excesses)('with %s is no excuse for what is no JSON behind it', (_, text) => {
    expect(run('json', `[${text},${event('c')}`).outcome).toMatchObject({ code: 'malformed_body' });
  });

  it('is one beyond the bounds, and at the bounds it is read', () => {
    const bytes = event('a', '{"a":1}').length;
    const spaced = event('a', `{"a":${' '.repeat(EVENT_BYTES_MAX - bytes)}1}`);
    expect(summary(admitted('json', spaced))).toEqual(['a']);
    expect(summary(admitted('json', spaced.replace(' ', '  ')))).toEqual(['data_too_large']);
    // The event, its four fields and the array are values as well.
    const values = event('a', `{"a":[${'1,'.repeat(EVENT_VALUES_MAX - 7)}1]}`);
    expect(summary(admitted('json', values))).toEqual(['a']);
    expect(summary(admitted('json', values.replace('[', '[1,')))).toEqual(['too_many_values']);
    // Two levels are the event's and its data's. What data may have is told by its own bound.
    const levels = admitted('json', event('a', `{"a":${deep(EVENT_DEPTH_MAX - 2)}}`));
    expect(levels.rejected).toEqual([expect.objectContaining({ code: 'nested_too_deep', field: 'data' })]);
  });

  it('does not count what stands in strings', () => {
    expect(summary(admitted('json', event('a', `{"n":1e1,"a":"\\"${'[1,'.repeat(80_000)}"}`)))).toEqual(['a']);
  });

  it('is rejected in binary mode of CloudEvents as well', () => {
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': '/s', 'ce-type': 'call', 'ce-subject': 's' };
    const outcome = admitted('cloudevent-binary', `{"n":${'7'.repeat(2_000_000)}}`, headers);
    expect(summary(outcome)).toEqual(['data_too_large']);
  });
});

describe('the parts of a body', () => {
  it('are one where it is small', () => {
    expect(run('json', `[${Array.from({ length: 1_000 }, (_, i) => event(`e${i}`)).join(',')}]`).parts).toBe(1);
  });

  it.each<[string, BodyForm, string]>([
    [
      'many events',
      'json',
      `[${Array.from({ length: 9_999 }, (_, i) => event(`e${i}`, `{"n":1,"z":"${'z'.repeat(200)}"}`)).join(',')}]`,
    ],
    [
      'many lines',
      'ndjson',
      Array.from({ length: 9_999 }, (_, i) => event(`e${i}`, `{"n":1,"z":[${'1,'.repeat(100)}1]}`)).join('\n'),
    ],
    ['blank lines', 'ndjson', `${event('a')}${' \n'.repeat(2_000_000)}`],
    ['one event of many values', 'json', event('a', `{"a":[1e1${',1'.repeat(2_000_000)}]}`)],
    ['one line of many values', 'ndjson', event('a', `{"a":[1e1${',1'.repeat(2_000_000)}]}`)],
    ['what is no event', 'cloudevent-batch', `[${`{"a":"${'x'.repeat(400)}"},`.repeat(9_999)}1]`],
  ])('are no larger than they are said to be: %s', (_, form, body) => {
    const { parts, outcome } = run(form, body);
    expect(outcome).not.toBeInstanceOf(Problem);
    expect(parts).toBeGreaterThanOrEqual(Math.floor(body.length / PART_BYTES));
  });
});

describe('what becomes of an event', () => {
  const value = fc.oneof(
    fc.nat(),
    fc.constantFrom<unknown>(0.5, 1e-7, -0, 'chat', '12', 'a"b', 'é', '\ud800', true, null, [], {}, [1], { n: 1 }),
  );
  const member = fc.constantFrom('n', 'model', 'z', '7', '__proto__', 'é');
  const one = fc
    .record({
      id: fc.constantFrom<unknown>('e1', 'é', '', 7, undefined),
      type: fc.constantFrom('call', 'call', 'other'),
      subject: fc.constantFrom('s', 's', 's', ''),
      time: fc.constantFrom(undefined, undefined, '2026-11-20T09:00:00Z', 'now'),
      data: fc.dictionary(member, value, { maxKeys: 4 }),
    })
    .map((made) => JSON.stringify(made));
  /** What JSON.stringify would not write. */
  const odd = fc.constantFrom(
    ...[event('x', '{"n":1e2}'), event('x', '{"n":12345678901234567890.5}'), event('x', '{"n":1.0,"z":[1E-7]}')],
    ...[
      ' { "id" : "y", "type":"call","subject":"s" } ',
      '1',
      'null',
      '[]',
      '"x"',
      '{"id":"a","id":"b"}',
      '1e5',
      '-0.0',
    ],
  );
  const broken = fc.constantFrom(
    '',
    '{',
    '{"id":"a",}',
    '[1',
    '01',
    'nul',
    '"\u0001"',
    '{"a" 1}',
    '1 2',
    '\ufeff',
    '\\',
    '"\\x"',
  );
  const texts = fc.array(
    fc.oneof({ weight: 8, arbitrary: one }, { weight: 3, arbitrary: odd }, { weight: 1, arbitrary: broken }),
    { maxLength: 6 },
  );

  const asCloud = (text: string): string => text.replaceAll('{"id"', '{"specversion":"1.0","source":"/s","id"');

  /** Our words for what is no JSON are not those of JSON.parse. */
  const comparable = (outcome: string | Admitted) =>
    typeof outcome === 'string'
      ? outcome
      : {
          accepted: outcome.accepted,
          rejected: outcome.rejected.map((each) => (each.code === 'malformed_line' ? { ...each, message: '' } : each)),
        };

  it.each<[BodyForm, (texts: readonly string[]) => string]>([
    ['json', (each) => `[${each.join(',')}]`],
    ['json', ([first = '']) => first],
    ['json', (each) => `[${each.map((one, i) => (i % 2 === 0 ? one : asCloud(one))).join(',')}]`],
    ['ndjson', (each) => each.join('\n')],
    ['ndjson', (each) => each.map(asCloud).join('\n')],
    ['cloudevent-batch', (each) => `[${each.map(asCloud).join(', ')}]`],
    ['cloudevent', ([first = '']) => asCloud(first)],
    ['cloudevent-binary', ([first = '']) => first],
  ])('is what the plain admission of its whole body makes of it (%s)', (form, bodyOf) => {
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': '/s', 'ce-type': 'call', 'ce-subject': 's' };
    fc.assert(
      fc.property(texts, (each) => {
        const bytes = Buffer.from(bodyOf(each));
        const { outcome } = run(form, bytes, headers);
        const twin = admitPlainly(form, headers, bytes, context);
        expect(comparable(outcome instanceof Problem ? outcome.code : outcome)).toEqual(comparable(twin));
      }),
      { numRuns: 700 },
    );
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
  const binary = (more: RequestHeaders, data: unknown = { n: 1 }): unknown =>
    binaryModeEvent({ ...headers, ...more }, data);

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
    expect(summary(admitted('cloudevent-binary', ' \n', { ...headers, 'ce-subject': 's' }))).toEqual(['a']);
    expect(binaryModeEvent(headers, undefined)).not.toHaveProperty('data');
  });

  it('takes the data from nowhere but the body', () => {
    const more = { 'ce-data': '{"n":9}', 'ce-data_base64': 'e30=', 'ce-__proto__': 'x' };
    expect(Object.keys(binaryModeEvent({ ...headers, ...more }, undefined)).sort()).toEqual([
      'id',
      'source',
      'specversion',
      'type',
    ]);
  });

  it('refuses a body that is no JSON', () => {
    expect(run('cloudevent-binary', '<xml/>', headers).outcome).toMatchObject({ code: 'malformed_body' });
  });
});
