// The query stage: the read API, the OpenAPI document and the status page, as routes on an app that the caller listens
// with and closes. It writes nothing, and holds nothing between two requests but catalog versions, which never change,
// and for a second how fresh usage is.
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { parse } from 'yaml';
import { subjectsOfCustomer } from '../domain/accounts/customer-limit.ts';
import type { QueryParameters } from '../domain/requests/parameters.ts';
import type { Identity, Keyring } from '../platform/access/keyring.ts';
import { requireScope } from '../platform/access/scopes.ts';
import { type RequestBudget, withinBudget } from '../platform/calls/request-budget.ts';
import type { StoreWatch } from '../platform/calls/store-watch.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { inRequestTime } from '../platform/http/request-time.ts';
import { projectFile } from '../platform/process/project-root.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import { acceptedForm } from './core/accepted-form.ts';
import { requestOfCustomer } from './customer-request.ts';
import { createQueryMetrics, type QueryMetrics } from './metrics.ts';
import { FRESHNESS_AGE_MAX_MS } from './query-limits.ts';
import type { AnswerStream, QueryContext, ReadRequest } from './read.ts';
import { ReadAdmission, type ReadCost } from './read-admission.ts';
import { type RouteRead, reads, urlOf } from './reads.ts';
import { openRequestStores } from './request-stores.ts';
import { CountingWatch } from './stores/counting-watch.ts';
import { problemOf } from './stores/store-problems.ts';

export interface QueryParts {
  readonly app: FastifyInstance;
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: Pick<EventLog, 'topicId' | 'partitions' | 'bounds'>;
  readonly keyring: Keyring;
  /** Tells a store that hangs from a read that takes long. */
  readonly stores: Pick<StoreWatch, 'fault'>;
  /** Whether the pool's user sees the money of the tenant alone that its transaction names (tenant-fence.ts). */
  readonly isFenced: boolean;
}

const PAGE_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Reading {
  readonly keyring: Keyring;
  readonly admission: ReadAdmission;
  readonly metrics: QueryMetrics;
  readonly stores: QueryParts['stores'];
  readonly readTimeoutMs: number;
  readonly streamTimeoutMs: number;
  readonly contextOf: (budget: RequestBudget, tenant: string) => QueryContext;
}

/** Throws a `Problem` where the key may not have it. */
function readRequest(identity: Identity, { toCustomers }: RouteRead, request: FastifyRequest): ReadRequest {
  requireScope(identity, 'read');
  const { tenant, isOperator, customer } = identity;
  const [path = ''] = Object.values(request.params as Record<string, string>);
  const parameters = request.query as QueryParameters;
  const asked = { tenant, isOperator, customer, subjects: null, path, parameters };
  return customer === null ? asked : requestOfCustomer(asked, subjectsOfCustomer(customer), toCustomers);
}

/** The order of a read: who asks, whether it may, its turn, the stores; all of it within one budget. */
async function inOrder<Result>(
  route: RouteRead,
  cost: ReadCost,
  request: FastifyRequest,
  budget: RequestBudget,
  { keyring, admission, contextOf }: Reading,
  read: (context: QueryContext, asked: ReadRequest) => Promise<Result>,
): Promise<Result> {
  const identity = await keyring.authenticate(request.headers.authorization, request.ip);
  admission.countRequest(identity);
  const asked = readRequest(identity, route, request);
  return admission.inTurn(cost, identity, budget, () => read(contextOf(budget, asked.tenant), asked));
}

/** Whatever is the first of them, then the others. */
async function* continued(first: IteratorResult<string>, pieces: AsyncIterator<string>): AsyncGenerator<string> {
  try {
    for (let piece = first; piece.done !== true; piece = await pieces.next()) yield piece.value;
  } finally {
    await pieces.return?.();
  }
}

/**
 * Sends an answer while it is read, no faster than its client takes it; resolves once all of it is with the client's
 * socket. What fails before the first piece is an answer of its own. What fails later cuts the connection before the
 * end of the body: no client takes it for the whole.
 */
async function send(
  reply: FastifyReply,
  { mediaType, pieces }: AnswerStream,
  { signal }: RequestBudget,
): Promise<void> {
  const iterator = pieces[Symbol.asyncIterator]();
  const first = await iterator.next();
  const sent = finished(reply.raw);
  const body = Readable.from(continued(first, iterator), { objectMode: false });
  // While its client takes nothing, nothing is read, and no call to a store tells that the time is over.
  const cut = (): void => void body.destroy(new Error('the answer was not taken in its time'));
  signal.addEventListener('abort', cut, { once: true });
  reply.type(mediaType).send(body);
  if (signal.aborted) cut();
  // Whoever is behind it was told by what became of the connection, and the log by the framework.
  await sent.catch(() => {});
  signal.removeEventListener('abort', cut);
}

function addReads(scope: FastifyInstance, reading: Reading): void {
  const { metrics, stores, readTimeoutMs, streamTimeoutMs } = reading;
  // Thrown on to the app's own handler, which writes the problem document.
  scope.setErrorHandler((error) => {
    throw problemOf(error, stores);
  });
  scope.addHook('onResponse', (_request, reply, done) => {
    metrics.answered(reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });
  for (const [path, route] of Object.entries(reads)) {
    const { read, stream, cost } = route;
    scope.get(urlOf(path), async (request: FastifyRequest, reply: FastifyReply) => {
      const form = stream === undefined ? 'json' : acceptedForm(request.headers.accept);
      reply.header('cache-control', 'no-store');
      if (stream !== undefined) reply.header('vary', 'accept');
      if (stream === undefined || form === 'json') {
        const answer = await inRequestTime(reply, readTimeoutMs, (budget) =>
          inOrder(route, cost, request, budget, reading, read),
        );
        return reply.send(answer);
      }
      await inRequestTime(reply, streamTimeoutMs, (budget) =>
        inOrder(route, 'stream', request, budget, reading, async (context, asked) =>
          send(reply, await stream(context, asked, form), budget),
        ),
      );
      return reply;
    });
  }
}

/** Adds the routes to `parts.app`, which is then for the caller to listen with. `stop` releases none of the parts. */
export async function startQuery(context: StageContext, parts: QueryParts): Promise<Stage> {
  const { app, pool, clickhouse, eventLog, keyring, stores, isFenced } = parts;
  const { settings, clock, registry, logger } = context;
  const { readTimeoutMs, streamTimeoutMs, readMemoryBytesMax } = settings.query;
  // As bytes: anybody may ask for them, and nothing is done for it but to send them.
  const [openapi, page] = await Promise.all([
    readFile(projectFile('schemas/openapi.yaml'), 'utf8').then((text) => Buffer.from(JSON.stringify(parse(text)))),
    readFile(projectFile('query/dashboard.html')),
  ]);
  const metrics = createQueryMetrics(registry);
  const admission = new ReadAdmission(settings.query, clock, metrics);
  const storesOf = openRequestStores({ pool, clickhouse, eventLog, readTimeoutMs, readMemoryBytesMax, isFenced });
  const { allowedLatenessMs } = settings;
  const contextOf = (budget: RequestBudget, tenant: string): QueryContext => ({
    ...storesOf(budget, tenant),
    ...{ clock, allowedLatenessMs },
  });
  const counting = new CountingWatch({
    clock,
    logger,
    readFreshness: () =>
      withinBudget(readTimeoutMs, (budget) => storesOf(budget, null).freshnessWithin(FRESHNESS_AGE_MAX_MS)),
  });
  await app.register(async (scope) => {
    await scope.register(async (api) =>
      addReads(api, { keyring, admission, metrics, stores, readTimeoutMs, streamTimeoutMs, contextOf }),
    );
    scope.get('/openapi.json', (_, reply) => reply.type('application/json').send(openapi));
    scope.get('/', (_, reply) =>
      reply.type('text/html; charset=utf-8').header('content-security-policy', PAGE_POLICY).send(page),
    );
  });
  return {
    name: 'query',
    notReady: () => null,
    degraded: () => counting.fault(),
    failed: new Promise<never>(() => {}),
    stop: async () => {},
  };
}
