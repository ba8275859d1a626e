// POST /v1/events. The order of a request is its promise: who it is, whether it may, whether the log takes events at all; only
// then the body, each event's admission, and the log. A 2xx is sent after the log acknowledged every accepted event, and every
// refusal of the whole request (401, 403, 413, 415, 429, 503 before the append) leaves nothing of it behind.

import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { UsageEvent } from '../domain/usage-event.ts';
import type { Identity, Keyring } from '../platform/http/api-keys.ts';
import { HttpProblem, retryAfter } from '../platform/http/problem.ts';
import type { RateLimit } from '../platform/http/rate-limit.ts';
import { AppendFailed, type Batcher, type Refusal } from './batcher.ts';
import { type BodyBudget, contentEncodingOf, readBody } from './body-reader.ts';
import { type AdmissionContext, admit, reportedId } from './core/admission.ts';
import { BodyFault, type DecodedBody, decodeBody } from './core/body-decoding.ts';
import { type BodyForm, bodyFormOf } from './core/body-form.ts';
import { FastAdmission } from './core/fast-admission.ts';
import type { MeterChecks } from './core/meter-checks.ts';
import { Rejection, type RejectionCode } from './core/rejection.ts';
import type { IngestMetrics } from './metrics.ts';

export interface EventsRouteParts {
  readonly keyring: Keyring;
  readonly batcher: Batcher;
  readonly rateLimit: RateLimit;
  readonly bodies: BodyBudget;
  readonly metrics: IngestMetrics;
  readonly clock: () => number;
  /** Null: no catalog was read yet. */
  readonly checks: () => MeterChecks | null;
  readonly horizonMs: number;
  readonly bodyBytesMax: number;
}

/** One entry of the `rejected` list. */
interface RejectedEvent {
  /** The event's place in the request, from 0; blank lines of NDJSON do not count. */
  readonly index: number;
  readonly id: string | null;
  readonly code: RejectionCode;
  readonly message: string;
  readonly field: string | null;
}

interface Admitted {
  readonly accepted: UsageEvent[];
  readonly rejected: RejectedEvent[];
}

const RETRY_SECONDS = 1;

const refused = ({ code, detail }: Refusal): HttpProblem =>
  new HttpProblem(code, detail, {
    // A client that reconnects finds a gateway that stays; one that waits on this connection does not.
    headers: { ...retryAfter(RETRY_SECONDS), ...(code === 'shutting_down' ? { connection: 'close' } : {}) },
  });

/** Everything that can be said before the body is read. */
function openTheDoor(parts: EventsRouteParts, identity: Identity): MeterChecks {
  const waitMs = parts.rateLimit.take(identity.keyId, parts.clock());
  if (waitMs > 0) {
    throw new HttpProblem('rate_limited', 'This API key sends more requests than it may. Nothing was accepted.', {
      headers: retryAfter(waitMs / 1000),
    });
  }
  const refusal = parts.batcher.refusal();
  if (refusal !== null) throw refused(refusal);
  const checks = parts.checks();
  if (checks === null) {
    throw new HttpProblem('not_ready', 'The gateway has not read the catalog yet. Send the request again.', {
      headers: retryAfter(RETRY_SECONDS),
    });
  }
  return checks;
}

function admitAll(body: DecodedBody, context: AdmissionContext): Admitted {
  const accepted: UsageEvent[] = [];
  const rejected: RejectedEvent[] = [];
  for (let index = 0; index < body.items.length; index++) {
    const raw = body.items[index];
    const admitted = admit(raw, body.form, context);
    if (admitted instanceof Rejection) {
      const { code, message, field } = admitted;
      rejected.push({ index, id: reportedId(raw), code, message, field });
    } else {
      accepted.push(admitted);
    }
  }
  return { accepted, rejected };
}

const fastAdmission = new FastAdmission();

function admitted(
  form: BodyForm,
  headers: IncomingHttpHeaders,
  bytes: Buffer,
  context: Omit<AdmissionContext, 'exact'>,
): Admitted {
  const accepted = form === 'json' ? fastAdmission.admitAll(bytes, context) : null;
  if (accepted !== null) return { accepted, rejected: [] };
  const body = decodeBody(form, headers, bytes);
  if (body instanceof BodyFault) throw new HttpProblem(body.code, body.detail);
  return admitAll(body, { ...context, exact: body.exact });
}

async function appendAll(batcher: Batcher, events: readonly UsageEvent[]): Promise<void> {
  const outcome = batcher.append(events);
  if (!(outcome instanceof Promise)) throw refused(outcome);
  try {
    await outcome;
  } catch (error) {
    if (!(error instanceof AppendFailed)) throw error;
    throw new HttpProblem(
      'log_unavailable',
      'The event log did not acknowledge the events. Send the whole request again: what did arrive is counted once.',
      { headers: retryAfter(RETRY_SECONDS), cause: error },
    );
  }
}

async function receive(parts: EventsRouteParts, request: FastifyRequest, reply: FastifyReply): Promise<string> {
  const { headers } = request;
  const identity = await parts.keyring.authenticate(headers.authorization);
  const checks = openTheDoor(parts, identity);
  const form = bodyFormOf(headers);
  if (typeof form !== 'string') throw new HttpProblem('unsupported_media_type', form.unknown);
  const encoding = contentEncodingOf(headers);

  const lease = parts.bodies.lease();
  try {
    const stream = (request.body as Readable | undefined) ?? request.raw;
    const bytes = await readBody(stream, headers, encoding, parts.bodyBytesMax, lease);
    const context = { tenant: identity.tenant, now: parts.clock(), horizonMs: parts.horizonMs, checks };
    const { accepted, rejected } = admitted(form, headers, bytes, context);
    if (accepted.length > 0) await appendAll(parts.batcher, accepted);
    parts.metrics.events('accepted', accepted.length);
    parts.metrics.events('rejected', rejected.length);
    if (accepted.length === 0) {
      throw new HttpProblem('no_event_accepted', rejected[0]!.message, { members: { accepted: 0, rejected } });
    }
    reply.code(rejected.length === 0 ? 200 : 207).header('content-type', 'application/json');
    return rejected.length === 0
      ? `{"accepted":${accepted.length},"rejected":[]}`
      : JSON.stringify({ accepted: accepted.length, rejected });
  } finally {
    lease.release();
  }
}

export async function registerEventsRoute(app: FastifyInstance, parts: EventsRouteParts): Promise<void> {
  await app.register(async (scope) => {
    // Bodies are read by `readBody`, after the checks that need none.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    scope.addHook('onResponse', (_request, reply, done) => {
      parts.metrics.answered(reply.statusCode, reply.elapsedTime / 1000);
      done();
    });
    scope.post('/v1/events', (request, reply) => receive(parts, request, reply));
  });
}
