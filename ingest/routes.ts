// POST /v1/events. The order of a request is its promise: who it is, whether it may, whether the log takes events at
// all; only then the body, each event's admission, and the log. A 2xx is sent after the log acknowledged every accepted
// event, and every refusal of the whole request (401, 403, 413, 415, 429, 503 before the append) leaves nothing of it
// behind.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { subjectsOfCustomer } from '../domain/accounts/customer-limit.ts';
import { Problem, retryAfter } from '../domain/problem.ts';
import type { UsageEvent } from '../domain/usage-event.ts';
import type { Identity, Keyring } from '../platform/access/keyring.ts';
import type { RateLimit } from '../platform/access/rate-limit.ts';
import { requireScope } from '../platform/access/scopes.ts';
import { askForBody } from '../platform/http/continuation.ts';
import type { DirectExchange } from '../platform/http/direct-requests.ts';
import { AdmissionTurns } from './admission-turns.ts';
import { AppendFailed, type Batcher } from './batcher.ts';
import type { BodyArrivals } from './bodies/body-arrivals.ts';
import type { BodyBudget } from './bodies/body-budget.ts';
import { contentEncodingOf, readBody, refuseByLength } from './bodies/body-reader.ts';
import type { CatalogFollower } from './catalog-follower.ts';
import type { AdmissionContext } from './core/admission.ts';
import { admitBody, PART_BYTES } from './core/body-admission.ts';
import { type BodyForm, bodyFormOf } from './core/body-form.ts';
import type { Decided } from './core/decisions.ts';
import type { MeterChecks } from './core/meter-checks.ts';
import type { IngestMetrics } from './metrics.ts';
import type { RefusalBook } from './refusals/refusal-book.ts';

export interface EventsRouteParts {
  readonly keyring: Keyring;
  readonly batcher: Batcher;
  readonly rateLimit: RateLimit;
  readonly bodies: BodyBudget;
  readonly arrivals: BodyArrivals;
  readonly metrics: IngestMetrics;
  readonly refusals: RefusalBook;
  readonly clock: () => number;
  readonly catalog: Pick<CatalogFollower, 'checksOf'>;
  readonly horizonMs: number;
  readonly bodyBytesMax: number;
}

/** A request, as far as it got. */
interface Arrival {
  readonly raw: IncomingMessage;
  /** The client's. */
  readonly address: string;
  /** Asks a client that waits for it to send its body. */
  readonly askForBody: () => void;
  /** Who sent it, once that is known; null: nobody knows yet. */
  identity: Identity | null;
}

/** The answer where an event or more was accepted. */
interface Receipt {
  readonly status: 200 | 207;
  readonly json: string;
}

/** Why a request that was served directly is refused, and how long that took. */
interface Refusal {
  readonly error: unknown;
  readonly identity: Identity | null;
  readonly tookMs: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    arrival: Arrival | null;
    /** Null: it was not served directly. */
    refusal: Refusal | null;
  }
}

const PATH = '/v1/events';
const RETRY_SECONDS = 1;

/** Throws what can be said against a request before its body is read. */
function refuseUnread(parts: EventsRouteParts, identity: Identity): void {
  const waitMs = parts.rateLimit.take(identity.keyId, parts.clock());
  if (waitMs > 0) {
    throw new Problem('rate_limited', 'This API key sends more requests than it may. Nothing was accepted.', {
      headers: retryAfter(waitMs / 1000),
    });
  }
  requireScope(identity, 'ingest');
  const refusal = parts.batcher.refusal();
  if (refusal !== null) throw refusal;
}

const notReady = (cause?: unknown): Problem =>
  new Problem('not_ready', 'The gateway has not read the catalog yet. Send the request again.', {
    headers: retryAfter(RETRY_SECONDS),
    cause,
  });

/** What the events of a tenant are checked by. Not async: nearly always they are there. */
function meterChecks({ catalog }: EventsRouteParts, tenant: string): MeterChecks | Promise<MeterChecks> {
  const checks = catalog.checksOf(tenant);
  if (checks === null) throw notReady();
  return checks instanceof Promise
    ? checks.catch((error: unknown) => {
        throw notReady(error);
      })
    : checks;
}

const turns = new AdmissionTurns();

/** Of an event of this key; null: any. */
const subjectsOf = ({ customer }: Identity): readonly string[] | null =>
  customer === null ? null : subjectsOfCustomer(customer);

async function admitted(
  form: BodyForm,
  headers: IncomingHttpHeaders,
  bytes: Buffer,
  context: AdmissionContext,
): Promise<Decided> {
  const work = admitBody(form, headers, bytes, context);
  const first = bytes.length <= PART_BYTES ? work.next() : null;
  return first?.done === true ? first.value : turns.run(context.tenant, work);
}

const notAcknowledged = (error: unknown): never => {
  if (!(error instanceof AppendFailed)) throw error;
  throw new Problem(
    'log_unavailable',
    'The event log did not acknowledge the events. Send the whole request again: what did arrive is counted once.',
    { headers: retryAfter(RETRY_SECONDS), cause: error },
  );
};

/**
 * Not async: the bytes of the events are in their records, and the events are not to wait for the log in memory beside
 * them.
 */
function appendAll(batcher: Batcher, events: readonly UsageEvent[]): Promise<void> {
  return batcher.append(events).catch(notAcknowledged);
}

async function receive(parts: EventsRouteParts, arrival: Arrival): Promise<Receipt> {
  const { raw } = arrival;
  const { headers } = raw;
  const identity = await parts.keyring.authenticate(headers.authorization, arrival.address);
  arrival.identity = identity;
  refuseUnread(parts, identity);
  const found = meterChecks(parts, identity.tenant);
  const checks = found instanceof Promise ? await found : found;
  const form = bodyFormOf(headers);
  const encoding = contentEncodingOf(headers);
  refuseByLength(headers, parts.bodyBytesMax);
  // Only now: who is refused need not send the body at all.
  arrival.askForBody();

  const lease = parts.bodies.lease(identity.keyId, identity.tenant);
  try {
    const length = Number(headers['content-length']);
    const bytes = await readBody(raw, length, encoding, parts.bodyBytesMax, lease, parts.arrivals);
    const { tenant } = identity;
    const { horizonMs } = parts;
    const context = { tenant, subjects: subjectsOf(identity), now: parts.clock(), horizonMs, checks };
    const { accepted, rejected, examples } = await admitted(form, headers, bytes, context);
    lease.beginAppending();
    const acceptedCount = accepted.length;
    if (acceptedCount > 0) await appendAll(parts.batcher, accepted.splice(0));
    parts.metrics.events('accepted', acceptedCount);
    parts.metrics.events('rejected', rejected.length);
    if (rejected.length > 0) parts.refusals.events(identity, rejected, examples, context.now);
    if (acceptedCount === 0) {
      throw new Problem('no_event_accepted', rejected[0]!.message, { members: { accepted: 0, rejected } });
    }
    return rejected.length === 0
      ? { status: 200, json: `{"accepted":${acceptedCount},"rejected":[]}` }
      : { status: 207, json: JSON.stringify({ accepted: acceptedCount, rejected }) };
  } finally {
    lease.release();
  }
}

const nothingToAsk = (): void => {};

/** Serves a plain request; a refusal is left in `refusals` for the route, which answers it. */
async function serveDirectly(
  parts: EventsRouteParts,
  exchange: DirectExchange,
  refusals: WeakMap<IncomingMessage, Refusal>,
): Promise<void> {
  const startedAt = performance.now();
  const raw = exchange.request;
  const arrival: Arrival = {
    ...{ raw, address: raw.socket.remoteAddress ?? '', askForBody: nothingToAsk, identity: null },
  };
  try {
    const { status, json } = await receive(parts, arrival);
    if (exchange.answer(status, json)) parts.metrics.answered(status, (performance.now() - startedAt) / 1_000);
  } catch (error) {
    refusals.set(raw, { error, identity: arrival.identity, tookMs: performance.now() - startedAt });
    exchange.handOver();
  }
}

export async function registerEventsRoute(app: FastifyInstance, parts: EventsRouteParts): Promise<void> {
  const refusals = new WeakMap<IncomingMessage, Refusal>();
  app.serveDirectly(PATH, (exchange) => void serveDirectly(parts, exchange, refusals));
  await app.register(async (scope) => {
    // Bodies are read by `readBody`, after the checks that need none.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.decorateRequest('arrival', null);
    scope.decorateRequest('refusal', null);
    scope.addHook('onResponse', ({ refusal }, reply, done) => {
      parts.metrics.answered(reply.statusCode, (reply.elapsedTime + (refusal?.tookMs ?? 0)) / 1_000);
      done();
    });
    scope.addHook('onError', ({ arrival, refusal }, _reply, error: Error, done) => {
      const code = error instanceof Problem ? error.code : 'internal';
      const identity = (refusal ?? arrival)?.identity ?? null;
      parts.metrics.refused(code);
      // Where none of its events was accepted, each of them is counted by its own code.
      if (identity !== null && code !== 'no_event_accepted') parts.refusals.request(identity, code, parts.clock());
      done();
    });
    // Slow bodies must not hold the close of the app up.
    scope.addHook('preClose', (done) => {
      parts.arrivals.drain();
      done();
    });
    scope.post(PATH, { config: { asksForBody: true } }, async (request, reply) => {
      const { raw, ip } = request;
      request.refusal = refusals.get(raw) ?? null;
      if (request.refusal !== null) throw request.refusal.error;
      request.arrival = { raw, address: ip, askForBody: () => askForBody(request, reply), identity: null };
      const { status, json } = await receive(parts, request.arrival);
      reply.code(status).header('content-type', 'application/json');
      return json;
    });
  });
}
