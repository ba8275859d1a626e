// The stage `manage` on a Postgres of its own, with two tenants, over real HTTP. Every answer is held against the
// OpenAPI document.

import type { AddressInfo } from 'node:net';
import { expect } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import { startManage } from '../../../accounts/main.ts';
import { createKeyring, type Keyring } from '../../../platform/access/keyring.ts';
import { type ClickHouse, ClickHouseError } from '../../../platform/clickhouse/click-house.ts';
import { createClickHouse } from '../../../platform/clickhouse/client.ts';
import type { EventLog } from '../../../platform/event-log/event-log.ts';
import { createHttpApp } from '../../../platform/http/app.ts';
import { migrate } from '../../../platform/migrations/migrate.ts';
import { createPool } from '../../../platform/postgres/pool.ts';
import type { StageContext } from '../../../platform/process/stage.ts';
import { parseSettings } from '../../../platform/settings/config.ts';
import { answerFault } from '../openapi-document.ts';
import { ScriptedEventLog } from '../scripted-event-log.ts';
import { insertKey } from '../usage-rows.ts';
import { startTestClickHouse } from './clickhouse.ts';
import { startTestPostgres, type TestPostgres } from './postgres.ts';

export const ACCOUNTS_KEY = Buffer.alloc(32, 7).toString('base64');

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the bodies are what the tests look into.
  readonly body: any;
}

export interface HttpRequest {
  /** Default acme; null: without a key. */
  readonly tenant?: string | null;
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface AccountsApi {
  readonly postgres: TestPostgres;
  readonly pool: pg.Pool;
  /** Of two partitions. */
  readonly eventLog: ScriptedEventLog;
  /** Without usage, one that answers nobody: accounts do without it. */
  readonly clickhouse: ClickHouse;
  readonly registry: Registry;
  readonly url: string;
  /** Lines that the stage logged. */
  readonly log: readonly string[];
  send(method: string, path: string, request?: HttpRequest): Promise<HttpAnswer>;
  /** Another process of the stage, on another pool or with other settings. */
  another(parts: { readonly pool?: pg.Pool; readonly settings?: Readonly<Record<string, string>> }): Promise<Serving>;
  stop(): Promise<void>;
}

interface Serving {
  readonly send: AccountsApi['send'];
  readonly url: string;
  stop(): Promise<void>;
}

async function sendTo(url: string, method: string, path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
  const { tenant = 'acme', body, headers = {} } = request;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(tenant !== null && { authorization: `Bearer key-${tenant}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = { status: response.status, headers: response.headers, body: await response.json() };
  const fault = answerFault(method, path.split('?')[0]!, answer.status, answer.body);
  if (fault !== null) throw new Error(`${method} ${path} ${answer.status}: ${fault}\n${JSON.stringify(answer.body)}`);
  return answer;
}

const noAnswer = (): Promise<never> => Promise.reject(new ClickHouseError('nobody answers', null, true));
const absentClickHouse: ClickHouse = {
  ...{ insert: noAnswer, query: noAnswer, queryBinary: noAnswer, command: noAnswer, close: async () => {} },
  stream: () => ({ [Symbol.asyncIterator]: () => ({ next: noAnswer }) }),
};

/** `withUsage`: ClickHouse is there, as it is for previews. */
export async function startAccountsApi({ withUsage = false } = {}): Promise<AccountsApi> {
  const postgres = await startTestPostgres();
  const silent = pino({ level: 'silent' });
  const pool = createPool(postgres.url, silent);
  const server = withUsage ? await startTestClickHouse() : null;
  const database = server === null ? null : createClickHouse(server, silent);
  const clickhouse = database ?? absentClickHouse;
  await migrate(pool, database, silent);
  for (const tenant of ['acme', 'umbrella']) await insertKey(pool, tenant, `key-${tenant}`);
  const eventLog = new ScriptedEventLog(2);
  const log: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => log.push(line) });
  const registry = new Registry();
  const keyring = createKeyring(pool, Date.now);
  const serve = async (
    on: pg.Pool,
    of: Registry,
    settings: Readonly<Record<string, string>> = {},
    keys: Keyring = keyring,
  ): Promise<Serving> => {
    const app: FastifyInstance = createHttpApp(logger);
    const context: StageContext = {
      settings: parseSettings({ TALLYLINE_ACCOUNTS_KEY: ACCOUNTS_KEY, ...settings }),
      ...{ logger, registry: of, clock: Date.now },
    };
    const stage = await startManage(context, {
      ...{ app, pool: on, clickhouse, keyring: keys },
      log: async () => eventLog as unknown as EventLog,
    });
    await app.listen({ port: 0, host: '127.0.0.1' });
    const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    return {
      url,
      send: (...args) => sendTo(url, ...args),
      stop: async () => {
        await app.close();
        await stage.stop();
      },
    };
  };
  const serving = await serve(pool, registry);
  return {
    ...{ postgres, pool, eventLog, clickhouse, registry, log },
    url: serving.url,
    send: serving.send,
    another: ({ pool: on = pool, settings = {} }) => serve(on, new Registry(), settings),
    stop: async () => {
      await serving.stop();
      await database?.close();
      await pool.end();
      await Promise.all([postgres.stop(), server?.stop()]);
    },
  };
}

/** Of an answer that has one. */
export const etag = ({ headers }: HttpAnswer): string => {
  const given = headers.get('etag');
  expect(given).toMatch(/^"\d+"$/);
  return given!;
};
