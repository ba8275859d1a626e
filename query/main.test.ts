import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Pool } from 'pg';
import pg from 'pg';
import pino from 'pino';
import { parse } from 'yaml';
import { problemCodes } from '../domain/problem.ts';
import { type ClickHouse, ClickHouseError } from '../platform/clickhouse/click-house.ts';
import { createHttpApp } from '../platform/http/app.ts';
import { projectFile } from '../platform/process/project-root.ts';
import { anIdentity } from '../test/support/an-identity.ts';
import { ask, NOW, PARTITIONS, type ReadApi, readContext, startReadApi } from '../test/support/processes/read-api.ts';
import {
  insertEvents,
  insertLineItems,
  insertManifests,
  insertRollUps,
  insertSeal,
} from '../test/support/usage-rows.ts';
import { type QueryParts, startQuery } from './main.ts';

interface MediaType {
  readonly schema: { readonly $ref?: string };
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}
interface Operation {
  readonly security?: readonly unknown[];
  readonly responses: Readonly<
    Record<string, { readonly $ref?: string; readonly content?: Readonly<Record<string, MediaType>> }>
  >;
}
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly schemas: Readonly<
      Record<string, { readonly properties?: Readonly<Record<string, { readonly enum?: readonly string[] }>> }>
    >;
  };
}

const TEN = Date.UTC(2026, 10, 20, 10);
const openapi = parse(await readFile(projectFile('schemas/openapi.yaml'), 'utf8')) as OpenApi;
const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (of: Ajv2020) => void)(ajv);
ajv.addSchema(openapi, 'openapi');

/** What is wrong with a body by the document's schema of a path's response; null when it fits. */
function fault(path: string, status: number, body: unknown): string | null {
  const pointer = `openapi#/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/get/responses`;
  const schema =
    status === 200 ? `${pointer}/200/content/application~1json/schema` : 'openapi#/components/schemas/Problem';
  const validate = ajv.getSchema(schema);
  if (validate === undefined) throw new Error(`no schema at ${schema}`);
  return validate(body) ? null : ajv.errorsText(validate.errors);
}

describe('the OpenAPI document', () => {
  it('has every problem code, and no other', () => {
    expect(openapi.components.schemas.Problem?.properties?.code?.enum?.toSorted()).toEqual(
      Object.keys(problemCodes).sort(),
    );
  });

  it('has examples that fit its schemas', () => {
    let examples = 0;
    for (const [path, operations] of Object.entries(openapi.paths)) {
      for (const [method, { responses }] of Object.entries(operations)) {
        for (const [status, { content }] of Object.entries(responses)) {
          const json = content?.['application/json'];
          const values = Object.values(json?.examples ?? {}).map(({ value }) => value);
          if (json?.example !== undefined) values.push(json.example);
          for (const value of values) {
            examples += 1;
            const pointer = `openapi#/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}`;
            const validate = ajv.getSchema(
              `${pointer}/${method}/responses/${status}/content/application~1json/schema`,
            )!;
            expect([path, validate(value), validate.errors ?? []]).toEqual([path, true, []]);
          }
        }
      }
    }
    expect(examples).toBeGreaterThanOrEqual(8);
  });
});

describe('the read API', () => {
  let api: ReadApi;
  beforeAll(async () => {
    api = await startReadApi();
  }, 300_000);
  afterAll(() => api?.stop());

  const paths: [string, string][] = [
    ['/v1/meters', '/v1/meters'],
    [
      '/v1/meters/{meter}/usage',
      '/v1/meters/input_tokens/usage?from=2026-11-20T00:00:00Z&groupBy=subject&groupBy=model',
    ],
    ['/v1/subjects', '/v1/subjects?search=cus'],
    ['/v1/unpriced', '/v1/unpriced?from=2026-11-20T00:00:00Z'],
    ['/v1/events', '/v1/events?id=evt_1'],
    ['/v1/events', '/v1/events?from=2026-11-20T00:00:00Z'],
    ['/v1/events/{id}', '/v1/events/evt_1'],
    ['/v1/line-items', '/v1/line-items?limit=1'],
    ['/v1/status', '/v1/status'],
  ];

  it('answers before anything was counted', async () => {
    for (const [path, url] of paths) {
      const { status, body } = await api.get(url);
      expect([path, status, fault(path, status, body)]).toEqual([path, 200, null]);
    }
    expect((await api.get('/v1/status', 'operator')).body).toEqual({
      watermark: null,
      lagSeconds: null,
      partitions: [
        { partition: 0, nextOffset: 0, logEndOffset: 0, watermark: null },
        { partition: 1, nextOffset: 0, logEndOffset: 0, watermark: null },
      ],
    });
  });

  it('answers as the document says', async () => {
    const window = { windowStart: TEN, windowEnd: TEN + 3_600_000 };
    await insertRollUps(api.clickhouse, [
      { meter: 'input_tokens', windowStart: TEN, groupValues: ['m-large', ''], value: '5' },
    ]);
    await insertEvents(
      api.clickhouse,
      [{ id: 'evt_1', eventTime: TEN, receivedAt: TEN, data: '{"input_tokens":5}', offset: 1 }],
      PARTITIONS,
    );
    await insertLineItems(api.pool, [
      { ...window, id: '00000000-0000-5000-8000-000000000001' },
      { ...window, id: '00000000-0000-5000-8000-000000000002', meter: null, price: 'flat' },
    ]);
    await insertSeal(api.pool, { partition: 0, chunk: 0, endOffset: 5, watermark: TEN, catalogVersion: 1 });
    await insertManifests(api.clickhouse, [
      { partition: 0, chunk: 1, nextOffset: 9, watermark: NOW },
      { partition: 1, chunk: 0, nextOffset: 3, watermark: NOW - 2_000 },
    ]);
    for (const [path, url] of paths) {
      const { status, headers, body } = await api.get(url);
      expect([path, status, fault(path, status, body)]).toEqual([path, 200, null]);
      expect(headers['cache-control']).toBe('no-store');
    }
    expect((await api.get('/v1/events/evt_1')).body.lineItems).toHaveLength(1);
    expect((await api.get('/v1/status')).body.lagSeconds).toBe(2);
  });

  it('answers nothing without a known key, and says so as the document does', async () => {
    for (const [path, url] of paths) {
      for (const tenant of [null, 'nobody']) {
        const { status, headers, body } = await api.get(url, tenant);
        expect([path, status, fault(path, status, body)]).toEqual([path, 401, null]);
        expect(headers['www-authenticate']).toMatch(/^Bearer/);
      }
    }
  });

  it('serves the document and the status page to anyone', async () => {
    expect((await api.get('/openapi.json', null)).body).toEqual(openapi);
    const page = await api.get('/', null);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'/);
    expect(page.body).toMatch(/<title>Tallyline/);
    // Nothing is fetched from anywhere else; the one URL is the name of the SVG format.
    expect(String(page.body).match(/https?:\/\/[^'"]*/g)).toEqual(['http://www.w3.org/2000/svg']);
  });
});

describe('routes and outages', () => {
  const refuse = async (): Promise<never> => {
    throw new ClickHouseError('query: connect ECONNREFUSED', null, true);
  };
  const rows: Readonly<Record<string, unknown>> = {
    generation: 1,
    partitions: 1,
    partition: 0,
    next_offset: '1',
    next_chunk: 0,
    runs: [],
  };
  interface Faulty {
    readonly query?: (sql: string) => Promise<never[]>;
    readonly pool?: () => Promise<unknown>;
    readonly stores?: QueryParts['stores'];
    readonly readTimeoutMs?: number;
    readonly requestsPerSecondMax?: number;
  }
  const start = async (parts: Faulty) => {
    const app = createHttpApp(pino({ level: 'silent' }));
    const routes: string[] = [];
    app.addHook('onRoute', ({ method, url }) => {
      if (method !== 'HEAD') routes.push(`${String(method).toLowerCase()} ${url}`);
    });
    const context = readContext();
    const { readTimeoutMs = 10_000, requestsPerSecondMax = 0 } = parts;
    const query = { ...context.settings.query, readTimeoutMs, requestsPerSecondMax };
    const stage = await startQuery(
      { ...context, settings: { ...context.settings, query } },
      {
        app,
        isFenced: false,
        pool: { query: parts.pool ?? (async () => ({ rows: [rows] })) } as unknown as Pool,
        clickhouse: { query: parts.query ?? (async () => []) } as unknown as ClickHouse,
        eventLog: { topicId: 't', partitions: 1, bounds: async () => [] },
        keyring: { authenticate: async () => anIdentity('acme', { isOperator: true }) },
        stores: parts.stores ?? { fault: () => null },
      },
    );
    const stop = async () => {
      await stage.stop();
      await app.close();
    };
    return { app, routes, stop };
  };

  it('documents every route', async () => {
    const { routes, stop } = await start({});
    const documented = Object.entries(openapi.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    const registered = routes.map((route) => route.replace('/*', '/{id}').replace(/:(\w+)/g, '{$1}'));
    expect(registered.length).toBeGreaterThanOrEqual(7);
    expect(documented).toEqual(expect.arrayContaining(registered));
    expect(documented).toContain('post /v1/events');
    await stop();
  });

  it.each([
    ['ClickHouse is away', { query: refuse }, 'store_unavailable'],
    [
      'ClickHouse gives a query up',
      { query: async () => Promise.reject(new ClickHouseError('query: timeout', 159, true)) },
      'query_timeout',
    ],
    ['Postgres is away', { pool: async () => Promise.reject(new Error('connect ECONNREFUSED')) }, 'store_unavailable'],
    [
      'Postgres shuts down',
      { pool: async () => Promise.reject(Object.assign(new pg.DatabaseError('x', 1, 'error'), { code: '57P01' })) },
      'store_unavailable',
    ],
  ])('says when to come back while %s', async (_, parts, code) => {
    const { app, stop } = await start(parts);
    const { status, headers, body } = await ask(app, '/v1/status', 'acme');
    expect([status, body.code]).toEqual([503, code]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(JSON.stringify(body)).not.toMatch(/ECONNREFUSED/);
    await stop();
  });

  it.each([
    ['too much for its time, where ClickHouse answers others', null, 'query_timeout'],
    ['of a store that answers nobody', 'ClickHouse does not answer: it was silent', 'store_unavailable'],
  ])('gives a read up in time: %s', async (_, fault, code) => {
    const stores = { fault: (store: string) => (store === 'ClickHouse' ? fault : null) };
    const { app, stop } = await start({ query: () => new Promise(() => {}), stores, readTimeoutMs: 100 });
    const startedAt = performance.now();
    const { status, headers, body } = await ask(app, '/v1/status', 'acme');
    expect([status, body.code]).toEqual([503, code]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    await stop();
  });

  it('says that usage is damaged, and gives what does without it', async () => {
    let part = '202611_1_9_2';
    const damaged = () =>
      new ClickHouseError('query: checksum', 40, false, { damaged: { table: 'usage_events', part } });
    const query = async (sql: string) => (sql.includes('FROM system.') ? [] : Promise.reject(damaged()));
    const { app, stop } = await start({ query });
    const event = await ask(app, '/v1/events/evt_1', 'acme');
    expect([event.status, event.body.code]).toEqual([503, 'usage_damaged']);
    expect(event.body.detail).toMatch(/^Events that were counted in 2026-11 \(UTC\) can’t all be read/);
    part = '20261123_4_4_0';
    const { body } = await ask(app, '/v1/events/evt_1', 'acme');
    expect(body.detail).toMatch(/^Windows of the seven days from 2026-11-23 \(UTC\)/);
    expect((await ask(app, '/v1/status', 'acme')).status).toBe(200);
    await stop();
  });

  it('counts the reads of a key, and refuses those beyond its rate', async () => {
    const { app, stop } = await start({ requestsPerSecondMax: 2 });
    const statuses: number[] = [];
    for (let i = 0; i < 3; i++) statuses.push((await ask(app, '/v1/meters', 'acme')).status);
    expect(statuses).toEqual([200, 200, 429]);
    await stop();
  });

  it('calls a fault of its own a fault of its own', async () => {
    const query = async () => Promise.reject(new ClickHouseError('query: unknown column', 47, false));
    const { app, stop } = await start({ query });
    const { status, body } = await ask(app, '/v1/status', 'acme');
    expect([status, body.code]).toEqual([500, 'internal']);
    await stop();
  });
});
