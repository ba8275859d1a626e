// What is served without the framework, and how such an answer ends its connection.
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { until } from '../../test/support/until.ts';
import { createHttpApp, type HttpAppOptions } from './app.ts';
import type { DirectExchange } from './direct-requests.ts';

const open: { readonly app: FastifyInstance; readonly socket: Socket }[] = [];
afterEach(async () => {
  for (const { app, socket } of open.splice(0)) {
    socket.destroy();
    await app.close();
  }
});

const head = (...headers: readonly string[]): string =>
  ['POST /things HTTP/1.1', 'Host: x', 'Content-Type: application/json', 'Content-Length: 2', ...headers, '', ''].join(
    '\r\n',
  );

async function serve(connections?: HttpAppOptions['connections']) {
  const app = createHttpApp(pino({ level: 'silent' }), connections === undefined ? {} : { connections });
  const taken: DirectExchange[] = [];
  app.serveDirectly('/things', (exchange) => taken.push(exchange));
  app.post('/things', async () => ({ by: 'the framework' }));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1');
  open.push({ app, socket });
  const answer = { text: '' };
  socket.on('data', (chunk) => {
    answer.text += chunk.toString();
  });
  return { app, socket, taken, answer };
}

describe('a request', () => {
  it('that is plain is taken, and can be handed over', async () => {
    const { socket, taken, answer } = await serve();
    socket.write(`${head()}{}`);
    await until(() => taken.length === 1, 'it is taken');
    expect(taken[0]!.answer(200, '{"by":"us"}')).toBe(true);
    await until(() => answer.text.endsWith('{"by":"us"}'), 'its answer');
    expect(answer.text).not.toMatch(/^connection: close/im);
    socket.write(`${head()}{}`);
    await until(() => taken.length === 2, 'the next one is taken');
    taken[1]!.handOver();
    await until(() => answer.text.endsWith('{"by":"the framework"}'), 'the answer of the framework');
  });

  it.each([
    ['PUT', head().replace('POST', 'PUT')],
    ['HTTP/1.0', head().replace('HTTP/1.1', 'HTTP/1.0')],
    ['no host', head().replace('Host: x\r\n', '')],
    ['another path', head().replace('/things', '/things?a')],
    ['another content type', head().replace('application/json', 'application/json;charset=utf-8')],
    ['a chunked body', head().replace('Content-Length: 2', 'Transfer-Encoding: chunked')],
    ['an expectation', head('Expect: 100-continue')],
    ['a header that is sent twice', head('X-Request-Id: a', 'X-Request-Id: b')],
  ])('with %s is the framework’s', async (_, text) => {
    const { socket, taken, answer } = await serve();
    socket.write(`${text}{}`);
    await until(() => answer.text.includes('\r\n\r\n'), 'its answer');
    expect(taken).toEqual([]);
  });

  it('that a proxy passed on is the framework’s where a proxy is trusted', async () => {
    const proxied = `${head('X-Forwarded-For: 192.0.2.1')}{}`;
    const limits = { connectionsMax: null, connectionsPerAddressMax: null };
    const trusting = await serve({ ...limits, trustedProxies: ['127.0.0.1'] });
    trusting.socket.write(proxied);
    await until(() => trusting.answer.text.endsWith('{"by":"the framework"}'), 'the answer of the framework');
    const other = await serve({ ...limits, trustedProxies: [] });
    other.socket.write(proxied);
    await until(() => other.taken.length === 1, 'it is taken');
  });
});

describe('an answer', () => {
  it('that is given once the server leaves ends its connection, behind those before it', async () => {
    const { app, socket, taken, answer } = await serve();
    socket.write(`${head()}{}${head()}{}`);
    await until(() => taken.length === 2, 'both are taken');
    app.leave();
    taken[1]!.answer(200, '{"n":2}');
    taken[0]!.answer(200, '{"n":1}');
    await until(() => answer.text.endsWith('{"n":2}'), 'both answers');
    const [, first, second] = answer.text.split('HTTP/1.1 200 OK');
    expect(first).not.toMatch(/^connection:/im);
    expect(second).toMatch(/^connection: close/im);
  });

  it('to a client that is gone is none', async () => {
    const { socket, taken } = await serve();
    socket.write(`${head()}{}`);
    await until(() => taken.length === 1, 'it is taken');
    socket.destroy();
    await until(() => taken[0]!.request.socket.destroyed, 'the server knows');
    expect(taken[0]!.answer(200, '{}')).toBe(false);
  });
});
