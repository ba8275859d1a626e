// Clients that ask and do not read: how many of their requests are handled, what waits for them in memory, and for how
// long.
import { type AddressInfo, connect } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { createHttpApp } from '../../platform/http/app.ts';
import { PIPELINED_MAX } from '../../platform/http/connections.ts';
import { PATIENCE_MS } from '../../platform/http/least-pace.ts';
import { UNREAD_BYTES_MAX } from '../../platform/http/unread-answers.ts';
import { until } from '../support/until.ts';
import { openRaw, type RawClient } from './raw-client.ts';

const LARGE_BYTES = 60_000;
/** Far more than the kernel takes. */
const HUGE_BYTES = 24_000_000;
const huge = Buffer.alloc(HUGE_BYTES, 'x');

let app: FastifyInstance;
let registry: Registry;
let port: number;
let handled: number;
let clients: RawClient[];

beforeEach(async () => {
  clients = [];
  handled = 0;
  registry = new Registry();
  app = createHttpApp(pino({ level: 'silent' }), {
    registry,
    connections: { connectionsMax: 1_000, connectionsPerAddressMax: 1_000, trustedProxies: [] },
  });
  app.get('/large', async () => {
    handled++;
    return 'x'.repeat(LARGE_BYTES);
  });
  app.get('/huge', async () => huge);
  await app.listen({ host: '127.0.0.1', port: 0 });
  port = (app.server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await app.close();
});

const REQUEST = 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n';

function open(bytes: string, { reads }: { reads: boolean }): RawClient {
  const client = openRaw(port, { reads });
  client.socket.write(bytes);
  clients.push(client);
  return client;
}
const sockets = (): Promise<number> => promisify(app.server.getConnections.bind(app.server))() as Promise<number>;

async function ended(reason: string): Promise<number> {
  const { values } = await registry.getSingleMetric('tallyline_http_connections_ended_total')!.get();
  return values.find(({ labels }) => labels.reason === reason)?.value ?? 0;
}

async function unread(): Promise<number> {
  const { values } = await registry.getSingleMetric('tallyline_http_unread_bytes')!.get();
  return values[0]!.value;
}

describe('answers that nobody reads', () => {
  it('are few: a connection with more of them than anybody pipelines is ended', async () => {
    for (let i = 0; i < 50; i++) open(REQUEST.repeat(200), { reads: false });
    await until(async () => (await ended('pipelined')) === 50, 'all of them are ended', 10_000, 20);
    expect(handled).toBeLessThanOrEqual(50 * PIPELINED_MAX);
    expect(await sockets()).toBe(0);
  });

  it('are waited for: nothing more is parsed meanwhile, and at last the connection is destroyed', async () => {
    const asking = open(REQUEST.repeat(PIPELINED_MAX), { reads: false });
    let sent = PIPELINED_MAX;
    // Asks on at the pace at which it is answered, so that it is never ahead by more than it may be.
    const more = setInterval(() => {
      if (handled < sent || sent > 100_000) return;
      asking.socket.write(REQUEST.repeat(PIPELINED_MAX / 2));
      sent += PIPELINED_MAX / 2;
    }, 5);
    try {
      const startedAt = performance.now();
      await until(async () => (await ended('unread_answer')) === 1, 'it is destroyed', 30_000, 20);
      expect(performance.now() - startedAt).toBeGreaterThan(PATIENCE_MS);
      // What the kernel takes is some megabytes; of the rest no more than a full connection's answers were made.
      expect(handled * LARGE_BYTES).toBeLessThan(16_000_000 + PIPELINED_MAX * LARGE_BYTES);
      expect(await sockets()).toBe(0);
    } finally {
      clearInterval(more);
    }
  });

  it('end with their connection where half a request stands behind them', async () => {
    open(`${REQUEST.repeat(PIPELINED_MAX)}GET /large HT`, { reads: false });
    await until(() => handled === PIPELINED_MAX, 'its requests are handled');
    await until(async () => (await sockets()) === 0, 'it is destroyed', 20_000, 20);
  });

  it('are bounded in memory, however many connections keep some; whoever reads is left alone', async () => {
    const HUGE = 'GET /huge HTTP/1.1\r\nHost: x\r\n\r\n';
    const reader = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    let bytesRead = 0;
    reader.on('data', (chunk) => {
      bytesRead += chunk.length;
      // Slowly, and longer than the others need.
      reader.pause();
      setTimeout(() => reader.resume(), 1);
    });
    reader.write(HUGE);
    for (let i = 0; i < 16; i++) open(HUGE, { reads: false });
    await until(async () => (await ended('unread_memory')) > 0, 'some of them are ended', 20_000, 20);
    await until(async () => (await unread()) < UNREAD_BYTES_MAX, 'the rest fits', 20_000, 20);
    expect(await sockets()).toBeGreaterThanOrEqual(Math.floor(UNREAD_BYTES_MAX / HUGE_BYTES));
    await until(() => bytesRead > HUGE_BYTES, 'the one who reads has it all', 20_000, 20);
    reader.destroy();
  });

  it('are no concern of a client that reads: pipelined requests are answered in order', async () => {
    const client = open(REQUEST.repeat(PIPELINED_MAX), { reads: true });
    for (let round = 1; round <= 5; round++) {
      await until(() => client.text().split('HTTP/1.1 200').length - 1 === round * PIPELINED_MAX, 'all have come');
      client.socket.write(REQUEST.repeat(PIPELINED_MAX));
    }
    expect(await ended('pipelined')).toBe(0);
  });
});
