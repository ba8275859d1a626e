// The gateway as a process serves it, on a real socket: its route, batcher and codec, with an event log and API keys in
// memory and a clock that stands. And two clients: one that speaks HTTP, and one that sends whatever bytes it is given.

import { Agent, type OutgoingHttpHeaders, request } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Pool } from 'pg';
import pino from 'pino';
import { Registry } from 'prom-client';
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { NEWEST_RULE_SET } from '../../domain/metering/rule-set.ts';
import { Problem } from '../../domain/problem.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { startIngest } from '../../ingest/main.ts';
import type { Keyring } from '../../platform/access/keyring.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import { registerAdminRoutes } from '../../platform/http/admin-routes.ts';
import { createHttpApp, type HttpAppOptions } from '../../platform/http/app.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { sampleCatalog } from '../fuzz/targets/catalog-sample.ts';
import { anIdentity } from '../support/an-identity.ts';
import { ScriptedEventLog } from '../support/scripted-event-log.ts';
import { defaultVersions, metersInMemory } from '../support/stored-meters.ts';
import { until } from '../support/until.ts';

export const NOW = Date.parse('2026-11-20T10:00:00Z');
const BODY_BYTES_MAX = 1_000_000;
const HORIZON_MS = 35 * 86_400_000;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** "Bearer key-T" is a key of tenant T. */
const keyring: Keyring = {
  authenticate: async (header) => {
    const tenant = /^bearer +key-([\w-]+)$/i.exec(header ?? '')?.[1];
    if (tenant !== undefined) return anIdentity(tenant);
    throw new Problem('unauthenticated', 'no key', { headers: { 'www-authenticate': 'Bearer' } });
  },
};

export interface Gateway {
  readonly port: number;
  readonly log: ScriptedEventLog;
  readonly app: FastifyInstance;
  readonly registry: Registry;
  /** What the log acknowledged since the last call, in order. */
  takeEvents(): UsageEvent[];
  /** POST /v1/events with the key of tenant acme, unless the headers say otherwise. */
  post(
    body: string | Buffer,
    headers?: OutgoingHttpHeaders,
    target?: { method?: string; path?: string },
  ): Promise<Answer>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly http?: HttpAppOptions;
  readonly ingest?: Partial<Settings['ingest']>;
  readonly bodyPatienceMs?: number;
  readonly catalog?: Catalog;
}

export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const logger = pino({ level: 'silent' });
  const log = new ScriptedEventLog(4);
  const registry = new Registry();
  const app = createHttpApp(logger, { registry, ...options.http });
  const settings = {
    ingest: {
      lingerMs: 0,
      batchEventsMax: 10_000,
      batchBytesMax: 10_000_000,
      queueEventsMax: 100_000,
      queueBytesMax: 100_000_000,
      bodyBytesMax: BODY_BYTES_MAX,
      appendTimeoutMs: 5_000,
      requestsPerSecondMax: 0,
      ...options.ingest,
    },
    aggregator: { horizonMs: HORIZON_MS },
  } as Settings;
  const context = { settings, logger, registry, clock: () => NOW };
  const stage = await startIngest(context, {
    app,
    pool: {} as Pool,
    eventLog: log as unknown as EventLog,
    generation: { horizonMs: HORIZON_MS + 3_600_000 },
    keyring,
    readRuleSet: async () => NEWEST_RULE_SET,
    catalogs: metersInMemory(() => defaultVersions(options.catalog ?? sampleCatalog)),
    ...(options.bodyPatienceMs === undefined ? {} : { bodyPatienceMs: options.bodyPatienceMs }),
  });
  registerAdminRoutes(app, registry, () => [stage]);
  await app.listen({ host: '127.0.0.1', port: 0 });
  await until(() => stage.notReady() === null, 'the gateway is ready');
  const { port } = app.server.address() as AddressInfo;
  const avro = new AvroRegistry();
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    port,
    log,
    app,
    registry,
    takeEvents: () =>
      log.kept.splice(0).flatMap(({ value }) => {
        const record = decodeRecord(avro, value);
        return record.kind === 'event-batch' ? [...record.events] : [];
      }),
    post: (body, headers = {}, { method = 'POST', path = '/v1/events' } = {}) =>
      new Promise((resolve, reject) => {
        const call = request(
          {
            ...{ agent, port, host: '127.0.0.1', method, path },
            headers: {
              ...{ authorization: 'Bearer key-acme', 'content-type': 'application/json' },
              ...{ 'content-length': Buffer.byteLength(body), ...headers },
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on('data', (chunk: Buffer) => chunks.push(chunk));
            response.on('end', () =>
              resolve({
                status: response.statusCode!,
                headers: response.headers,
                text: Buffer.concat(chunks).toString(),
              }),
            );
            response.on('error', reject);
          },
        );
        // A refusal before the body is read may end the connection under the rest of the body.
        let answered = false;
        call.on('response', () => {
          answered = true;
        });
        call.on('error', (error) => {
          if (!answered) reject(error);
        });
        call.end(body);
      }),
    stop: async () => {
      agent.destroy();
      await stage.stop();
      await app.close();
    },
  };
}

function parseAnswer(bytes: Buffer): Answer {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(statusLine.split(' ')[1] ?? 0), headers, text: text.slice(end + 4) };
}

/**
 * Sends the parts one after the other and ends its side if asked to; the answers, up to where the server ends the
 * connection.
 */
export function exchange(
  port: number,
  parts: readonly (string | Buffer)[],
  { end = true }: { end?: boolean } = {},
): Promise<Answer | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => {
      chunks.push(chunk);
    });
    // A reset is one way to be refused.
    socket.on('error', () => {});
    socket.on('close', () => {
      const bytes = Buffer.concat(chunks);
      resolve(bytes.length === 0 ? null : parseAnswer(bytes));
    });
    socket.on('connect', () => {
      for (const part of parts) socket.write(part);
      if (end) socket.end();
    });
  });
}
