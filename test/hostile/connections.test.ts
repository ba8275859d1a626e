// Connections without a key: half heads, silence, and more of them than there are places for.
import { get } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Gateway, type GatewayOptions, startGateway } from '../bad-input/gateway.ts';
import { good } from '../bad-input/http-requests.cases.ts';
import { until } from '../support/until.ts';
import { metric, socketsOf } from './observed.ts';
import { openRaw, type RawClient } from './raw-client.ts';

const HALF_HEAD = 'POST /v1/events HTTP/1.1\r\nHost: x\r\n';

let gateway: Gateway;
let clients: RawClient[] = [];
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  clients = [];
  await gateway.stop();
});

const bounded = (connectionsMax: number, more: Partial<NonNullable<GatewayOptions['http']>['connections']> = {}) => ({
  connections: { connectionsMax, connectionsPerAddressMax: connectionsMax, trustedProxies: [], ...more },
});

async function open(count: number, ...parts: readonly string[]): Promise<RawClient[]> {
  const opened = Array.from({ length: count }, () => openRaw(gateway.port));
  for (const { socket } of opened) for (const part of parts) socket.write(part);
  clients.push(...opened);
  await Promise.all(opened.map(({ socket }) => until(() => !socket.connecting, 'it is connected')));
  return opened;
}

/** The status of a request on a connection of its own; 0 when it got no answer. */
const statusOf = (path: string): Promise<number> =>
  new Promise((resolve) => {
    get({ port: gateway.port, host: '127.0.0.1', path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    }).on('error', () => resolve(0));
  });

const ended = (reason: string) => metric(gateway, 'tallyline_http_connections_ended_total', { reason });

describe('connections without a key', () => {
  it('that send half a head are told so in ten seconds, and destroyed', async () => {
    gateway = await startGateway();
    const startedAt = performance.now();
    const half = await open(500, HALF_HEAD);
    const silent = await open(50);
    await until(async () => (await socketsOf(gateway)) === 0, 'all of them are destroyed', 20_000, 20);
    expect(performance.now() - startedAt).toBeLessThan(14_000);
    for (const client of [...half, ...silent]) expect(client.text()).toMatch(/^HTTP\/1\.1 408 [\s\S]*request_timeout/);
    expect(await ended('late_head')).toBe(550);
  });

  it('give their places to those who come after them', async () => {
    gateway = await startGateway({ http: bounded(50) });
    await open(200, HALF_HEAD);
    expect(await socketsOf(gateway)).toBeLessThanOrEqual(50 + 16);
    for (let i = 0; i < 20; i++) expect((await gateway.post(good('a'))).status).toBe(200);
    expect(await ended('displaced')).toBeGreaterThanOrEqual(150);
  });

  it('that idle after a request give theirs as well', async () => {
    gateway = await startGateway({ http: bounded(20) });
    const idle = await open(20, 'GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(() => idle.every((client) => client.text().includes('404')), 'each has its answer');
    // A connection counts as idle from the next look on.
    await until(async () => (await gateway.post(good('a'))).status === 200, 'a new client is served', 5_000);
  });

  it('find no place beside those that wait for an answer, but probes do', async () => {
    gateway = await startGateway({ http: bounded(10) });
    gateway.log.mode = 'hold';
    const waiting = Array.from({ length: 10 }, () => gateway.post(good('a')));
    await until(
      async () => (await metric(gateway, 'tallyline_http_connections', { state: 'requested' })) === 10,
      'full',
    );
    await open(100, HALF_HEAD);
    expect(await Promise.all(Array.from({ length: 5 }, () => statusOf('/v1/events')))).toEqual(Array(5).fill(503));
    for (let i = 0; i < 10; i++) {
      expect([await statusOf('/healthz'), await statusOf('/readyz'), await statusOf('/metrics')]).toEqual([
        200, 200, 200,
      ]);
    }
    expect(await socketsOf(gateway)).toBeLessThanOrEqual(10 + 16);
    gateway.log.release();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(10).fill(200));
  });

  it('of one address have a bound of their own, which does not hold for trusted proxies', async () => {
    gateway = await startGateway({ http: bounded(100, { connectionsPerAddressMax: 5 }) });
    gateway.log.mode = 'hold';
    const waiting = Array.from({ length: 5 }, () => gateway.post(good('a')));
    await until(() => gateway.log.held.length > 0, 'the first is held');
    await until(
      async () => (await metric(gateway, 'tallyline_http_connections', { state: 'requested' })) === 5,
      'five',
    );
    expect([await statusOf('/v1/events'), await statusOf('/healthz')]).toEqual([503, 200]);
    gateway.log.release();
    await Promise.all(waiting);
    await gateway.stop();

    const trusted = { connectionsPerAddressMax: 5, trustedProxies: ['127.0.0.0/8'] };
    gateway = await startGateway({ http: bounded(100, trusted) });
    await open(50, HALF_HEAD);
    await until(async () => (await socketsOf(gateway)) === 50, 'all are open');
    expect(await ended('displaced')).toBe(0);
  });

  it('do not hold up a drain', async () => {
    gateway = await startGateway();
    await open(300, HALF_HEAD);
    await open(100);
    await open(100, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(async () => (await socketsOf(gateway)) === 500, 'all are open');
    const startedAt = performance.now();
    await gateway.app.close();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
