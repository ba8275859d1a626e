import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Batch, Delivery } from './mishaps.ts';
import { Sender } from './sender.ts';

interface Reply {
  readonly status: number;
  readonly body?: unknown;
  readonly retryAfter?: number;
}
type Handler = (ids: string[], request: IncomingMessage) => Promise<Reply> | Reply;

const servers: Server[] = [];
const senders: Sender[] = [];
afterEach(async () => {
  for (const sender of senders.splice(0)) sender.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function sendTo(handler: Handler): Promise<Sender> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', async () => {
      const raw = Buffer.concat(parts);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString();
      const isLines = request.headers['content-type'] === 'application/x-ndjson';
      const events = (isLines ? text.split('\n').map((line) => JSON.parse(line)) : JSON.parse(text)) as {
        id: string;
      }[];
      const reply = await handler(
        events.map(({ id }) => id),
        request,
      );
      if (reply.status === 0) {
        request.socket.destroy();
        return;
      }
      if (reply.retryAfter !== undefined) response.setHeader('retry-after', String(reply.retryAfter));
      response.writeHead(reply.status).end(JSON.stringify(reply.body ?? { accepted: events.length, rejected: [] }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  const { port } = server.address() as AddressInfo;
  const sender = new Sender({
    url: `http://127.0.0.1:${port}`,
    apiKey: 'k',
    connections: 4,
    rateMax: null,
    retryForMs: 2_000,
  });
  senders.push(sender);
  return sender;
}

const good = (id: string): Delivery => ({
  json: JSON.stringify({ id }),
  fate: 'accepted',
  event: null,
  brokenKind: null,
});
const bad = (id: string): Delivery => ({ ...good(id), fate: 'rejected', brokenKind: 'time_too_old' });
const batchesOf = (...ids: string[][]): Batch[] =>
  ids.map((batch, index) => ({ index, deliveries: batch.map(good), afterBatch: null }));

describe('Sender', () => {
  it('sends everything once, as arrays, lines and gzip, under the key', async () => {
    const seen: string[] = [];
    const to = await sendTo((ids, request) => {
      expect(request.headers.authorization).toBe('Bearer k');
      seen.push(...ids);
      return { status: 200 };
    });
    const ids = Array.from({ length: 20 }, (_, i) => [`${i}a`, `${i}b`]);
    await to.sendAll(batchesOf(...ids)[Symbol.iterator]());
    expect(seen.sort()).toEqual(ids.flat().sort());
    expect(to.result).toMatchObject({ sent: 40, acknowledged: 40, surpriseCount: 0, resent: 0 });
  });

  it('tries again after 429, 503 and a broken connection, and counts what may be twice in the log', async () => {
    const replies: Reply[] = [
      { status: 503, retryAfter: 0.01 },
      { status: 429, retryAfter: 0.01 },
      { status: 0 },
      { status: 200 },
    ];
    const to = await sendTo(() => replies.shift()!);
    await to.sendAll(batchesOf(['a', 'b'])[Symbol.iterator]());
    expect(to.result).toMatchObject({ sent: 2, acknowledged: 2, deferred: 2, resent: 2 });
  });

  it('counts a log that did not acknowledge as open, and a refusal beforehand as not', async () => {
    const refusal = (code: string): Reply => ({ status: 503, retryAfter: 0.01, body: { code } });
    const replies = [refusal('overloaded'), refusal('log_unavailable'), { status: 200 }];
    const to = await sendTo(() => replies.shift()!);
    await to.sendAll(batchesOf(['a', 'b', 'c'])[Symbol.iterator]());
    expect(to.result).toMatchObject({ sent: 3, deferred: 2, resent: 3 });
  });

  it('gives up loudly: on a refusal that lasts, and at once on an answer no retry mends', async () => {
    const refusing = await sendTo(() => ({ status: 503, retryAfter: 1 }));
    await expect(refusing.sendAll(batchesOf(['a'])[Symbol.iterator]())).rejects.toThrow(/refused for too long: 503/);
    const closed = await sendTo(() => ({ status: 401, body: { code: 'unknown_key' } }));
    await expect(closed.sendAll(batchesOf(['a'])[Symbol.iterator]())).rejects.toThrow(/answered 401.*unknown_key/);
  });

  it('holds a contradiction back until the batch before it is acknowledged', async () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const order: string[] = [];
    const to = await sendTo(async ([id = '']) => {
      if (id === 'original') await held;
      order.push(id);
      if (id === 'other') release();
      return { status: 200 };
    });
    const batches = batchesOf(['original'], ['contradiction'], ['other']);
    await to.sendAll([batches[0]!, { ...batches[1]!, afterBatch: 0 }, batches[2]!][Symbol.iterator]());
    expect(order.indexOf('contradiction')).toBeGreaterThan(order.indexOf('original'));
  });

  it('expects the broken ones to be rejected with their code, and nothing else', async () => {
    const reject = (code: string) => ({ status: 207, body: { accepted: 1, rejected: [{ index: 1, code }] } });
    const batch: Batch = { index: 0, deliveries: [good('a'), bad('b')], afterBatch: null };
    const right = await sendTo(() => reject('time_too_old'));
    await right.sendAll([batch][Symbol.iterator]());
    expect(right.result.surprises).toEqual([]);
    expect(right.result.rejectedByCode).toEqual(new Map([['time_too_old', 1]]));
    const wrong = await sendTo(() => reject('invalid_time'));
    await wrong.sendAll([batch][Symbol.iterator]());
    expect(wrong.result.surprises).toEqual([expect.stringMatching(/^invalid_time where time_too_old/)]);
    const lax = await sendTo(() => ({ status: 200 }));
    await lax.sendAll([batch][Symbol.iterator]());
    expect(lax.result.surprises).toEqual([expect.stringMatching(/^accepted where time_too_old/)]);
  });
});
