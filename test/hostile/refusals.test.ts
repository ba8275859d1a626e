// Refusals that come before the body does: an ordinary client sees status and Retry-After, not a reset.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Gateway, startGateway } from '../bad-input/gateway.ts';
import { isWhole } from '../support/day-sample.ts';
import { until } from '../support/until.ts';
import { heldBytes, socketsOf } from './observed.ts';
import { openRaw, postHead, type RawClient } from './raw-client.ts';

const MB = 1_000_000;
const upload = Buffer.alloc(6 * MB, 0x20);
const ROUNDS = isWhole ? 20 : 6;
const AT_ONCE = 6;

let gateway: Gateway;
let hog: RawClient;
let dripping: NodeJS.Timeout;
let file: string;
beforeAll(async () => {
  // Another request holds all there is for as long as it keeps its pace, so that every upload is refused at its first
  // chunk.
  gateway = await startGateway({ ingest: { bodyBytesMax: 10 * MB, queueBytesMax: 1 * MB } });
  file = join(tmpdir(), `tallyline-upload-${process.pid}`);
  await writeFile(file, upload);
  hog = openRaw(gateway.port);
  hog.socket.write(postHead('acme', `Content-Length: ${10 * MB}`));
  hog.socket.write(Buffer.alloc(MB, 0x20));
  dripping = setInterval(() => hog.socket.write(Buffer.alloc(20_000, 0x20)), 500);
  await until(async () => (await heldBytes(gateway)) >= MB / 2, 'it holds what there is', 60_000);
  await until(async () => (await viaFetch()).startsWith('503'), 'uploads are refused', 60_000);
}, 300_000);
afterAll(async () => {
  clearInterval(dripping);
  hog.socket.destroy();
  await gateway.stop();
});

const headers = { authorization: 'Bearer key-globex', 'content-type': 'application/json' };
const url = () => `http://127.0.0.1:${gateway.port}/v1/events`;

/** "STATUS RETRY-AFTER", as every client here tells it. */
async function viaFetch(): Promise<string> {
  const response = await fetch(url(), { method: 'POST', headers, body: upload });
  expect(await response.json()).toMatchObject({ code: 'overloaded' });
  return `${response.status} ${response.headers.get('retry-after')}`;
}

const viaNode = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const call = request(url(), { method: 'POST', headers: { ...headers, 'content-length': upload.length } });
    let answer: string | null = null;
    call.on('response', (response) => {
      response.resume();
      response.on('end', () => {
        answer = `${response.statusCode} ${response.headers['retry-after']}`;
        resolve(answer);
      });
    });
    call.on('error', (error) => answer ?? reject(error));
    call.end(upload);
  });

/** Sends all before it reads anything. */
const viaBlockingClient = async (): Promise<string> => {
  const client = openRaw(gateway.port, { reads: false });
  client.socket.write(postHead('globex', `Content-Length: ${upload.length}`));
  await new Promise<void>((resolve, reject) => {
    client.socket.on('error', reject);
    client.socket.write(upload, () => resolve());
  });
  let text = '';
  client.socket.on('data', (chunk) => (text += chunk.toString('latin1'))).resume();
  await until(() => text.includes('requestId'), 'the answer has come');
  client.socket.destroy();
  return `${/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]} ${/retry-after: (\d+)/i.exec(text)?.[1]}`;
};

const HEADER_ARGUMENTS = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
const WRITTEN = '%{http_code} %header{retry-after}';
const viaCurl = async (...more: readonly string[]): Promise<string> => {
  const fixed = ['-sS', '-o', '/dev/null', '-w', WRITTEN, ...HEADER_ARGUMENTS, '--data-binary', `@${file}`];
  return (await promisify(execFile)('curl', [...fixed, ...more, url()])).stdout;
};

const clients: readonly (readonly [name: string, upload: () => Promise<string>])[] = [
  ['fetch', viaFetch],
  ['node:http', viaNode],
  ['a client that sends all before it reads', viaBlockingClient],
  ['curl', () => viaCurl()],
  ['curl that waits for no 100', () => viaCurl('-H', 'Expect:')],
];

describe('an upload that is refused before it is whole', () => {
  it.each(clients)('tells %s why, every time', async (_, send) => {
    const answers: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      answers.push(...(await Promise.all(Array.from({ length: AT_ONCE }, send))));
    }
    expect(new Set(answers)).toEqual(new Set(['503 1']));
  });

  it('by its length alone is told so before it is sent', async () => {
    const client = openRaw(gateway.port);
    client.socket.write(postHead('globex', `Content-Length: ${11 * MB}`, 'Expect: 100-continue'));
    await until(() => client.text().includes('body_too_large'), 'it is refused');
    expect(client.text()).toMatch(/^HTTP\/1\.1 413 /);
    client.socket.destroy();
  });

  it('is not read on for ever, whatever the client announced', async () => {
    const client = openRaw(gateway.port);
    client.socket.write(postHead('globex', `Content-Length: ${1_000_000 * MB}`));
    const feed = (): void => {
      if (!client.isClosed() && client.socket.write(upload)) setImmediate(feed);
    };
    client.socket.on('drain', feed);
    feed();
    await until(client.isClosed, 'the connection is destroyed');
    expect(client.text()).toMatch(/^HTTP\/1\.1 413 /);
  });

  it('leaves no connection behind', async () => {
    // One is the hog's.
    await until(async () => (await socketsOf(gateway)) <= 1, 'the others are gone', 10_000, 20);
  });
});
