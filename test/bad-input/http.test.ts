// Every case over a real socket: its status and its code, that what is good beside it is taken, and that the log holds
// that and nothing else.

import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { parseExactJson } from '../../domain/json/exact-json.ts';
import { pick } from '../../domain/json/json-path.ts';
import { readQuantity } from '../../domain/number/quantity.ts';
import { type Answer, exchange, type Gateway, NOW, startGateway } from './gateway.ts';
import { bytesCases } from './http-bytes.cases.ts';
import { type Members, notEvents, rejectedEvents, takenEvents } from './http-events.cases.ts';
import { good, requestCases } from './http-requests.cases.ts';

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterEach(() => {
  gateway.takeEvents();
});
afterAll(async () => {
  await gateway.stop();
});

function eventText(members: Members): string {
  const all = Object.entries({ id: '"odd"', type: '"llm"', subject: '"cus"', ...members });
  return `{${all
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(',')}}`;
}

/** An answer that says so is a whole problem document, and repeats nothing that can't be sent. */
function expectProblem({ status, headers, text }: Answer, code: string): Record<string, unknown> {
  expect(headers['content-type']).toBe('application/problem+json');
  expect(headers['x-content-type-options']).toBe('nosniff');
  const problem = JSON.parse(text) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code, type: `urn:tallyline:problem:${code}`, title: expect.any(String) });
  expect(problem.detail).toEqual(expect.any(String));
  expect(String(problem.requestId)).toMatch(/^[\w.:-]{1,64}$/);
  expect(text.length).toBeLessThan(5_000);
  return problem;
}

const ids = (): string[] =>
  gateway
    .takeEvents()
    .map(({ id }) => id)
    .sort();

describe('an odd event beside two good ones', () => {
  it.each(takenEvents)('is taken with %s', async (_, members) => {
    const answer = await gateway.post(`[${good('a')},${eventText(members)},${good('b')}]`);
    expect([answer.status, answer.text]).toEqual([200, '{"accepted":3,"rejected":[]}']);
    const events = gateway.takeEvents();
    expect(events).toHaveLength(3);
    // What a meter reads of it is what was sent, to the last digit.
    const sent = parseExactJson(eventText(members));
    const { data } = events.find(({ id }) => id !== 'a' && id !== 'b')!;
    const tokens = pick(sent, ['data', 'tokens']);
    if (tokens !== undefined && tokens !== null) {
      expect(readQuantity(pick(parseExactJson(data), ['tokens']))).toBe(readQuantity(tokens));
    }
  });

  it.each(rejectedEvents)('is rejected with %s', async (_, members, code, field) => {
    const answer = await gateway.post(`[${good('a')},${eventText(members)},${good('b')}]`);
    expect(answer.status).toBe(207);
    expect(JSON.parse(answer.text)).toEqual({
      accepted: 2,
      rejected: [expect.objectContaining({ index: 1, code, field, message: expect.any(String) })],
    });
    expect(answer.text.length).toBeLessThan(2_000);
    expect(ids()).toEqual(['a', 'b']);
  });

  it.each(notEvents)('is rejected where %s stands in its place', async (_, text) => {
    const answer = await gateway.post(`[${good('a')},${text},${good('b')}]`);
    expect(answer.status).toBe(207);
    expect(JSON.parse(answer.text)).toMatchObject({
      accepted: 2,
      rejected: [{ index: 1, id: null, code: 'invalid_event', field: null }],
    });
    expect(ids()).toEqual(['a', 'b']);
  });

  it('lets the last of two equal keys win', async () => {
    const answer = await gateway.post('{"id":"first","id":"last","type":"llm","subject":"cus","data":{"tokens":1}}');
    expect([answer.status, ids()]).toEqual([200, ['last']]);
  });

  it('cuts a leap second to the last millisecond before midnight', async () => {
    await gateway.post(eventText({ time: '"2026-11-19T23:59:60Z"' }));
    expect(gateway.takeEvents()[0]!.eventTime).toBe(Date.parse('2026-11-19T23:59:59.999Z'));
  });
});

describe.each(Object.entries(requestCases))('%s', (_, cases) => {
  it.each(cases.map((each) => [each.name, each] as const))('%s', async (_name, each) => {
    const answer = await gateway.post(each.body, each.headers, each.target);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect({ status: answer.status, text: answer.text }).toMatchObject({ status: each.status });
    const events = gateway.takeEvents();
    expect(events).toHaveLength(each.accepted ?? 0);
    for (const event of events) expect(event.tenant).toBe('acme');
    let said: { accepted?: number; rejected?: { index: number; code: string; field: string | null }[] };
    if (each.code === undefined) said = JSON.parse(answer.text);
    else said = expectProblem(answer, each.code);
    if (each.code === undefined) expect(said.accepted).toBe(each.accepted);
    if (each.rejected !== undefined) {
      expect(said.rejected!.map(({ index, code, field }) => [index, code, field])).toEqual(each.rejected);
    }
  });
});

describe('on the wire', () => {
  it.each(bytesCases.map((each) => [each.name, each] as const))('%s', async (_, each) => {
    const { parts, status, code, accepted = 0, end } = each;
    const answer = await exchange(gateway.port, parts, end === undefined ? {} : { end });
    expect({ status: answer?.status ?? null, text: answer?.text }).toMatchObject({ status });
    if (code !== undefined) expectProblem(answer!, code);
    expect(gateway.takeEvents()).toHaveLength(accepted);
  });

  it('a client that never sends the rest is told so, and its connection ended', async () => {
    const slow = await startGateway({ http: { headTimeoutMs: 300 }, bodyPatienceMs: 300 });
    try {
      const head =
        'POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-acme\r\nContent-Type: application/json\r\n';
      const cases = [
        ['POST /v1/ev'],
        [head],
        [`${head}Content-Length: 100\r\n\r\n{"id":`],
        [`${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"`],
      ];
      const answers = await Promise.all(cases.map((parts) => exchange(slow.port, parts, { end: false })));
      for (const answer of answers) {
        expect(answer?.status).toBe(408);
        expectProblem(answer!, 'request_timeout');
      }
      expect(slow.takeEvents()).toEqual([]);
    } finally {
      await slow.stop();
    }
  });

  it('garbage behind a good request is no answer to it: the connection ends, and the request may be sent again', async () => {
    const head =
      'POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-acme\r\nContent-Type: application/json\r\n';
    gateway.log.mode = 'hold';
    const answer = exchange(
      gateway.port,
      [`${head}Content-Length: ${good('a').length}\r\n\r\n${good('a')}garbage\r\n\r\n`],
      {
        end: false,
      },
    );
    expect(await answer).toBeNull();
    gateway.log.release();
    expect((await gateway.post(good('a'))).status).toBe(200);
    expect(new Set(ids())).toEqual(new Set(['a']));
  });

  it('a client that resets its connection in the middle leaves nothing behind', async () => {
    await Promise.all(
      Array.from(
        { length: 50 },
        () =>
          new Promise<void>((resolve) => {
            const socket = connect(gateway.port, '127.0.0.1', () => {
              socket.write(
                `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-acme\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n${good('a')}`,
                () => socket.resetAndDestroy(),
              );
            });
            socket.on('close', () => resolve());
          }),
      ),
    );
    expect((await gateway.post(good('b'))).status).toBe(200);
    expect(ids()).toEqual(['b']);
  });
});

describe('names that collide when they are joined', () => {
  const pairs: readonly (readonly [source: string, id: string])[] = [
    ...([
      ['a', 'b:c'],
      ['a:b', 'c'],
      ['', 'a:b:c'],
      ['a-b', 'c'],
      ['a', 'b-c'],
      ['a/b', 'c'],
      ['a', 'b/c'],
      ['1', '1:a'],
      ['11', ':a'],
      ['a\u001f', 'b'],
      ['a', '\u001fb'],
      ['é', 'x'],
      ['e\u0301', 'x'],
      ['ｅ', 'x'],
      ['A', 'x'],
      ['a ', 'x'],
      ['a', ' x'],
    ] as const),
  ];

  it('are as many events as there are pairs, for each of two tenants', async () => {
    const body = JSON.stringify(pairs.map(([source, id]) => ({ source, id, type: 'llm', subject: 'cus' })));
    for (const tenant of ['acme', 'acm']) {
      const answer = await gateway.post(body, { authorization: `Bearer key-${tenant}` });
      expect(JSON.parse(answer.text)).toEqual({ accepted: pairs.length, rejected: [] });
    }
    const keys = gateway.takeEvents().map(({ dedupKey }) => dedupKey.toString('hex'));
    expect(new Set(keys).size).toBe(2 * pairs.length);
  });
});

it('10,000 tenants that use the same id are 10,000 events, each its tenant’s own', async () => {
  const tenants = Array.from({ length: 10_000 }, (_, index) => `tenant-${index}`);
  const waiting = [...tenants];
  const client = async (): Promise<void> => {
    for (let tenant = waiting.pop(); tenant !== undefined; tenant = waiting.pop()) {
      const { status } = await gateway.post(good('same'), { authorization: `Bearer key-${tenant}` });
      if (status !== 200) throw new Error(`${tenant} was answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, client));
  const events = gateway.takeEvents();
  expect(new Set(events.map(({ tenant }) => tenant))).toEqual(new Set(tenants));
  expect(new Set(events.map(({ dedupKey }) => dedupKey.toString('hex'))).size).toBe(10_000);
  expect(events.every(({ receivedAt }) => receivedAt === NOW)).toBe(true);
}, 300_000);
