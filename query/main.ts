// The query stage: the read API, the OpenAPI document and the status page, as routes on an app that the caller listens with
// and closes. It writes nothing, and holds nothing between two requests but catalog versions, which never change, and for
// a second how fresh usage is.
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { parse } from 'yaml';
import type { Keyring } from '../platform/access/keyring.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { projectFile } from '../platform/project-root.ts';
import type { Stage, StageContext } from '../platform/stage.ts';
import { createCatalogs } from './catalogs.ts';
import type { QueryParameters } from './core/query-parameters.ts';
import { readEvent } from './event-route.ts';
import { readFreshness, shareFreshness } from './freshness.ts';
import { readLineItems } from './line-item-route.ts';
import type { QueryContext, Read } from './read.ts';
import { readStatus } from './status-route.ts';
import { problemOf } from './store-problems.ts';
import { watchStores } from './store-watch.ts';
import { readMeters, readMeterUsage } from './usage-route.ts';

export interface QueryParts {
  readonly app: FastifyInstance;
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: Pick<EventLog, 'topicId' | 'partitions' | 'bounds'>;
  readonly keyring: Keyring;
}

// An event's id may be longer than the router lets a parameter be, and hold a slash; a wildcard takes both.
const reads: Readonly<Record<string, Read>> = {
  '/v1/meters': readMeters,
  '/v1/meters/:meter/usage': readMeterUsage,
  '/v1/events/*': readEvent,
  '/v1/line-items': readLineItems,
  '/v1/status': readStatus,
};

const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function addReads(scope: FastifyInstance, context: QueryContext, keyring: Keyring): void {
  // Thrown on to the app's own handler, which writes the problem document.
  scope.setErrorHandler((error) => {
    throw problemOf(error);
  });
  for (const [url, read] of Object.entries(reads)) {
    scope.get(url, async (request: FastifyRequest, reply: FastifyReply) => {
      const { tenant, isOperator } = await keyring.authenticate(request.headers.authorization, request.ip);
      const [path = ''] = Object.values(request.params as Record<string, string>);
      const body = await read(context, { tenant, isOperator, path, parameters: request.query as QueryParameters });
      return reply.header('cache-control', 'no-store').send(body);
    });
  }
}

/** Adds the routes to `parts.app`, which is then for the caller to listen with. `stop` releases none of the parts. */
export async function startQuery(context: StageContext, parts: QueryParts): Promise<Stage> {
  const { app, pool, clickhouse, eventLog, keyring } = parts;
  const [openapi, page] = await Promise.all([
    readFile(projectFile('schemas/openapi.yaml'), 'utf8').then((text) => JSON.stringify(parse(text))),
    readFile(projectFile('query/dashboard.html'), 'utf8'),
  ]);
  const queryContext: QueryContext = {
    pool,
    clickhouse,
    eventLog,
    catalogs: createCatalogs(pool),
    freshnessWithin: shareFreshness(
      () => readFreshness(pool, clickhouse, eventLog),
      () => performance.now(),
    ),
    clock: context.clock,
    allowedLatenessMs: context.settings.allowedLatenessMs,
  };
  await app.register(async (scope) => {
    addReads(scope, queryContext, keyring);
    scope.get('/openapi.json', (_, reply) => reply.type('application/json').send(openapi));
    scope.get('/', (_, reply) =>
      reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(page),
    );
  });
  const stores = await watchStores(queryContext, context.logger);
  return {
    name: 'query',
    notReady: stores.notReady,
    failed: new Promise<never>(() => {}),
    stop: stores.stop,
  };
}
