// Bodies that are made to cost: none of them keeps a gateway from its other requests, none takes more than a small
// multiple of its bytes, and what is good beside them is taken. The gateway is a process with the heap that the chart's
// limits come to.
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { costlyBodies } from '../../bench/workload/costly-bodies.ts';
import { good } from '../bad-input/http-requests.cases.ts';
import { isWhole } from '../support/day-sample.ts';
import { until } from '../support/until.ts';
import { type MeasuredGateway, startMeasuredGateway } from './measured-gateway.ts';

/** Each by itself, it is as large as one may be only in the long run; together they are, always. */
const BODY_BYTES = 9_800_000;
const BODY_BYTES_ALONE = isWhole ? BODY_BYTES : 3_000_000;
/** What one turn may take on a machine that is as quick as most. */
const TURN_MAX_MS = 200;
/** And on a slow one, in the time that it takes for the plainest work on one event of the largest size. */
const PLAIN_WORK_MAX = 2.5;

/** CPU time, in milliseconds, of reading such an event, sorting its keys and writing it: the least of three. */
function plainWorkMs(): number {
  const members = Array.from({ length: 60_000 }, (_, i) => `"k${((i * 2_654_435_761) % 2 ** 32).toString(36)}":${i}`);
  const text = `{${members.join(',')}}`;
  const spent = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    const event = JSON.parse(text) as Record<string, number>;
    const sorted = Object.keys(event).sort();
    expect(sorted.map((key) => `${JSON.stringify(key)}:${event[key]}`).join(',').length).toBe(text.length - 2);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...spent);
}

/**
 * As it was found: 4.9 million numbers, and one with an exponent so that the parser that keeps digits reads them all.
 */
const numbers = Buffer.from(`{"id":"x","type":"y","subject":"s","data":{"a":[1e1${',1'.repeat(4_900_000)}]}}`);

let gateway: MeasuredGateway;
let restingBytes = 0;
let turnMaxMs = TURN_MAX_MS;
beforeAll(async () => {
  turnMaxMs = Math.max(TURN_MAX_MS, PLAIN_WORK_MAX * plainWorkMs());
  gateway = await startMeasuredGateway(768);
  // Once with each, for the compiler.
  for (const body of costlyBodies) await gateway.send(body.make(500_000), { 'content-type': body.contentType });
  await gateway.measures();
  await until(async () => {
    restingBytes = (await gateway.measures()).residentBytesMax;
    return restingBytes > 0;
  }, 'the gateway has measured itself');
}, 300_000);
afterAll(async () => {
  await gateway.stop();
});

describe('a body that is made to cost', () => {
  it.each(costlyBodies.map((body) => [body.name, body] as const))('keeps nobody waiting: %s', async (_, body) => {
    const bytes = body.make(BODY_BYTES_ALONE);
    await gateway.measures();
    const { status } = await gateway.send(bytes, { 'content-type': body.contentType });
    expect([200, 207, 400]).toContain(status);
    const { longestTurnMs } = await gateway.measures();
    expect(longestTurnMs).toBeLessThan(turnMaxMs);
  });

  it('is refused where it unpacks to more than events do', async () => {
    const packed = gzipSync(numbers, { level: 9 });
    expect(packed.length).toBeLessThan(10_000);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => gateway.send(packed, { 'content-encoding': 'gzip' })),
    );
    for (const { status, body } of answers) expect([status, body.code]).toEqual([413, 'body_too_large']);
  });

  it('costs no more than a small multiple of its bytes, also when many come at once', async () => {
    await gateway.measures();
    const bodies = costlyBodies.filter(({ name }) => name.startsWith('large') || name.startsWith('one event'));
    const sent = bodies.map((body) => gateway.send(body.make(BODY_BYTES), { 'content-type': body.contentType }));
    const answers = await Promise.all([...sent, gateway.send(numbers), gateway.send(numbers)]);
    for (const { status } of answers) expect([200, 207, 400, 429, 503]).toContain(status);
    // One key holds a quarter of the memory for bodies: as many as fit into that are taken, and the others told to come
    // again.
    expect(answers.filter(({ status }) => status !== 503 && status !== 429).length).toBeGreaterThanOrEqual(5);
    const { residentBytesMax, longestTurnMs } = await gateway.measures();
    expect(gateway.isAlive).toBe(true);
    expect(residentBytesMax - restingBytes).toBeLessThan(4 * answers.length * BODY_BYTES);
    expect(longestTurnMs).toBeLessThan(turnMaxMs);
  }, 300_000);

  it('lets small requests through meanwhile', async () => {
    const worst = costlyBodies
      .find(({ name }) => name === 'large events of keys in order of nothing')!
      .make(BODY_BYTES);
    let isOver = false;
    const costly = Promise.all([gateway.send(worst), gateway.send(worst)]).then(() => {
      isOver = true;
    });
    let answered = 0;
    while (!isOver) {
      const { status } = await gateway.send(Buffer.from(good('a')));
      expect(status).toBe(200);
      answered++;
    }
    await costly;
    expect(answered).toBeGreaterThan(10);
  });
});

describe('an event that costs too much', () => {
  const number = `{"id":"n","type":"llm","subject":"cus","data":{"tokens":${'7'.repeat(5_600_000)}}}`;

  it('is rejected as that event, and the lines beside it are durable', async () => {
    const answer = await gateway.send(Buffer.from(`${good('a')}\n${number}\n${good('b')}\n`), {
      'content-type': 'application/x-ndjson',
    });
    expect(answer.status).toBe(207);
    expect(answer.body).toMatchObject({ accepted: 2, rejected: [{ index: 1, code: 'data_too_large' }] });
  });

  it('is rejected in a batch, and alone', async () => {
    const batch = await gateway.send(Buffer.from(`[${good('a')},${number},${good('b')}]`));
    expect(batch).toMatchObject({
      status: 207,
      body: { accepted: 2, rejected: [{ index: 1, code: 'data_too_large' }] },
    });
    const alone = await gateway.send(Buffer.from(number));
    expect(alone).toMatchObject({ status: 400, body: { code: 'no_event_accepted' } });
    const many = await gateway.send(numbers);
    expect(many).toMatchObject({ status: 400, body: { rejected: [{ code: 'data_too_large' }] } });
  });
});
