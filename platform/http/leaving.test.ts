// How a server goes while clients use it: whoever sends each request once sees no error.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { until } from '../../test/support/until.ts';
import { createRegistry, registerAdminRoutes } from './admin-routes.ts';
import { createHttpApp } from './app.ts';

const GET = 'GET /now HTTP/1.1\r\nHost: x\r\n\r\n';

let app: FastifyInstance;
let port: number;
afterEach(() => app.close());

async function serve(): Promise<{ readonly answerSlow: () => void; readonly slow: () => number }> {
  app = createHttpApp(pino({ level: 'silent' }));
  registerAdminRoutes(app, createRegistry(), () => [
    { name: 'a stage', notReady: () => null, failed: new Promise<never>(() => {}), stop: async () => {} },
  ]);
  let answerSlow = (): void => {};
  let started = 0;
  const held = new Promise<string>((resolve) => {
    answerSlow = () => resolve('done');
  });
  app.get('/now', () => 'now');
  app.get('/slow', () => {
    started++;
    return held;
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = app.server.address() as { port: number });
  return { answerSlow, slow: () => started };
}

interface Client {
  send(text: string): void;
  /** Heads of the answers so far, each with its body. */
  answers(): string[];
  text(): string;
  isClosed(): boolean;
}

async function open(): Promise<Client> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  let isClosed = false;
  let isOpen = false;
  socket.on('connect', () => (isOpen = true));
  socket.on('data', (chunk) => (text += chunk.toString()));
  socket.on('error', () => {});
  socket.on('close', () => (isClosed = true));
  await until(() => isOpen, 'a connection is open');
  return {
    send: (request) => socket.write(request),
    answers: () => text.split(/(?=HTTP\/1\.1 )/),
    text: () => text,
    isClosed: () => isClosed,
  };
}

/** A kept-alive connection that has had an answer. */
async function openUsed(): Promise<Client> {
  const client = await open();
  client.send(GET);
  await until(() => client.text().endsWith('now'), 'a first answer');
  expect(client.text()).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: keep-alive\r\n/i);
  return client;
}

const lastAnswer = (client: Client): string => client.answers().at(-1)!;
const ANSWERED_AND_CLOSED = /^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n[\s\S]*now$/i;

describe('a server that leaves', () => {
  it('answers on open and on new connections, says goodbye on each, and is not ready', async () => {
    await serve();
    const ready = async () => (await app.inject('/readyz')).statusCode;
    expect(await ready()).toBe(200);
    const used = await Promise.all(Array.from({ length: 20 }, openUsed));
    const idle = await openUsed();
    app.leave();
    expect(await ready()).toBe(503);
    expect((await app.inject('/readyz')).json()).toEqual({ status: 'not ready', reasons: ['shutting down'] });
    const clients = [...used, await open()];
    for (const client of clients) client.send(GET);
    for (const client of clients) {
      await until(client.isClosed, 'a connection is closed behind its answer');
      expect(lastAnswer(client)).toMatch(ANSWERED_AND_CLOSED);
    }
    expect(idle.isClosed()).toBe(false);
  });

  it('answers all requests that were pipelined, and closes behind the last one', async () => {
    const { answerSlow, slow } = await serve();
    const client = await open();
    client.send(`GET /slow HTTP/1.1\r\nHost: x\r\n\r\n${GET}`);
    await until(() => slow() === 1, 'the first request is being answered');
    app.leave();
    client.send(GET);
    await until(
      async () => (await new Promise((count) => app.server.getConnections((_, n) => count(n)))) === 1,
      'it is open',
    );
    answerSlow();
    await until(client.isClosed, 'the connection is closed');
    expect(client.answers().filter((answer) => answer.startsWith('HTTP/1.1 200 '))).toHaveLength(3);
    expect(lastAnswer(client)).toMatch(ANSWERED_AND_CLOSED);
  });
});

describe('a server that closes', () => {
  it('answers requests that were on their way to it, on every connection', async () => {
    const { answerSlow, slow } = await serve();
    const used = await Promise.all(Array.from({ length: 100 }, openUsed));
    const silent = await open();
    const half = await open();
    half.send('GET /now HTTP/1.1\r\n');
    const waiting = await open();
    waiting.send('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => slow() === 1, 'the slow request is being answered');
    const closed = app.close();
    await until(() => !app.server.listening, 'nothing new is accepted');
    half.send('Host: x\r\n\r\n');
    const clients = [...used, silent];
    for (const client of clients) client.send(GET);
    for (const client of [...clients, half]) {
      await until(client.isClosed, 'a connection is closed behind its answer');
      expect(lastAnswer(client)).toMatch(ANSWERED_AND_CLOSED);
    }
    expect(waiting.isClosed()).toBe(false);
    answerSlow();
    await closed;
    await until(waiting.isClosed, 'the last connection is closed');
    expect(waiting.text()).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nconnection: close\r\n[\s\S]*done$/i);
  });

  it('ends connections on which nothing comes, and heads that do not end', async () => {
    await serve();
    const idle = await openUsed();
    const silent = await open();
    const dripping = await open();
    const drip = setInterval(() => dripping.send('x'), 50);
    try {
      dripping.send('GET /now HTTP/1.1\r\nx-');
      const startedAt = performance.now();
      await app.close();
      expect(performance.now() - startedAt).toBeLessThan(8_000);
      for (const client of [idle, silent, dripping]) await until(client.isClosed, 'every connection is closed');
      expect(dripping.text()).toBe('');
    } finally {
      clearInterval(drip);
    }
  });
});
