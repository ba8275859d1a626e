// What a gateway refuses, from the request to the read API: on a real Postgres, with a log in memory.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { startIngest } from '../../ingest/main.ts';
import { createKeyring } from '../../platform/access/keyring.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { createHttpApp } from '../../platform/http/app.ts';
import { NOW, type ReadApi, readContext, startReadApi } from '../support/processes/read-api.ts';
import { ScriptedEventLog } from '../support/scripted-event-log.ts';
import { defaultVersions, metersInMemory } from '../support/stored-meters.ts';
import { until } from '../support/until.ts';

let api: ReadApi;
beforeAll(async () => {
  api = await startReadApi();
}, 300_000);
afterAll(() => api?.stop());

const event = (id: string, more: object = {}) => ({ id, type: 'llm.completion', subject: 'cus_1', ...more });

async function startGateway(pool = api.pool) {
  const app = createHttpApp(pino({ level: 'silent' }));
  const stage = await startIngest(readContext(), {
    ...{
      app,
      pool,
      eventLog: new ScriptedEventLog(2) as unknown as EventLog,
      generation: { horizonMs: 36 * 86_400_000 },
    },
    keyring: createKeyring(api.pool, () => NOW),
    catalogs: metersInMemory(() => defaultVersions()),
    readRuleSet: async () => NEWEST_RULE_SET,
  });
  await app.ready();
  await until(() => stage.notReady() === null, 'the gateway is ready');
  const post = async (payload: unknown, contentType = 'application/json') => {
    const headers = { authorization: 'Bearer key-acme', 'content-type': contentType };
    return (await app.inject({ method: 'POST', url: '/v1/events', headers, payload: JSON.stringify(payload) }))
      .statusCode;
  };
  return { post, stop: () => stage.stop().then(() => app.close()) };
}

interface Refusal {
  readonly code: string;
  readonly count: number;
  readonly examples: { readonly id: string | null }[];
}
const refusals = async (tenant: string): Promise<Refusal[]> => (await api.get('/v1/refusals', tenant)).body.data;

it('a gateway tells why events are nowhere, within seconds and without being asked to stop', async () => {
  const { post, stop } = await startGateway();
  expect(await post(event('good'))).toBe(200);
  expect(await post([event('good 2'), event('old', { time: '2020-01-01T00:00:00Z' }), { id: 'nameless' }])).toBe(207);
  expect(await post(event('old', { time: '2020-01-01T00:00:00Z' }))).toBe(400);
  expect(await post(event('good 3'), 'text/plain')).toBe(415);
  await until(async () => (await refusals('acme')).length === 3, 'it is written down');
  const found = (await refusals('acme')).toSorted((a, b) => (a.code < b.code ? -1 : 1));
  expect(found.map(({ code, count, examples }) => [code, count, examples.map(({ id }) => id)])).toEqual([
    ['missing_field', 1, ['nameless']],
    ['time_too_old', 2, ['old']],
    ['unsupported_media_type', 1, []],
  ]);
  expect((await api.get('/v1/events/old')).body).toMatchObject({
    state: 'unknown',
    refused: [{ code: 'time_too_old' }],
  });
  expect(await refusals('umbrella')).toEqual([]);
  await stop();
});

it('what Postgres does not take is written with what comes later, and holds no request up', async () => {
  let isAway = true;
  let tries = 0;
  const pool = new Proxy(api.pool, {
    get: (target, name) => {
      if (name === 'query' && isAway) {
        tries += 1;
        return async () => Promise.reject(new Error('connect ECONNREFUSED'));
      }
      const value = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const { post, stop } = await startGateway(pool);
  await api.pool.query('TRUNCATE tallyline.refusals');
  expect(await post({ id: 'first' })).toBe(400);
  await until(() => tries > 0, 'it was tried');
  expect(await post({ id: 'second' })).toBe(400);
  isAway = false;
  await stop();
  expect((await refusals('acme')).map(({ code, count }) => [code, count])).toEqual([['missing_field', 2]]);
});
