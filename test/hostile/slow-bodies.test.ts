// Bodies that never end: what they hold is bounded for each key, and given back with their answer, whatever the client
// does.
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Gateway, startGateway } from '../bad-input/gateway.ts';
import { good } from '../bad-input/http-requests.cases.ts';
import { until } from '../support/until.ts';
import { heldBytes, metric, socketsOf } from './observed.ts';
import { openRaw, postHead, type RawClient } from './raw-client.ts';

const MB = 1_000_000;
const PATIENCE_MS = 2_000;

let gateway: Gateway;
let clients: RawClient[];
beforeEach(async () => {
  clients = [];
  gateway = await startGateway({
    ingest: { bodyBytesMax: 10 * MB, queueBytesMax: 256 * MB },
    bodyPatienceMs: PATIENCE_MS,
  });
});
afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  await gateway.stop();
});

function open(...parts: readonly (string | Buffer)[]): RawClient {
  const client = openRaw(gateway.port);
  for (const part of parts) client.socket.write(part);
  clients.push(client);
  return client;
}

const held = (): Promise<number> => heldBytes(gateway);

const large = `[${' '.repeat(5 * MB)}${good('a')}]`;
const postLarge = () => gateway.post(large, { authorization: 'Bearer key-globex' });

describe('bodies that never end', () => {
  it('of one key leave room for every other, and hold nothing once their patience is over', async () => {
    const hogs = Array.from({ length: 36 }, () =>
      open(postHead('acme', `Content-Length: ${9 * MB}`), Buffer.alloc(7 * MB, 0x20)),
    );
    const refused = () => metric(gateway, 'tallyline_ingest_refusals_total', { code: 'share_exceeded' });
    await until(async () => (await refused()) > 20, 'the key has its part');
    expect(await held()).toBeGreaterThan(40 * MB);
    expect(await held()).toBeLessThanOrEqual(64 * MB);

    let posts = 0;
    // One connection is the other tenant's.
    while ((await socketsOf(gateway)) > 1 || posts === 0) {
      expect((await postLarge()).status).toBe(200);
      posts++;
    }
    expect(posts).toBeGreaterThan(5);
    expect(await held()).toBe(0);
    for (const hog of hogs) expect(hog.text()).toMatch(/^HTTP\/1\.1 (408|429) [\s\S]*retry-after: 1/i);
    expect(hogs.some((hog) => hog.text().includes('"code":"request_timeout"'))).toBe(true);
    expect(hogs.some((hog) => hog.text().includes('"code":"share_exceeded"'))).toBe(true);
  });

  it('drip, and are given up all the same', async () => {
    const dripping = open(postHead('acme', `Content-Length: ${9 * MB}`));
    const drip = setInterval(() => dripping.socket.write('x'), 100);
    try {
      await until(() => dripping.text() !== '', 'it is answered', 10_000);
      expect(await held()).toBe(0);
      await until(async () => (await socketsOf(gateway)) === 0, 'its connection is destroyed', 5_000);
      expect(dripping.text()).toMatch(/^HTTP\/1\.1 408 /);
    } finally {
      clearInterval(drip);
    }
  });

  it('give back what they hold when they turn to garbage', async () => {
    const chunk = `${MB.toString(16)}\r\n${' '.repeat(MB)}\r\n`;
    const client = open(postHead('acme', 'Transfer-Encoding: chunked'), chunk);
    await until(async () => (await held()) === MB, 'the first chunk is held');
    client.socket.write('garbage\r\n');
    await until(async () => (await socketsOf(gateway)) === 0, 'its connection is destroyed', 5_000);
    expect(client.text()).toMatch(/^HTTP\/1\.1 400 /);
    await until(async () => (await held()) === 0, 'nothing is held', 1_000);
  });

  it('do not hold up a drain', async () => {
    open(postHead('acme', `Content-Length: ${9 * MB}`), 'x');
    await until(async () => (await held()) > 0, 'it is being read');
    const startedAt = performance.now();
    const [client] = clients;
    await gateway.app.close();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(client!.text()).toMatch(/^HTTP\/1\.1 503 [\s\S]*"code":"shutting_down"/);
  });
});
