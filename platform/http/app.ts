// The HTTP server both stages are put on: request ids, limits on slow clients, and problem documents for whatever goes wrong,
// requests that are not HTTP at all included.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Logger } from 'pino';
import { answerFrameworkError, HttpProblem, type ProblemCode, registerProblems, retryAfter } from './problem.ts';

/** A request that has not arrived whole after this long is cut off (slow headers or a slow body). */
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Routes that take large bodies say so themselves. */
const BODY_BYTES_MAX = 65_536;

const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** The client's X-Request-Id where it can stand in a log line as it is; else a new one. */
const requestIdOf = (request: IncomingMessage): string => {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
};

const rawProblems: Readonly<Record<string, [ProblemCode, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The request did not arrive whole in time.'],
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The headers are larger than this server takes.'],
};

/** The answer that was begun last on each connection. */
type LatestAnswers = WeakMap<Socket, ServerResponse>;

/**
 * Answers what never became a request: the parser refused it, or it came too slowly. A request before it that arrived whole and
 * still waits for its answer must not take this one for its own: no answer at all is true of both.
 */
function answerRaw(latest: LatestAnswers, error: NodeJS.ErrnoException, socket: Socket): void {
  const pending = latest.get(socket);
  const isAwaited = pending?.req.complete === true && !pending.writableEnded;
  if (error.code === 'ECONNRESET' || !socket.writable || isAwaited) {
    socket.destroy();
    return;
  }
  const [code, detail] = rawProblems[error.code ?? ''] ?? ['invalid_request', 'The request is not valid HTTP/1.1.'];
  const problem = new HttpProblem(code, detail);
  const body = JSON.stringify(problem.document(randomUUID()));
  socket.end(
    `HTTP/1.1 ${problem.status} ${code}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const shuttingDown = (): HttpProblem =>
  new HttpProblem('shutting_down', 'This server is shutting down. Send the request again.', {
    headers: retryAfter(1),
  });

export interface HttpAppOptions {
  readonly requestTimeoutMs?: number;
}

/** An app without routes. The caller registers the stages on it, listens and closes. */
export function createHttpApp(logger: Logger, options: HttpAppOptions = {}): FastifyInstance {
  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const latest: LatestAnswers = new WeakMap();
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // Requests are counted by metrics; a line for each would cost more than the request.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    // A logger of its own for each request would cost more than the line that a few of them log.
    childLoggerFactory: (own) => own,
    requestTimeout,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    bodyLimit: BODY_BYTES_MAX,
    // The hook below answers, in our own form.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // Node looks for late requests this often; its default of 30 s would double the limit above.
    http: { connectionsCheckingInterval: Math.min(5_000, requestTimeout), headersTimeout: requestTimeout },
    clientErrorHandler: (error, socket) => answerRaw(latest, error, socket),
    frameworkErrors: answerFrameworkError,
  });
  // While the app closes, requests still come on connections that are open: they are turned away, and the connection with them.
  let closing = false;
  app.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  app.addHook('onRequest', (request, reply, done) => {
    latest.set(request.raw.socket, reply.raw);
    reply.header('x-request-id', request.id);
    done(closing ? shuttingDown() : undefined);
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // A connection that stays open after its last answer would hold the close up for the whole keep-alive time.
    if (closing) reply.header('connection', 'close');
    done();
  });
  registerProblems(app);
  return app;
}
