// Whole requests over HTTP: bodies that can't be read, encodings, media types, CloudEvents, methods and paths. Each
// with its answer.
import type { OutgoingHttpHeaders } from 'node:http';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';

export const good = (id: string): string => `{"id":"${id}","type":"llm","subject":"cus","data":{"tokens":1}}`;
const cloud = (id: string, more = ''): string =>
  `{"specversion":"1.0","id":"${id}","source":"/s","type":"llm","subject":"cus","data":{"tokens":1}${more}}`;

export interface RequestCase {
  readonly name: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body: string | Buffer;
  readonly target?: { readonly method?: string; readonly path?: string };
  readonly status: number;
  /** Of the problem document; absent where the answer is no problem. */
  readonly code?: string;
  readonly accepted?: number;
  readonly rejected?: readonly (readonly [index: number, code: string, field: string | null])[];
}

/** One good event stands in each of these bodies, and must not be taken: a body is read as a whole. */
const unreadable: readonly (readonly [string, string | Buffer])[] = [
  ['NaN beside a good event', `[${good('a')},{"id":NaN}]`],
  ['-Infinity', `[${good('a')},-Infinity]`],
  ['undefined', `[${good('a')},undefined]`],
  ['a number that begins with a point', `[${good('a')},.5]`],
  ['a number with a second point', `[${good('a')},1.2.3]`],
  ['a number with an underscore', `[${good('a')},1_000]`],
  ['a 10,000-digit number with a leading zero', `[${good('a')},0${'1'.repeat(10_000)}]`],
  ['an exponent that is a fraction', `[${good('a')},1e1.5]`],
  ['a bigint', `[${good('a')},5n]`],
  ['an escape that is none', `[${good('a')},"\\x41"]`],
  ['an escape cut short', `[${good('a')},"\\u12"]`],
  ['an escape cut short beside a long number', `[${good('a')},1e2,"\\u12"]`],
  ['a raw tab in a string', `[${good('a')},"a\tb"]`],
  ['a raw line feed in a string beside a long number', `[${good('a')},1e2,"a\nb"]`],
  ['a raw NUL in a string', `[${good('a')},"a\u0000b"]`],
  ['a NUL between tokens', `[${good('a')}\u0000]`],
  ['a no-break space between tokens', `[${good('a')},\u00a01]`],
  ['a line separator between tokens beside a long number', `[1e2,\u2028${good('a')}]`],
  ['a comma too many', `[${good('a')},]`],
  ['a comma at the start', `[,${good('a')}]`],
  ['no comma', `[${good('a')}${good('b')}]`],
  ['a semicolon', `[${good('a')};${good('b')}]`],
  ['a bracket too many', `[${good('a')}]]`],
  ['a bracket too few', `[${good('a')}`],
  ['brackets of two kinds', `[${good('a')}}`],
  ['a key without quotes', `[${good('a')},{id:"b"}]`],
  ['a key that is a number', `[${good('a')},{1:"b"}]`],
  ['a key without a value', `[${good('a')},{"id"}]`],
  ['a key twice with a colon too many', `[${good('a')},{"id"::"b"}]`],
  ['a string cut in its middle', `[${good('a')},{"id":"b`],
  ['a word cut in its middle', `[${good('a')},tru`],
  ['a word in capitals', `[${good('a')},TRUE]`],
  ['a line comment', `[${good('a')}] // end`],
  ['two documents', `[${good('a')}]\n[${good('b')}]`],
  ['two byte order marks', `\ufeff\ufeff[${good('a')}]`],
  ['a byte order mark at the end', `[${good('a')}]\ufeff`],
  ['UTF-16 in big-endian with its mark', Buffer.from(`\ufeff${good('a')}`, 'utf16le').swap16()],
  ['UTF-16 without a mark', Buffer.from(good('a'), 'utf16le')],
  ['Latin-1', Buffer.from(good('caf\u00e9'), 'latin1')],
  ['UTF-8 cut within a character', Buffer.from(`[${good('a')}]\u20ac`).subarray(0, -1)],
  [
    'a surrogate pair as two characters of three bytes',
    Buffer.concat([Buffer.from('["'), Buffer.from('eda0bdedb880', 'hex'), Buffer.from('"]')]),
  ],
  ['a code point past U+10FFFF', Buffer.concat([Buffer.from('["'), Buffer.from('f4908080', 'hex'), Buffer.from('"]')])],
  ['an overlong NUL', Buffer.concat([Buffer.from('["'), Buffer.from('c080', 'hex'), Buffer.from('"]')])],
  ['form data', 'id=a&type=llm&subject=cus'],
  ['multipart', `--x\r\nContent-Disposition: form-data; name="e"\r\n\r\n${good('a')}\r\n--x--`],
  ['YAML', '- id: a\n  type: llm\n'],
  ['CSV', 'id,type,subject\na,llm,cus\n'],
  ['MessagePack', Buffer.from('81a26964a161', 'hex')],
  ['an Avro record', Buffer.from('c3010000000000000000', 'hex')],
  ['packed, and nobody says so', gzipSync(good('a'))],
  ['100,000 brackets that are never closed', '['.repeat(100_000)],
  ['nothing', ''],
  ['a byte order mark alone', '\ufeff'],
];

const bodies: readonly RequestCase[] = unreadable.map(([name, body]) => ({
  name,
  body,
  status: 400,
  code: 'malformed_body',
}));

const oneOf = (id: string): string =>
  JSON.stringify(Array.from({ length: 10_001 }, (_, index) => ({ id: `${id}${index}` })));
const packed = (encoding: string, body: Buffer, rest: Partial<RequestCase> & { name: string }): RequestCase => ({
  ...{ headers: { 'content-encoding': encoding }, body, status: 200, accepted: 1 },
  ...rest,
});
const bomb = (bytes: number): Buffer => Buffer.alloc(bytes, 0x20);
const refusedPacked = { status: 400, code: 'malformed_body', accepted: 0 };

const encodings: readonly RequestCase[] = [
  packed('gzip', gzipSync(bomb(100_000_000)), {
    name: 'a gzip bomb of 100 MB',
    status: 413,
    code: 'body_too_large',
    accepted: 0,
  }),
  packed('deflate', deflateSync(bomb(50_000_000)), {
    name: 'a deflate bomb',
    status: 413,
    code: 'body_too_large',
    accepted: 0,
  }),
  packed('deflate', deflateRawSync(bomb(50_000_000)), {
    name: 'a raw deflate bomb',
    status: 413,
    code: 'body_too_large',
    accepted: 0,
  }),
  packed('br', brotliCompressSync(bomb(50_000_000), { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }), {
    name: 'a Brotli bomb',
    status: 413,
    code: 'body_too_large',
    accepted: 0,
  }),
  packed('gzip', Buffer.concat(Array.from({ length: 50 }, () => gzipSync(bomb(1_000_000)))), {
    name: 'a bomb of 50 gzip members',
    status: 413,
    code: 'body_too_large',
    accepted: 0,
  }),
  packed('gzip', gzipSync(gzipSync(good('a'))), { name: 'packed twice, and said once', ...refusedPacked }),
  packed('gzip', gzipSync(good('a')).subarray(0, -4), {
    name: 'gzip without the end of its trailer',
    ...refusedPacked,
  }),
  packed('gzip', Buffer.concat([gzipSync(good('a')).subarray(0, -8), Buffer.alloc(8)]), {
    name: 'gzip with a checksum that is not its own',
    ...refusedPacked,
  }),
  packed('gzip', Buffer.from('1f8b', 'hex'), { name: 'the magic bytes of gzip alone', ...refusedPacked }),
  packed('gzip', Buffer.from(good('a')), { name: 'JSON that says it is gzip', ...refusedPacked }),
  packed('br', gzipSync(good('a')), { name: 'gzip that says it is Brotli', ...refusedPacked }),
  packed('deflate', gzipSync(good('a')), { name: 'gzip that says it is deflate', ...refusedPacked }),
  packed('gzip', gzipSync(''), { name: 'nothing, packed', ...refusedPacked }),
  packed('gzip', Buffer.concat([gzipSync(`[${good('a')}`), gzipSync(']')]), { name: 'a body in two gzip members' }),
  packed(' GZip ', gzipSync(good('a')), { name: 'an encoding in capitals, with spaces' }),
  packed('identity', Buffer.from(good('a')), { name: 'identity' }),
  packed('', Buffer.from(good('a')), { name: 'an empty encoding' }),
  ...['gzip, br', 'zstd', 'compress', '*', 'gzip;q=1', 'deflate, gzip', 'snappy', '__proto__', 'none'].map((encoding) =>
    packed(encoding, Buffer.from(good('a')), {
      name: `the encoding ${encoding}`,
      status: 415,
      code: 'unsupported_encoding',
      accepted: 0,
    }),
  ),
];

const ofType = (type: string, status: number, code?: string): RequestCase => ({
  name: `the media type ${type || '(empty)'}`,
  headers: { 'content-type': type },
  body: good('a'),
  status,
  ...(code === undefined ? { accepted: 1 } : { code }),
});

const mediaTypes: readonly RequestCase[] = [
  ...[
    ...[
      '',
      'text/plain',
      'text/json',
      'application/xml',
      'application/octet-stream',
      'multipart/form-data; boundary=x',
    ],
    ...['application/x-www-form-urlencoded', 'application/jsonp', 'application/json5', 'application/json/x', '*/*'],
    ...[
      'application/json, text/plain',
      '__proto__',
      'constructor/prototype',
      'application/ndjsonp',
      'application/avro',
    ],
    ...[
      'application/json; charset=utf-16',
      'application/json; charset=iso-8859-1',
      'application/json; charset="utf-7"',
    ],
    ...[
      'application/json;charset=utf-8;charset=latin1'.replace('utf-8;charset=', ''),
      'application/x-ndjson; charset=us-ascii',
    ],
  ].map((type) => ofType(type, 415, 'unsupported_media_type')),
  ofType('APPLICATION/JSON', 200),
  ofType('application/ndjson', 200),
  ofType('application/jsonl; charset=utf-8', 200),
  ofType('application/json; charset=UTF-8', 200),
  ofType('application/json ; charset = "utf8"', 200),
  ofType('application/json; profile="x"', 200),
];

const lines = { 'content-type': 'application/x-ndjson' };
const ndjson: readonly RequestCase[] = [
  {
    name: 'a NaN in one line',
    headers: lines,
    body: `${good('a')}\n{"id":NaN}\n${good('b')}`,
    status: 207,
    accepted: 2,
    rejected: [[1, 'malformed_line', null]],
  },
  {
    name: 'a last line cut short',
    headers: lines,
    body: `${good('a')}\n${good('b').slice(0, 30)}`,
    status: 207,
    accepted: 1,
    rejected: [[1, 'malformed_line', null]],
  },
  {
    name: 'an event over two lines',
    headers: lines,
    body: `${good('a')}\n${good('b').replace(',"data"', ',\n"data"')}`,
    status: 207,
    accepted: 1,
    rejected: [
      [1, 'malformed_line', null],
      [2, 'malformed_line', null],
    ],
  },
  {
    name: 'lines that end in a carriage return alone are one line',
    headers: lines,
    body: `${good('a')}\r${good('b')}`,
    status: 400,
    code: 'no_event_accepted',
    rejected: [[0, 'malformed_line', null]],
  },
  {
    name: 'an array in a line',
    headers: lines,
    body: `[${good('a')}]\n${good('b')}`,
    status: 207,
    accepted: 1,
    rejected: [[0, 'invalid_event', null]],
  },
  {
    name: 'a line of 600 levels beside an exact number',
    headers: lines,
    body: `${good('a')}\n{"n":1e2,"a":${'['.repeat(600)}${']'.repeat(600)}}`,
    status: 207,
    accepted: 1,
    rejected: [[1, 'nested_too_deep', null]],
  },
  {
    name: 'a JSON text sequence',
    headers: lines,
    body: `\u001e${good('a')}\n`,
    status: 400,
    code: 'no_event_accepted',
  },
  { name: 'blank lines of every kind', headers: lines, body: `\n\r\n \t\n${good('a')}\n\n`, status: 200, accepted: 1 },
  {
    name: 'a byte that is not UTF-8 in any line',
    headers: lines,
    body: Buffer.from(`${good('a')}\n\xff`, 'latin1'),
    status: 400,
    code: 'malformed_body',
  },
  { name: 'no line at all', headers: lines, body: '\n\n\n', status: 400, code: 'empty_batch' },
];

const structured = { 'content-type': 'application/cloudevents+json' };
const batch = { 'content-type': 'application/cloudevents-batch+json' };
const binary = {
  ...{ 'ce-specversion': '1.0', 'ce-id': 'a', 'ce-source': '/s', 'ce-type': 'llm', 'ce-subject': 'cus' },
};
const oneRejected = (code: string, field: string | null) => ({
  status: 400,
  code: 'no_event_accepted',
  rejected: [[0, code, field] as const],
});
const without = (name: string): OutgoingHttpHeaders =>
  Object.fromEntries(Object.entries(binary).filter(([header]) => header !== name));

const cloudEvents: readonly RequestCase[] = [
  {
    name: 'a batch with one of another version',
    headers: batch,
    body: `[${cloud('a')},${cloud('b').replace('1.0', '0.3')}]`,
    status: 207,
    accepted: 1,
    rejected: [[1, 'unsupported_specversion', 'specversion']],
  },
  {
    name: 'a batch with one of our own form',
    headers: batch,
    body: `[${good('b')},${cloud('a')}]`,
    status: 207,
    accepted: 1,
    rejected: [[0, 'missing_field', 'specversion']],
  },
  {
    name: 'a batch in a batch',
    headers: batch,
    body: `[[${cloud('a')}],${cloud('b')}]`,
    status: 207,
    accepted: 1,
    rejected: [[0, 'invalid_event', null]],
  },
  { name: 'one as plain JSON', body: cloud('a'), status: 200, accepted: 1 },
  {
    name: 'as plain JSON, beside our own form, one of another version',
    body: `[${cloud('a')},${good('b')},${cloud('c').replace('1.0', '0.3')}]`,
    status: 207,
    accepted: 2,
    rejected: [[2, 'unsupported_specversion', 'specversion']],
  },
  { name: 'a batch that is one event', headers: batch, body: cloud('a'), status: 400, code: 'malformed_body' },
  { name: 'a batch that is null', headers: batch, body: 'null', status: 400, code: 'malformed_body' },
  {
    name: 'one event that is an array',
    headers: structured,
    body: `[${cloud('a')}]`,
    status: 400,
    code: 'malformed_body',
  },
  {
    name: 'specversion as a number',
    headers: structured,
    body: cloud('a').replace('"1.0"', '1.0'),
    ...oneRejected('unsupported_specversion', 'specversion'),
  },
  {
    name: 'specversion twice, the wrong one last',
    headers: structured,
    body: cloud('a', ',"specversion":"1.1"'),
    ...oneRejected('unsupported_specversion', 'specversion'),
  },
  {
    name: 'attributes in capitals',
    headers: structured,
    body: cloud('a').replace('"id"', '"ID"'),
    ...oneRejected('missing_field', 'id'),
  },
  {
    name: 'data and data_base64 together',
    headers: structured,
    body: cloud('a', ',"data_base64":"e30="'),
    ...oneRejected('invalid_data', 'data_base64'),
  },
  {
    name: 'data that is XML',
    headers: structured,
    body: cloud('a', ',"datacontenttype":"text/xml"'),
    ...oneRejected('unsupported_datacontenttype', 'datacontenttype'),
  },
  {
    name: 'a datacontenttype of 100,000 characters',
    headers: structured,
    body: cloud('a', `,"datacontenttype":"${'x'.repeat(100_000)}"`),
    ...oneRejected('unsupported_datacontenttype', 'datacontenttype'),
  },
  {
    name: 'extensions named as prototypes',
    headers: structured,
    body: cloud('a', ',"__proto__":{"id":"x"},"constructor":1'),
    status: 200,
    accepted: 1,
  },
  {
    name: 'a source of 257 characters',
    headers: structured,
    body: cloud('a', `,"source":"${'s'.repeat(257)}"`),
    ...oneRejected('invalid_field', 'source'),
  },
  {
    name: 'the XML format',
    headers: { 'content-type': 'application/cloudevents+xml' },
    body: '<event/>',
    status: 415,
    code: 'unsupported_media_type',
  },
  { name: 'binary mode, good', headers: binary, body: '{"tokens":1}', status: 200, accepted: 1 },
  { name: 'binary mode without ce-id', headers: without('ce-id'), body: '{}', ...oneRejected('missing_field', 'id') },
  {
    name: 'binary mode without ce-type',
    headers: without('ce-type'),
    body: '{}',
    ...oneRejected('missing_field', 'type'),
  },
  {
    name: 'binary mode without ce-source',
    headers: without('ce-source'),
    body: '{}',
    ...oneRejected('missing_field', 'source'),
  },
  {
    name: 'binary mode with an empty ce-subject',
    headers: { ...binary, 'ce-subject': '' },
    body: '{}',
    ...oneRejected('invalid_field', 'subject'),
  },
  {
    name: 'binary mode of version 0.3',
    headers: { ...binary, 'ce-specversion': '0.3' },
    body: '{}',
    ...oneRejected('unsupported_specversion', 'specversion'),
  },
  {
    name: 'binary mode with a bare percent sign',
    headers: { ...binary, 'ce-id': '100%' },
    body: '{}',
    ...oneRejected('invalid_field', 'id'),
  },
  {
    name: 'binary mode with an escaped surrogate',
    headers: { ...binary, 'ce-id': '%ED%A0%80' },
    body: '{}',
    ...oneRejected('invalid_field', 'id'),
  },
  {
    name: 'binary mode with an escaped NUL',
    headers: { ...binary, 'ce-id': 'a%00' },
    body: '{}',
    ...oneRejected('invalid_field', 'id'),
  },
  {
    name: 'binary mode with raw Latin-1',
    headers: { ...binary, 'ce-id': 'caf\u00e9' },
    body: '{}',
    ...oneRejected('invalid_field', 'id'),
  },
  {
    name: 'binary mode with an id of 257 escaped characters',
    headers: { ...binary, 'ce-id': '%C3%A9'.repeat(257) },
    body: '{}',
    ...oneRejected('invalid_field', 'id'),
  },
  {
    name: 'binary mode with 256 of them',
    headers: { ...binary, 'ce-id': '%C3%A9'.repeat(256) },
    body: '{}',
    status: 200,
    accepted: 1,
  },
  {
    name: 'binary mode with a bad time',
    headers: { ...binary, 'ce-time': 'yesterday' },
    body: '{}',
    ...oneRejected('invalid_time', 'time'),
  },
  {
    name: 'binary mode with a time long gone',
    headers: { ...binary, 'ce-time': '1999-01-01T00:00:00Z' },
    body: '{}',
    ...oneRejected('time_too_old', 'time'),
  },
  {
    name: 'binary mode with data in a header',
    headers: { ...binary, 'ce-data': '{"tokens":"x"}' },
    body: '{"tokens":1}',
    status: 200,
    accepted: 1,
  },
  { name: 'binary mode with an array as data', headers: binary, body: '[1]', ...oneRejected('invalid_data', 'data') },
  {
    name: 'binary mode with a bad value',
    headers: binary,
    body: '{"tokens":"x"}',
    ...oneRejected('invalid_value', 'data.tokens'),
  },
  {
    name: 'binary mode with text as data',
    headers: { ...binary, 'content-type': 'text/plain' },
    body: 'hello',
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'binary mode of lines',
    headers: { ...binary, 'content-type': 'application/x-ndjson' },
    body: '{}',
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'binary mode with a body cut short',
    headers: binary,
    body: '{"tokens":',
    status: 400,
    code: 'malformed_body',
  },
];

const batches: readonly RequestCase[] = [
  {
    name: 'one level too many beside an exact number',
    body: `[1e2,${good('a')},{"a":${'['.repeat(512)}${']'.repeat(512)}}]`,
    status: 207,
    accepted: 1,
    rejected: [
      [0, 'invalid_event', null],
      [2, 'nested_too_deep', null],
    ],
  },
  {
    name: '100,000 levels in an event with an exact number',
    body: `[{"n":1e2,"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}},${good('a')}]`,
    status: 207,
    accepted: 1,
    rejected: [[0, 'nested_too_deep', null]],
  },
  { name: 'an empty array', body: '[]', status: 400, code: 'empty_batch' },
  { name: 'an empty object', body: '{}', ...oneRejected('missing_field', 'id') },
  { name: '10,001 events', body: oneOf('e'), status: 413, code: 'too_many_events' },
  { name: '10,001 lines', headers: lines, body: '{}\n'.repeat(10_001), status: 413, code: 'too_many_events' },
  {
    name: '10,001 events in binary-mode data are one event',
    headers: binary,
    body: oneOf('e'),
    ...oneRejected('invalid_data', 'data'),
  },
  {
    name: 'a body one byte too large',
    body: `${' '.repeat(1_000_001 - good('a').length)}${good('a')}`,
    status: 413,
    code: 'body_too_large',
  },
  {
    name: 'a body as large as may be',
    body: `${' '.repeat(1_000_000 - good('a').length)}${good('a')}`,
    status: 200,
    accepted: 1,
  },
  {
    name: 'the same event twice: both are durable, and one is counted',
    body: `[${good('a')},${good('a')}]`,
    status: 200,
    accepted: 2,
  },
  { name: 'an object of events', body: `{"events":[${good('a')}]}`, ...oneRejected('unknown_field', 'events') },
  { name: 'an event in an event', body: `{"event":${good('a')}}`, ...oneRejected('unknown_field', 'event') },
];

const at = (name: string, method: string, path: string, status: number, code?: string): RequestCase => ({
  ...{ name, target: { method, path }, body: method === 'GET' || method === 'HEAD' ? '' : good('a'), status },
  ...(code === undefined ? {} : { code }),
  ...(status === 200 ? { accepted: 1 } : {}),
});

const targets: readonly RequestCase[] = [
  at('PUT', 'PUT', '/v1/events', 405, 'method_not_allowed'),
  at('PATCH', 'PATCH', '/v1/events', 405, 'method_not_allowed'),
  at('DELETE', 'DELETE', '/v1/events', 405, 'method_not_allowed'),
  at('GET without an id', 'GET', '/v1/events', 405, 'method_not_allowed'),
  at('OPTIONS', 'OPTIONS', '/v1/events', 405, 'method_not_allowed'),
  at('a slash too many', 'POST', '/v1/events/', 404, 'not_found'),
  at('two slashes', 'POST', '//v1/events', 404, 'not_found'),
  at('another version', 'POST', '/v2/events', 404, 'not_found'),
  at('capitals', 'POST', '/V1/EVENTS', 404, 'not_found'),
  at('dots', 'POST', '/v1/x/../events', 404, 'not_found'),
  at('an escaped slash', 'POST', '/v1%2Fevents', 404, 'not_found'),
  at('an escape that is none', 'POST', '/v1/%zz', 400, 'invalid_request'),
  at('10,000 characters and an escape that is none', 'POST', `/${'x'.repeat(10_000)}%zz`, 400, 'invalid_request'),
  at('a path of 10,000 characters', 'POST', `/${'x'.repeat(10_000)}`, 404, 'not_found'),
  at('a query', 'POST', '/v1/events?tenant=globex', 200),
];

const authorized = (name: string, authorization: string | undefined, status: number): RequestCase => ({
  ...{
    name,
    headers: authorization === undefined ? { authorization: undefined } : { authorization },
    body: good('a'),
    status,
  },
  ...(status === 200 ? { accepted: 1 } : { code: 'unauthenticated' }),
});

const headerCases: readonly RequestCase[] = [
  authorized('an empty Authorization', '', 401),
  authorized('Basic', 'Basic YTpi', 401),
  authorized('Bearer without a key', 'Bearer', 401),
  authorized('a key without Bearer', 'key-acme', 401),
  authorized('bearer in lower case', 'bearer key-acme', 200),
  {
    name: 'a header that names a tenant',
    headers: { 'x-tenant': 'globex', tenant: 'globex' },
    body: good('a'),
    status: 200,
    accepted: 1,
  },
  {
    name: 'a method override',
    headers: { 'x-http-method-override': 'DELETE' },
    body: good('a'),
    status: 200,
    accepted: 1,
  },
  {
    name: 'a request id that holds an escaped line end',
    headers: { 'x-request-id': 'a%0d%0aset-cookie:x' },
    body: '{',
    status: 400,
    code: 'malformed_body',
  },
  {
    name: 'a request id of 65 characters',
    headers: { 'x-request-id': 'x'.repeat(65) },
    body: '{',
    status: 400,
    code: 'malformed_body',
  },
  {
    name: 'an Accept that we do not serve',
    headers: { accept: 'text/html' },
    body: '{',
    status: 400,
    code: 'malformed_body',
  },
];

export const requestCases: Readonly<Record<string, readonly RequestCase[]>> = {
  'bodies that can’t be read': bodies,
  'content encodings': encodings,
  'media types': mediaTypes,
  lines: ndjson,
  CloudEvents: cloudEvents,
  batches,
  'methods and paths': targets,
  headers: headerCases,
};
