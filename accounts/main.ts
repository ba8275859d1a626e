// The stage `manage`: who is billed, and who changed what, as routes on an app that the caller listens with and closes.
// It holds nothing between two requests: what is answered is what Postgres has, and what is changed is changed there,
// in one transaction, or not at all.
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { outsideCustomer } from '../domain/accounts/customer-limit.ts';
import { Problem, retryAfter } from '../domain/problem.ts';
import type { QueryParameters } from '../domain/requests/parameters.ts';
import type { Identity, Keyring } from '../platform/access/keyring.ts';
import { RateLimit } from '../platform/access/rate-limit.ts';
import { RequestTurns } from '../platform/access/request-turns.ts';
import { requireScope } from '../platform/access/scopes.ts';
import { assertKeysKnown } from '../platform/account-store/customer-keys.ts';
import { sweepAnswers } from '../platform/account-store/idempotent-answers.ts';
import { Vault } from '../platform/account-store/vault.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import type { EventLog } from '../platform/event-log/event-log.ts';
import { askForBody } from '../platform/http/continuation.ts';
import { inRequestTime } from '../platform/http/request-time.ts';
import type { Stage, StageContext } from '../platform/process/stage.ts';
import { accountCalls, outOfTime } from './account-calls.ts';
import type { AccountRequest, AccountRoute } from './account-route.ts';
import { accountRoutes } from './account-routes.ts';
import { catalogsNow } from './catalog-now.ts';
import { etagOf } from './core/request-headers.ts';
import { createManageMetrics, type ManageMetrics } from './metrics.ts';
import { refuseUnreadBody, takeBodies } from './request-body.ts';

export interface ManageParts {
  readonly app: FastifyInstance;
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  /** It may be away while accounts can be changed, and catalogs can't. */
  readonly log: () => Promise<EventLog>;
  readonly keyring: Keyring;
}

/** Requests that Postgres works on at once; the pool has a connection for each. */
const MANAGE_PLACES = 8;
/** A request that began later would be given up before it is done. */
const TURN_SHARE = 1 / 2;
const SWEEP_INTERVAL_MS = 60_000;

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks about accounts, once that is known. */
    manager: Identity | null;
  }
}

interface Managing extends ManageParts {
  readonly vault: Vault;
  readonly catalogs: ReturnType<typeof catalogsNow>;
  readonly metrics: ManageMetrics;
  readonly turns: RequestTurns;
  readonly rateLimit: RateLimit;
  readonly clock: () => number;
  readonly requestTimeoutMs: number;
  readonly readMemoryBytesMax: number;
}

/** Throws a `Problem` where a key of one customer asks about more than that. */
function requireCustomer({ customer }: Identity, { customerIn }: AccountRoute, request: FastifyRequest): void {
  if (customer === null) return;
  if (customerIn === undefined) throw outsideCustomer('This API key is limited to one customer, and this is not.');
  if ((request.params as Record<string, string>)[customerIn] === customer) return;
  throw outsideCustomer('This API key is limited to another customer.');
}

/** Who asks, how often, and what for; before a body is read. */
async function admit(managing: Managing, route: AccountRoute, request: FastifyRequest): Promise<void> {
  const identity = await managing.keyring.authenticate(request.headers.authorization, request.ip);
  const waitMs = managing.rateLimit.take(identity.keyId, managing.clock());
  if (waitMs > 0) {
    managing.metrics.refused('rate');
    throw new Problem('rate_limited', 'This API key asks more often than it may. Nothing was done.', {
      headers: retryAfter(waitMs / 1_000),
    });
  }
  requireScope(identity, route.scope);
  requireCustomer(identity, route, request);
  refuseUnreadBody(request, route.takesYaml === true);
  request.manager = identity;
}

const single = (header: string | string[] | undefined): string | undefined => [header].flat()[0];

async function answer(
  managing: Managing,
  route: AccountRoute,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { vault, catalogs, turns, metrics, requestTimeoutMs } = managing;
  const identity = request.manager!;
  const { tenant, keyId } = identity;
  const asked: AccountRequest = {
    author: { tenant, actor: `key:${keyId}` },
    path: request.params as Record<string, string>,
    parameters: request.query as QueryParameters,
    body: request.body,
    ifMatch: request.headers['if-match'],
    idempotencyKey: single(request.headers['idempotency-key']),
  };
  try {
    const { status, version, body } = await inRequestTime(reply, requestTimeoutMs, (budget) =>
      turns.inTurn(identity, budget, () => {
        const calls = accountCalls(managing, budget, tenant, metrics.changed);
        return route.act({ vault, catalogs: () => catalogs(calls.reads, tenant), ...calls }, asked);
      }),
    );
    if (version !== null) reply.header('etag', etagOf(version));
    return reply.code(status).send(body);
  } catch (error) {
    throw outOfTime(error);
  }
}

function addRoutes(scope: FastifyInstance, managing: Managing): void {
  takeBodies(scope);
  scope.decorateRequest('manager', null);
  scope.addHook('onResponse', (_request, reply, done) => {
    managing.metrics.answered(reply.statusCode, reply.elapsedTime / 1_000);
    done();
  });
  for (const route of accountRoutes) {
    scope.route({
      method: route.method,
      url: route.path.replace(/\{(\w+)\}/g, ':$1'),
      config: { asksForBody: true },
      onRequest: async (request, reply) => {
        reply.header('cache-control', 'no-store');
        await admit(managing, route, request);
        // Only now: who is refused need not send the body at all.
        askForBody(request, reply);
      },
      handler: (request, reply) => answer(managing, route, request, reply),
    });
  }
}

/** Answers that are kept long enough go, a few at a time. What fails is done at the next round. */
function sweepFromTimeToTime(pool: Pool, logger: Logger): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;
  const sweep = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        while ((await sweepAnswers(pool)) > 0 && !signal.aborted);
      } catch (err) {
        logger.warn({ err }, 'old answers of the Idempotency-Keys were not deleted; it is tried again');
      }
      await delay(SWEEP_INTERVAL_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  };
  const done = sweep();
  return {
    stop: () => {
      stopping.abort();
      return done;
    },
  };
}

/** Adds the routes to `parts.app`, which is then for the caller to listen with. `stop` releases none of the parts. */
export async function startManage(context: StageContext, parts: ManageParts): Promise<Stage> {
  const { settings, clock, registry, logger } = context;
  const { keys, requestTimeoutMs, requestsPerSecondMax } = settings.accounts;
  if (keys === null) {
    throw new Error(
      'TALLYLINE_ACCOUNTS_KEY is not set, and customers are stored encrypted by it: make one with `openssl rand -base64 32`',
    );
  }
  const vault = new Vault(keys);
  await assertKeysKnown(parts.pool, vault);
  const metrics = createManageMetrics(registry);
  const turns = new RequestTurns({
    places: MANAGE_PLACES,
    turnTimeoutMs: requestTimeoutMs * TURN_SHARE,
    what: 'requests about accounts',
    onRefused: metrics.refused,
  });
  metrics.watchGate(turns.gate);
  const rateLimit = new RateLimit(requestsPerSecondMax);
  await parts.app.register(async (scope) =>
    addRoutes(scope, {
      ...parts,
      vault,
      catalogs: catalogsNow(),
      metrics,
      turns,
      rateLimit,
      clock,
      requestTimeoutMs,
      readMemoryBytesMax: settings.query.readMemoryBytesMax,
    }),
  );
  const sweeping = sweepFromTimeToTime(parts.pool, logger);
  return {
    name: 'manage',
    notReady: () => null,
    failed: new Promise<never>(() => {}),
    stop: () => sweeping.stop(),
  };
}
