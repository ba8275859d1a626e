// The read API on stores of its own, with two tenants and a catalog with a meter of every aggregation. The clock
// stands.
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { Registry } from 'prom-client';
import { type Catalog, emptyCatalog } from '../../../domain/catalog/catalog.ts';
import { createKeyring } from '../../../platform/access/keyring.ts';
import type { ClickHouseDatabase } from '../../../platform/clickhouse/client.ts';
import type { PartitionBounds } from '../../../platform/event-log/event-log.ts';
import { createHttpApp } from '../../../platform/http/app.ts';
import type { StageContext } from '../../../platform/process/stage.ts';
import { parseSettings } from '../../../platform/settings/config.ts';
import { type QueryParts, startQuery } from '../../../query/main.ts';
import { aMeter, by } from '../a-meter.ts';
import { insertCatalog, insertGeneration, insertKey } from '../usage-rows.ts';
import { startMigratedStores } from './migrated-stores.ts';

export const PARTITIONS = 2;
const ALLOWED_LATENESS_MS = 5 * 60_000;
/** 2026-11-20T12:00:30Z */
export const NOW = Date.UTC(2026, 10, 20, 12, 0, 30);

const logger = pino({ level: 'silent' });

const ofTokens = { meter: 'input_tokens', match: {} };

export const catalog: Catalog = {
  ...emptyCatalog,
  meters: [
    aMeter('input_tokens', {
      dimensions: [
        { name: 'model', path: ['model'] },
        { name: 'region', path: ['region'] },
      ],
    }),
    aMeter('requests', { aggregation: 'count', valuePath: null, window: '1m' }),
    aMeter('peak', { aggregation: 'max' }),
    aMeter('low', { aggregation: 'min' }),
    aMeter('seats', { aggregation: 'latest' }),
    aMeter('users', { aggregation: 'unique' }),
    aMeter('desks', { aggregation: 'latest', dimensions: by('site') }),
    aMeter('peak-max', { aggregation: 'max', across: 'max' }),
    aMeter('low-max', { aggregation: 'min', across: 'max' }),
    aMeter('seats-max', { aggregation: 'latest', across: 'max' }),
    aMeter('latency', { aggregation: 'avg' }),
    aMeter('users-sum', { aggregation: 'unique', across: 'sum' }),
    aMeter('storage', { window: '1d' }),
  ],
  plans: [
    {
      ...{ slug: 'basic', calendar: true, timezone: 'UTC' },
      prices: [
        { ...ofTokens, slug: 'packs', model: 'package', packageSize: '1000', packageAmount: '4' },
        { ...ofTokens, slug: 'gift', model: 'per_unit', unitAmount: '0' },
        { slug: 'fee', model: 'flat', flatAmount: '0' },
      ],
    },
  ],
};

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: the bodies are what the tests look into.
  readonly body: any;
}

export interface ReadApi {
  readonly app: FastifyInstance;
  readonly pool: QueryParts['pool'];
  readonly clickhouse: ClickHouseDatabase;
  /** The log's ends, by partition; to be changed by tests. */
  readonly ends: number[];
  /** GET with the key of a tenant ("operator": of acme, and an operator's); null: without one. */
  get(path: string, tenant?: string | null): Promise<Answer>;
  stop(): Promise<void>;
}

export const readContext = (): StageContext => ({
  settings: parseSettings({ TALLYLINE_ALLOWED_LATENESS: `${ALLOWED_LATENESS_MS}ms` }),
  logger,
  registry: new Registry(),
  clock: () => NOW,
});

export async function ask(app: FastifyInstance, path: string, tenant: string | null): Promise<Answer> {
  const headers = tenant === null ? {} : { authorization: `Bearer key-${tenant}` };
  const response = await app.inject({ method: 'GET', url: path, headers });
  const isJson = String(response.headers['content-type']).includes('json');
  return { status: response.statusCode, headers: response.headers, body: isJson ? response.json() : response.body };
}

export async function startReadApi(): Promise<ReadApi> {
  const stores = await startMigratedStores();
  const { pool, clickhouse } = stores;
  await insertGeneration(pool, 'topic-1', PARTITIONS);
  await insertCatalog(pool, 1, catalog);
  await insertKey(pool, 'acme', 'key-acme');
  await insertKey(pool, 'umbrella', 'key-umbrella');
  await insertKey(pool, 'acme', 'key-operator', { operator: true });
  const ends = Array<number>(PARTITIONS).fill(0);
  const eventLog = {
    topicId: 'topic-1',
    partitions: PARTITIONS,
    bounds: async (): Promise<PartitionBounds[]> =>
      ends.map((endOffset, partition) => ({ partition, startOffset: 0, endOffset })),
  };
  const app = createHttpApp(logger);
  const keyring = createKeyring(pool, () => NOW);
  const stage = await startQuery(readContext(), {
    ...{ app, pool, clickhouse, eventLog, keyring },
    ...{ stores: { fault: () => null }, isFenced: false },
  });
  return {
    app,
    pool,
    clickhouse,
    ends,
    get: (path, tenant = 'acme') => ask(app, path, tenant),
    stop: async () => {
      await app.close();
      await stage.stop();
      await stores.stop();
    },
  };
}
