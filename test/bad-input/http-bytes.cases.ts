// Bytes on a connection that a well-behaved client never sends.
import { good } from './http-requests.cases.ts';

export interface BytesCase {
  readonly name: string;
  readonly parts: readonly (string | Buffer)[];
  /** Null: the connection is ended without an answer. */
  readonly status: number | null;
  readonly code?: string;
  /** False: the client keeps its side open, and the server has to end the connection. */
  readonly end?: boolean;
  /** How many events are in the log afterwards. */
  readonly accepted?: number;
}

const head = (...headers: readonly string[]): string =>
  [
    'POST /v1/events HTTP/1.1',
    'Host: x',
    'Authorization: Bearer key-acme',
    'Content-Type: application/json',
    ...headers,
    '',
    '',
  ].join('\r\n');
const event = good('a');
const whole = `Content-Length: ${event.length}`;
const close = 'Connection: close';
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const refused = { status: 400, code: 'invalid_request' };

export const bytesCases: readonly BytesCase[] = [
  { name: 'a request as it should be', parts: [head(whole, close), event], status: 200, accepted: 1, end: false },
  { name: 'a body byte by byte', parts: [head(whole, close), ...event], status: 200, accepted: 1, end: false },
  {
    name: 'a chunked body',
    parts: [head('Transfer-Encoding: chunked', close), chunk(event.slice(0, 9)), chunk(event.slice(9)), '0\r\n\r\n'],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'chunks with extensions and a trailer',
    parts: [
      head('Transfer-Encoding: chunked', close),
      `${event.length.toString(16)};x=y\r\n${event}\r\n`,
      '0\r\nX-Trailer: z\r\n\r\n',
    ],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'Expect: 100-continue',
    parts: [head(whole, close, 'Expect: 100-continue'), event],
    status: 100,
    accepted: 1,
    end: false,
  },
  {
    name: 'an expectation in HTTP/1.0, which has none',
    parts: [head(whole, 'Expect: 100-continue').replace('HTTP/1.1', 'HTTP/1.0'), event],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'an expectation that nobody has',
    parts: [head(whole, close, 'Expect: the-best'), event],
    status: 417,
    code: 'expectation_failed',
    end: false,
  },
  { name: 'a body cut short by the end of the connection', parts: [head('Content-Length: 1000'), event], ...refused },
  {
    name: 'a chunked body cut short in a chunk',
    parts: [head('Transfer-Encoding: chunked'), `fff\r\n${event}`],
    ...refused,
  },
  {
    name: 'a chunked body without its last chunk',
    parts: [head('Transfer-Encoding: chunked'), chunk(event)],
    ...refused,
  },
  { name: 'headers cut short', parts: [head(whole).slice(0, 40)], ...refused },
  {
    // In one piece, or the garbage might be met before the event is read. Then it gets an answer of its own.
    name: 'a Content-Length that cuts the event, and what follows is garbage',
    parts: [`${head(`Content-Length: ${event.length - 1}`)}${event}`],
    status: 400,
    end: false,
  },
  { name: 'a Content-Length below zero', parts: [head('Content-Length: -1'), event], ...refused, end: false },
  { name: 'a Content-Length that is no number', parts: [head('Content-Length: ten'), event], ...refused, end: false },
  { name: 'a Content-Length in hexadecimal', parts: [head('Content-Length: 0x3d'), event], ...refused, end: false },
  {
    name: 'a Content-Length of 10,000 digits',
    parts: [head(`Content-Length: ${'9'.repeat(10_000)}`), event],
    ...refused,
    end: false,
  },
  { name: 'two Content-Lengths', parts: [head(whole, 'Content-Length: 5'), event], ...refused, end: false },
  {
    name: 'a Content-Length of a gigabyte',
    parts: [head('Content-Length: 1000000000'), event],
    status: 413,
    code: 'body_too_large',
    end: false,
  },
  {
    name: 'a Content-Length and chunks, as a smuggler sends them',
    parts: [head(whole, 'Transfer-Encoding: chunked'), chunk(event), '0\r\n\r\n'],
    ...refused,
    end: false,
  },
  {
    name: 'a transfer encoding that is none of ours',
    parts: [head('Transfer-Encoding: gzip'), event],
    status: 501,
    code: 'unsupported_transfer_coding',
    end: false,
  },
  {
    name: 'chunks of what is packed',
    parts: [head('Transfer-Encoding: gzip, chunked'), chunk(event), '0\r\n\r\n'],
    status: 501,
    code: 'unsupported_transfer_coding',
    end: false,
  },
  {
    name: 'chunked twice',
    parts: [head('Transfer-Encoding: chunked, chunked'), chunk(event), '0\r\n\r\n'],
    ...refused,
    end: false,
  },
  {
    name: 'chunked, in capitals and with spaces',
    parts: [head('Transfer-Encoding:  Chunked ', close), chunk(event), '0\r\n\r\n'],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'chunked, and then something else',
    parts: [head('Transfer-Encoding: chunked, identity'), event],
    ...refused,
    end: false,
  },
  {
    name: 'a chunk size that is no number',
    parts: [head('Transfer-Encoding: chunked'), 'zz\r\n', event],
    ...refused,
    end: false,
  },
  {
    name: 'a chunk size past 64 bits',
    parts: [head('Transfer-Encoding: chunked'), `${'f'.repeat(17)}\r\n`, event],
    ...refused,
    end: false,
  },
  {
    name: 'a chunk longer than it says',
    parts: [head('Transfer-Encoding: chunked'), `5\r\n${event}\r\n`],
    ...refused,
    end: false,
  },
  {
    name: 'chunks past the limit of a body',
    parts: [head('Transfer-Encoding: chunked'), ...Array.from({ length: 17 }, () => chunk(' '.repeat(65_536)))],
    status: 413,
    code: 'body_too_large',
    end: false,
  },
  {
    name: 'headers past their limit',
    parts: [head(`X-Filler: ${'x'.repeat(70_000)}`)],
    status: 431,
    code: 'headers_too_large',
    end: false,
  },
  {
    name: '5,000 headers',
    parts: [head(...Array.from({ length: 5_000 }, (_, index) => `X-${index}: y`))],
    status: 431,
    code: 'headers_too_large',
    end: false,
  },
  { name: 'no Host', parts: [head(whole).replace('Host: x\r\n', ''), event], ...refused, end: false },
  {
    name: 'no Host in HTTP/1.0',
    parts: [head(whole).replace('Host: x\r\n', '').replace('HTTP/1.1', 'HTTP/1.0'), event],
    status: 200,
    accepted: 1,
    end: false,
  },
  ...[
    'Host: y',
    'Authorization: Bearer key-globex',
    'Content-Type: text/plain',
    'X-Request-Id: a\r\nX-Request-Id: b',
    'ce-id: a\r\nCE-ID: b',
    'Content-Encoding: gzip\r\nContent-Encoding: gzip',
  ].map(
    (twice): BytesCase => ({
      name: `twice ${twice.slice(0, twice.indexOf(':'))}`,
      parts: [head(whole, close, twice), event],
      ...refused,
      end: false,
    }),
  ),
  {
    name: 'a list in several headers',
    parts: [head(whole, close, 'Accept: a/b', 'Accept: c/d', 'X-Forwarded-For: 1', 'X-Forwarded-For: 2'), event],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'an upgrade that is none of ours',
    parts: [head(whole, 'Connection: close, Upgrade', 'Upgrade: h2c'), event],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'CONNECT',
    parts: ['CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\nhello'],
    status: 404,
    code: 'not_found',
    end: false,
  },
  ...['TRACE', 'PROPFIND', 'M-SEARCH', 'PURGE', 'SOURCE'].map(
    (method): BytesCase => ({
      name: method,
      parts: [`${method} /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`],
      status: 405,
      code: 'method_not_allowed',
      end: false,
    }),
  ),
  {
    name: 'OPTIONS *',
    parts: ['OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'],
    status: 404,
    code: 'not_found',
    end: false,
  },
  {
    name: 'a target with a scheme and a host',
    parts: [head(whole, close).replace('/v1/events', 'http://y/v1/events'), event],
    status: 200,
    accepted: 1,
    end: false,
  },
  { name: 'the preface of HTTP/2', parts: ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], ...refused, end: false },
  {
    name: '3,000 headers within their bytes, the key last',
    parts: [
      `POST /v1/events HTTP/1.1\r\nHost: x\r\n${'a:\r\n'.repeat(3_000)}Authorization: Bearer key-acme\r\n` +
        `Content-Type: application/json\r\nConnection: close\r\n${whole}\r\n\r\n`,
      event,
    ],
    status: 200,
    accepted: 1,
    end: false,
  },
  {
    name: 'extensions of chunks without end',
    parts: [head('Transfer-Encoding: chunked'), `5;${'x'.repeat(20_000)}\r\n12345\r\n`],
    ...refused,
    end: false,
  },
  {
    name: 'a path of 100,000 characters',
    parts: [head(whole, close).replace('/v1/events', `/${'x'.repeat(100_000)}`), event],
    status: 431,
    code: 'headers_too_large',
    end: false,
  },
  { name: 'a space before the colon', parts: [head(whole, 'X-A : b'), event], ...refused, end: false },
  { name: 'a header folded over two lines', parts: [head(whole, 'X-A: b\r\n c'), event], ...refused, end: false },
  { name: 'a header without a colon', parts: [head(whole, 'just text'), event], ...refused, end: false },
  { name: 'a NUL in a header', parts: [head(whole, 'X-A: a\u0000b'), event], ...refused, end: false },
  {
    name: 'a bare carriage return in a header',
    parts: [head(whole, 'X-Request-Id: a\rSet-Cookie: b'), event],
    ...refused,
    end: false,
  },
  {
    name: 'lines that end in a line feed alone',
    parts: [head(whole, close).replaceAll('\r\n', '\n'), event],
    ...refused,
    end: false,
  },
  { name: 'HTTP/0.9', parts: ['GET /v1/events\r\n\r\n'], status: 405, code: 'method_not_allowed', end: false },
  { name: 'HTTP/9.9', parts: [head(whole).replace('HTTP/1.1', 'HTTP/9.9'), event], ...refused, end: false },
  { name: 'a method in lower case', parts: [head(whole).replace('POST', 'post'), event], ...refused, end: false },
  { name: 'a method that is none', parts: [head(whole).replace('POST', 'FROB'), event], ...refused, end: false },
  {
    name: 'a space in the path',
    parts: [head(whole).replace('/v1/events', '/v1/ events'), event],
    ...refused,
    end: false,
  },
  {
    name: 'a NUL in the path',
    parts: [head(whole).replace('/v1/events', '/v1/\u0000events'), event],
    ...refused,
    end: false,
  },
  {
    name: 'TLS spoken to a plain port',
    parts: [Buffer.from('16030100a5010000a10303', 'hex'), Buffer.alloc(64, 7)],
    ...refused,
    end: false,
  },
  {
    name: 'Kafka’s protocol',
    parts: [Buffer.from('0000001f00120003000000010007', 'hex'), Buffer.alloc(20)],
    ...refused,
    end: false,
  },
  { name: 'random bytes', parts: [Buffer.from('0123456789abcdef0d0a0d0a', 'hex')], ...refused, end: false },
];
