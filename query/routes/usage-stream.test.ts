// Usage as a stream, over real sockets: whole, broken off, too slow, and left by its client.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pino from 'pino';
import { createKeyring } from '../../platform/access/keyring.ts';
import { type ClickHouse, ClickHouseError } from '../../platform/clickhouse/click-house.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { NOW, PARTITIONS, type ReadApi, readContext, startReadApi } from '../../test/support/processes/read-api.ts';
import { until } from '../../test/support/until.ts';
import { startQuery } from '../main.ts';

const SUBJECTS = 150_000;
const DAY = 'from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z';
const ALL = `/v1/meters/input_tokens/usage?${DAY}&groupBy=subject`;

let api: ReadApi;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  api = await startReadApi();
  await api.clickhouse.command(
    `INSERT INTO usage_rollups (tenant, meter, subject, window_start, group_values, generation, partition, chunk, epoch,
       version, value, event_count)
     SELECT 'acme', 'input_tokens', concat('cus_', leftPad(toString(number), 6, '0')), toDateTime('2026-07-01 05:00:00', 'UTC'),
       '["m,1","eu"]', 1, 0, 0, 1, 1, number + 1, 1 FROM numbers(${SUBJECTS})`,
  );
}, 300_000);
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => api?.stop());

interface Edge {
  readonly open: (path: string, accept: string, tenant?: string) => Promise<IncomingMessage>;
  readonly metric: (name: string) => Promise<number>;
}

/** The read API on a port, on the same stores. */
async function listen(query: Partial<Settings['query']> = {}, clickhouse: ClickHouse = api.clickhouse): Promise<Edge> {
  const context = readContext();
  const app = createHttpApp(pino({ level: 'silent' }));
  const stage = await startQuery(
    { ...context, settings: { ...context.settings, query: { ...context.settings.query, ...query } } },
    {
      ...{ app, pool: api.pool, clickhouse, keyring: createKeyring(api.pool, () => NOW) },
      eventLog: { topicId: 'topic-1', partitions: PARTITIONS, bounds: async () => [] },
      isFenced: false,
      stores: { fault: () => null },
    },
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  stops.push(async () => {
    app.server.closeAllConnections();
    await app.close();
    await stage.stop();
  });
  return {
    open: async (path, accept, tenant = 'acme') => {
      const headers = { authorization: `Bearer key-${tenant}`, accept };
      const sent = request({ port, host: '127.0.0.1', path, headers, agent: false });
      sent.end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage];
      // Node forgets that an answer broke off where nobody listens at that moment.
      response.on('error', () => {});
      return response;
    },
    metric: async (name) => {
      const line = (await context.registry.metrics()).split('\n').find((each) => each.startsWith(`${name} `));
      return Number(line?.slice(name.length));
    },
  };
}

/** What came of a body before it broke off; null: it did not. */
async function brokenOff(response: IncomingMessage): Promise<string | null> {
  let came = '';
  try {
    for await (const piece of response.setEncoding('utf8')) came += piece;
    return null;
  } catch {
    return came;
  }
}

const running = 'tallyline_reads{cost="stream",state="running"}';

describe('usage as a stream', () => {
  it('has every row, between what they are of and how many there are', async () => {
    const { open } = await listen();
    const response = await open(ALL, 'application/x-ndjson');
    expect([response.statusCode, response.headers['content-type'], response.headers.vary]).toEqual([
      ...[200, 'application/x-ndjson; charset=utf-8', 'accept'],
    ]);
    const lines = (await text(response)).trimEnd().split('\n');
    const [head, first] = lines.map((line) => JSON.parse(line));
    expect(head).toMatchObject({ meter: 'input_tokens', from: '2026-07-01T00:00:00Z', window: '1h', watermark: null });
    const page = JSON.parse(await text(await open(`${ALL}&limit=1`, 'application/json')));
    expect(first).toEqual(page.data[0]);
    expect(JSON.parse(lines.at(-2)!)).toMatchObject({ subject: 'cus_149999', value: '150000' });
    expect(JSON.parse(lines.at(-1)!)).toEqual({ rows: SUBJECTS });
    expect(lines).toHaveLength(SUBJECTS + 2);
  });

  it('is a table where CSV is wanted', async () => {
    const { open } = await listen();
    const path = `/v1/meters/input_tokens/usage?${DAY}&subject=cus_000007&groupBy=model&groupBy=region`;
    const response = await open(path, 'text/csv');
    expect(response.headers['content-type']).toBe('text/csv; charset=utf-8; header=present');
    expect(await text(response)).toBe(
      'windowStart,windowEnd,subject,groups.model,groups.region,value,state\r\n' +
        '2026-07-01T05:00:00Z,2026-07-01T06:00:00Z,cus_000007,"m,1",eu,8,open\r\n',
    );
  });

  it('is refused in JSON, like any other read', async () => {
    const { open } = await listen();
    const codeOf = async (path: string, tenant?: string) => {
      const response = await open(path, 'application/x-ndjson', tenant);
      expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
      return JSON.parse(await text(response)).code;
    };
    expect(await codeOf('/v1/meters/none/usage?from=2026-07-01T00:00:00Z')).toBe('unknown_meter');
    expect(await codeOf(`${ALL}&limit=5`)).toBe('conflicting_parameters');
    expect(await codeOf(`${ALL}&emptyBuckets=true`)).toBe('conflicting_parameters');
    expect(await codeOf(ALL, 'nobody')).toBe('unknown_key');
  });

  it('shows a tenant no row of another', async () => {
    const { open } = await listen();
    const lines = (await text(await open(ALL, 'application/x-ndjson', 'umbrella'))).trimEnd().split('\n');
    expect(lines.slice(1)).toEqual(['{"rows":0}']);
  });

  it('that the store breaks off ends before its end, and is no whole body', async () => {
    const breaking: ClickHouse = {
      ...api.clickhouse,
      async *stream(sql, params, terms) {
        for await (const rows of api.clickhouse.stream(sql, params, terms)) {
          yield rows;
          throw new ClickHouseError('query: the server went away', 210, true);
        }
      },
    };
    const { open, metric } = await listen({}, breaking);
    for (const form of ['application/x-ndjson', 'text/csv']) {
      const response = await open(ALL, form);
      expect(response.statusCode).toBe(200);
      const came = await brokenOff(response);
      expect(came).not.toBeNull();
      expect(came).not.toContain('{"rows":');
    }
    expect(await metric(running)).toBe(0);
  });

  it('that the store refuses before its first row is a problem document', async () => {
    const refusing: ClickHouse = {
      ...api.clickhouse,
      // biome-ignore lint/correctness/useYield: it fails first
      async *stream() {
        throw new ClickHouseError('query: memory', 241, true);
      },
    };
    const { open } = await listen({}, refusing);
    const response = await open(ALL, 'text/csv');
    expect([response.statusCode, JSON.parse(await text(response)).code]).toEqual([503, 'overloaded']);
  });

  it('takes no place of other reads however slow its client is, and gives its own back when that goes away', async () => {
    const { open, metric } = await listen({ readsAtOnce: 1 });
    const slow = await open(ALL, 'application/x-ndjson');
    slow.pause();
    expect(await metric(running)).toBe(1);
    const other = await open(`${ALL}&limit=1`, 'application/json');
    expect(other.statusCode).toBe(200);
    await text(other);
    const waiting = open(ALL, 'text/csv', 'umbrella');
    await until(async () => (await metric('tallyline_reads{cost="stream",state="waiting"}')) === 1, 'a second waits');
    slow.destroy();
    const next = await waiting;
    expect([next.statusCode, await text(next)]).toEqual([200, 'windowStart,windowEnd,subject,value,state\r\n']);
    await until(async () => (await metric(running)) === 0, 'the place is free');
  });

  it('is cut where its client has not taken it in its time', async () => {
    // On a busy machine a short time may be over before the first row: that is a problem document. In a long one all
    // that sockets hold is sent before it is over, so that nothing is read any more.
    for (const streamTimeoutMs of [4_000, 20_000]) {
      const { open, metric } = await listen({ streamTimeoutMs });
      const slow = await open(ALL, 'application/x-ndjson');
      if (slow.statusCode === 503) continue;
      expect(slow.statusCode).toBe(200);
      slow.pause();
      await until(async () => (await metric(running)) === 0, 'the place is free', streamTimeoutMs + 8_000);
      const came = await brokenOff(slow);
      expect(came).not.toBeNull();
      expect(came).not.toContain('{"rows":');
      return;
    }
    throw new Error('it never began');
  }, 120_000);
});
