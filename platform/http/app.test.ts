import { METHODS } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { Problem, problemCodes, retryAfter } from '../../domain/problem.ts';
import { createHttpApp } from './app.ts';

let app: FastifyInstance;
afterEach(() => app.close());

function setUp() {
  const lines: { msg: string; err?: { message: string } }[] = [];
  app = createHttpApp(pino({ level: 'error' }, { write: (line: string) => lines.push(JSON.parse(line)) }));
  return { lines };
}

describe('createHttpApp', () => {
  it('answers a thrown problem with its status, headers and members', async () => {
    setUp();
    app.get('/', () => {
      throw new Problem('rate_limited', 'slow down', { headers: retryAfter(0.2), members: { limit: 5 } });
    });
    const response = await app.inject({ url: '/', headers: { 'x-request-id': 'r-1' } });
    expect(response.statusCode).toBe(429);
    expect(response.headers).toMatchObject({
      'content-type': 'application/problem+json',
      'retry-after': '1',
      'x-request-id': 'r-1',
    });
    expect(response.json()).toEqual({
      type: 'urn:tallyline:problem:rate_limited',
      title: problemCodes.rate_limited.title,
      status: 429,
      code: 'rate_limited',
      detail: 'slow down',
      requestId: 'r-1',
      limit: 5,
    });
  });

  it('knows a client behind a trusted proxy by what the proxy says, and nobody else', async () => {
    const trusting = createHttpApp(pino({ level: 'silent' }), {
      connections: { connectionsMax: null, connectionsPerAddressMax: null, trustedProxies: ['127.0.0.0/8'] },
    });
    const plain = createHttpApp(pino({ level: 'silent' }));
    for (const [server, address] of [
      [trusting, '198.51.100.7'],
      [plain, '127.0.0.1'],
    ] as const) {
      server.get('/ip', (request) => request.ip);
      // The first one is what the client wrote itself.
      const response = await server.inject({ url: '/ip', headers: { 'x-forwarded-for': '203.0.113.1, 198.51.100.7' } });
      expect(response.body).toBe(address);
      await server.close();
    }
  });

  it('tells the log, and not the client, what went wrong inside', async () => {
    const { lines } = setUp();
    app.get('/', () => {
      throw new Error('password is hunter2');
    });
    const response = await app.inject({ url: '/' });
    expect(response.json()).toMatchObject({ status: 500, code: 'internal' });
    expect(response.body).not.toContain('hunter2');
    expect(lines).toEqual([
      expect.objectContaining({
        msg: 'request failed',
        reqId: response.json().requestId,
        err: expect.objectContaining({ message: 'password is hunter2' }),
      }),
    ]);
  });

  it('gives what fastify refuses a code of ours', async () => {
    setUp();
    app.post('/', { bodyLimit: 10 }, () => 'ok');
    const post = (payload: string, type: string) =>
      app.inject({ method: 'POST', url: '/', payload, headers: { 'content-type': type } });
    expect((await post('"12345678901"', 'application/json')).json()).toMatchObject({
      status: 413,
      code: 'body_too_large',
    });
    expect((await post('{', 'application/json')).json()).toMatchObject({ status: 400, code: 'invalid_request' });
    expect((await post('x', 'text/html')).json()).toMatchObject({ status: 415, code: 'unsupported_media_type' });
    expect((await app.inject({ url: '/none?key=secret' })).json()).toMatchObject({
      status: 404,
      detail: 'There is nothing at GET /none.',
    });
  });

  it('says which methods a path takes, whatever method Node reads', async () => {
    setUp();
    app.get('/things/:id', () => 'ok');
    app.post('/things/:id', () => 'ok');
    app.get('/files/*', () => 'ok');
    for (const method of METHODS.filter((one) => !['GET', 'HEAD', 'POST', 'CONNECT'].includes(one))) {
      const response = await app.inject({ method: method as 'PUT', url: '/things/a%2Fb?x=1' });
      expect([method, response.statusCode, response.json().code]).toEqual([method, 405, 'method_not_allowed']);
      expect(response.headers.allow).toBe('GET, HEAD, POST');
    }
    const file = await app.inject({ method: 'PUT', url: '/files/a/b', payload: 'x' });
    expect([file.statusCode, file.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect((await app.inject({ method: 'PUT', url: '/things' })).statusCode).toBe(404);
  });
});
