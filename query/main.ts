// The query stage: the read API, the OpenAPI document and the status page, as routes on an app that the caller listens
// with and closes. It writes nothing, and holds nothing between two requests but catalog versions, which never change,
// and for a second how fresh usage is.
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { parse } from 'yaml';
import type { Keyring } from '../platform/access/keyring.ts';
import { RequestBudget } from '../platform/calls/request-budget.ts';
import type { StoreWatch } from '../platform/calls/store-watch.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { projectFile } from '../platform/process/project-root.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import type { QueryParameters } from './core/parameters.ts';
import { createQueryMetrics, type QueryMetrics } from './metrics.ts';
import type { QueryContext } from './read.ts';
import { ReadAdmission } from './read-admission.ts';
import { type RouteRead, reads, urlOf } from './reads.ts';
import { openRequestStores } from './request-stores.ts';
import { problemOf } from './store-problems.ts';

export interface QueryParts {
  readonly app: FastifyInstance;
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: Pick<EventLog, 'topicId' | 'partitions' | 'bounds'>;
  readonly keyring: Keyring;
  /** Tells a store that hangs from a read that takes long. */
  readonly stores: Pick<StoreWatch, 'fault'>;
}

const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Reading {
  readonly keyring: Keyring;
  readonly admission: ReadAdmission;
  readonly metrics: QueryMetrics;
  readonly stores: QueryParts['stores'];
  readonly readTimeoutMs: number;
  readonly contextOf: (budget: RequestBudget) => QueryContext;
}

/** The order of a read: who asks, whether it may, its turn, the stores; all of it within one budget. */
async function answer({ read, cost }: RouteRead, request: FastifyRequest, budget: RequestBudget, reading: Reading) {
  const { keyring, admission, contextOf } = reading;
  const identity = await keyring.authenticate(request.headers.authorization, request.ip);
  admission.countRequest(identity);
  const [path = ''] = Object.values(request.params as Record<string, string>);
  const parameters = request.query as QueryParameters;
  return admission.inTurn(cost, identity, budget, () =>
    read(contextOf(budget), { tenant: identity.tenant, isOperator: identity.isOperator, path, parameters }),
  );
}

function addReads(scope: FastifyInstance, reading: Reading): void {
  const { metrics, stores, readTimeoutMs } = reading;
  // Thrown on to the app's own handler, which writes the problem document.
  scope.setErrorHandler((error) => {
    throw problemOf(error, stores);
  });
  scope.addHook('onResponse', (_request, reply, done) => {
    metrics.answered(reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });
  for (const [path, route] of Object.entries(reads)) {
    scope.get(urlOf(path), async (request: FastifyRequest, reply: FastifyReply) => {
      const budget = new RequestBudget(readTimeoutMs);
      // A client that goes away gives its turn and its query back.
      const gone = (): void => budget.clientGone();
      reply.raw.once('close', gone);
      try {
        return reply.header('cache-control', 'no-store').send(await answer(route, request, budget, reading));
      } finally {
        reply.raw.off('close', gone);
        budget.end();
      }
    });
  }
}

/** Adds the routes to `parts.app`, which is then for the caller to listen with. `stop` releases none of the parts. */
export async function startQuery(context: StageContext, parts: QueryParts): Promise<Stage> {
  const { app, pool, clickhouse, eventLog, keyring, stores } = parts;
  const { settings, clock, registry } = context;
  const { readTimeoutMs, readMemoryBytesMax } = settings.query;
  // As bytes: anybody may ask for them, and nothing is done for it but to send them.
  const [openapi, page] = await Promise.all([
    readFile(projectFile('schemas/openapi.yaml'), 'utf8').then((text) => Buffer.from(JSON.stringify(parse(text)))),
    readFile(projectFile('query/dashboard.html')),
  ]);
  const metrics = createQueryMetrics(registry);
  const admission = new ReadAdmission(settings.query, clock, metrics);
  const storesOf = openRequestStores({ pool, clickhouse, eventLog, readTimeoutMs, readMemoryBytesMax });
  const { allowedLatenessMs } = settings;
  const contextOf = (budget: RequestBudget): QueryContext => ({ ...storesOf(budget), clock, allowedLatenessMs });
  await app.register(async (scope) => {
    await scope.register(async (api) =>
      addReads(api, { keyring, admission, metrics, stores, readTimeoutMs, contextOf }),
    );
    scope.get('/openapi.json', (_, reply) => reply.type('application/json').send(openapi));
    scope.get('/', (_, reply) =>
      reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(page),
    );
  });
  return {
    name: 'query',
    notReady: () => null,
    failed: new Promise<never>(() => {}),
    stop: async () => {},
  };
}
