// The HTTP server that the fronts (gateway and read API, alone or together) are put on: request ids, limits on slow and
// greedy clients (connections.ts), and problem documents for whatever goes wrong, requests that are not HTTP at all
// included.
//
// How it ends, so that a client sees no error that sends each request once:
//
//   serving --leave--> leaving --close--> closing --the last connection ends--> closed
//
//   leaving   Everything is answered as before, on new connections too; but each answer is its connection's last one,
//             and /readyz says no. Whoever stands before this server sends what comes next elsewhere.
//   closing   No connection is accepted any more. What is read is still answered; the rest of a slow body, and a
//             connection on which nothing comes, are not waited for (connections.ts, the routes).
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { Problem, type ProblemCode, retryAfter } from '../../domain/problem.ts';
import { type ConnectionSettings, connectionLimits } from './connection-limits.ts';
import { createConnectionMetrics } from './connection-metrics.ts';
import { Connections, type EndReason, LOOK_INTERVAL_MS } from './connections.ts';
import { askForBody, unmetExpectation } from './continuation.ts';
import { type DirectHandler, DirectRoutes } from './direct-requests.ts';
import { addCommonHeaders, answerFrameworkError, registerProblems } from './problems.ts';
import { repeatedHeader } from './repeated-headers.ts';

/** The head of a request, from its first byte or from the opening of the connection. */
const HEAD_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** Routes that take large bodies say so themselves. */
const BODY_BYTES_MAX = 65_536;
/** Answered even above the bound on connections: whoever runs the stage asks for them. */
const PROBES: ReadonlySet<string> = new Set(['/healthz', '/readyz', '/metrics']);

/** Of what varies in a path, as it is written: 256 characters of four bytes, each byte as %xx. */
const PATH_PARAMETER_LENGTH_MAX = 3_072;

const REQUEST_ID = /^[\w.:-]{1,64}$/;

/** The client's X-Request-Id where it can stand in a log line as it is; else a new one. */
const requestIdOf = (request: IncomingMessage): string => {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
};

interface RawProblem {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly reason?: EndReason;
}

const rawProblems: Readonly<Record<string, RawProblem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    code: 'request_timeout',
    detail: 'The request did not arrive whole in time.',
    reason: 'late_head',
  },
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', detail: 'The headers are larger than this server takes.' },
};
const tooSlow: RawProblem = {
  code: 'request_timeout',
  detail: 'The body of the request came too slowly.',
  reason: 'slow_body',
};
const notHttp: RawProblem = { code: 'invalid_request', detail: 'The request is not valid HTTP/1.1.' };
const noTunnel: RawProblem = { code: 'not_found', detail: 'This server is no proxy: it takes no CONNECT.' };

/** A whole answer in bytes, for what never became a request of the app. */
function rawAnswer({ code, detail }: RawProblem): string {
  const problem = new Problem(code, detail);
  const body = JSON.stringify(problem.document(randomUUID()));
  return (
    `HTTP/1.1 ${problem.status} ${code}\r\nContent-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}

/**
 * Answers what never became a request, or does not become whole. Where the answer would be taken for another one's
 * there is none: a request before it that arrived whole may still wait for its own, and one that is arriving may have
 * had its own already.
 */
function answerRaw(connections: Connections, socket: Socket, problem: RawProblem): void {
  if (connections.isLingering(socket)) return;
  const pending = connections.latestAnswer(socket);
  const isArriving = pending?.req.complete === false;
  const isTaken = pending !== undefined && (isArriving ? pending.headersSent : !pending.writableEnded);
  connections.endWith(socket, isTaken ? null : rawAnswer(problem), problem.reason);
}

const overLimit = (): Problem =>
  new Problem('overloaded', 'This server has as many connections as it takes. Send the request again.', {
    headers: { ...retryAfter(1), connection: 'close' },
  });

/** Node takes a body for chunked whatever stands before that, and would hand over what is still packed. */
const CHUNKED = /^\s*chunked\s*$/i;

const unknownCoding = (coding: string): Problem =>
  new Problem(
    'unsupported_transfer_coding',
    `The Transfer-Encoding must be chunked, not ${JSON.stringify(coding.slice(0, 40))}. Name a compression in Content-Encoding.`,
    { headers: { connection: 'close' } },
  );

/** What Node would refuse in words of its own, or let pass although it can be read in two ways. */
function faultyHead(request: FastifyRequest): Problem | undefined {
  const { headers, httpVersion, rawHeaders } = request.raw;
  if (headers.host === undefined && httpVersion === '1.1') {
    return new Problem('invalid_request', 'The Host header is missing.', { headers: { connection: 'close' } });
  }
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && !CHUNKED.test(coding)) return unknownCoding(coding);
  const repeated = repeatedHeader(headers, rawHeaders);
  if (repeated !== null) return new Problem('invalid_request', `The header ${repeated} may be sent once only.`);
  return unmetExpectation(request);
}

/** The rest of a body is read for the sake of the connection up to this; a larger one ends the connection instead. */
const REST_READ_BYTES_MAX = 65_536;

/** A request of whose body too much may still come after its answer. */
const awaitsMuch = ({ raw, headers }: FastifyRequest): boolean =>
  !raw.complete &&
  (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > REST_READ_BYTES_MAX);

declare module 'fastify' {
  interface FastifyInstance {
    /** From now on each answer is its connection's last one, and /readyz says no. */
    leave(): void;
    isLeaving(): boolean;
    /** Plain requests of a path that has a route are served by it (direct-requests.ts). */
    serveDirectly(path: string, handler: DirectHandler): void;
  }
}

export interface HttpAppOptions {
  readonly connections?: ConnectionSettings;
  /** Without it nothing is counted. */
  readonly registry?: Registry;
  readonly headTimeoutMs?: number;
}

const BY_DESCRIPTORS: ConnectionSettings = {
  connectionsMax: null,
  connectionsPerAddressMax: null,
  trustedProxies: [],
};

function createNodeServer(connections: Connections, headTimeoutMs: number, handle: RequestListener): Server {
  const server = createServer({
    headersTimeout: headTimeoutMs,
    // Bodies have a least pace instead: a large one may take its time, a small one that never ends may not.
    requestTimeout: 0,
    // Node looks for late heads this often.
    connectionsCheckingInterval: Math.min(1_000, headTimeoutMs),
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // The hook below refuses what has none, in our own form.
    requireHostHeader: false,
  });
  // All that fit into the bytes of a head: Node would leave out the others without a word.
  server.maxHeadersCount = 0;
  // Node would call it when the server closes, and a request that is on its way would meet a closed connection.
  server.closeIdleConnections = () => {};
  const admit: RequestListener = (request, response) => {
    if (connections.admit(request, response)) handle(request, response);
  };
  server.on('request', admit).on('checkContinue', admit).on('checkExpectation', admit);
  server.on('connection', (socket) => connections.open(socket));
  server.on('connect', (_request, socket) => answerRaw(connections, socket as Socket, noTunnel));
  return server;
}

/** An app without routes. The caller registers the stages on it, listens and closes. */
export function createHttpApp(logger: Logger, options: HttpAppOptions = {}): FastifyInstance {
  const settings = options.connections ?? BY_DESCRIPTORS;
  const { trustedProxies } = settings;
  const limits = connectionLimits(settings);
  const metrics = options.registry === undefined ? null : createConnectionMetrics(options.registry);
  const connections = new Connections(limits, {
    monotonicMs: () => performance.now(),
    answerTooSlow: (socket) => answerRaw(connections, socket, tooSlow),
    onEnd: (reason) => metrics?.ended(reason),
  });
  metrics?.watch(connections, limits.connectionsMax);
  const direct = new DirectRoutes();
  let isLeaving = false;
  const answering = (bytes: number): void => connections.answering(bytes);
  // Of requests that were pipelined only the last one's ends the connection: the others have answers to come behind
  // theirs.
  const connectionOf = (response: ServerResponse): 'close' | null | undefined => {
    if (!isLeaving) return undefined;
    return connections.latestAnswer(response.req.socket) === response ? 'close' : null;
  };
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // Requests are counted by metrics; a line for each would cost more than the request.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    // A logger of its own for each request would cost more than the line that a few of them log.
    childLoggerFactory: (own) => own,
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PATH_PARAMETER_LENGTH_MAX },
    // `request.ip` is then the client's, where one of these passed it on.
    trustProxy: trustedProxies.length === 0 ? false : [...trustedProxies],
    // What is read is answered.
    return503OnClosing: false,
    forceCloseConnections: false,
    serverFactory: (handle) => {
      const terms = { trustsProxies: trustedProxies.length > 0, requestIdOf, handle, connectionOf, answering };
      return createNodeServer(connections, options.headTimeoutMs ?? HEAD_TIMEOUT_MS, (request, response) => {
        if (isLeaving || connections.isOverLimit(request.socket)) handle(request, response);
        else direct.serve(request, response, terms);
      });
    },
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET') socket.destroy();
      else answerRaw(connections, socket, rawProblems[error.code ?? ''] ?? notHttp);
    },
    frameworkErrors: answerFrameworkError,
  });
  const looking = setInterval(() => connections.look(), LOOK_INTERVAL_MS).unref();
  app.decorate('serveDirectly', (path: string, handler: DirectHandler) => direct.add(path, handler));
  app.decorate('isLeaving', () => isLeaving);
  app.decorate('leave', () => {
    isLeaving = true;
  });
  app.addHook('preClose', (done) => {
    isLeaving = true;
    connections.close();
    done();
  });
  // Not in a hook: those of a close run before the connections have ended.
  app.server.once('close', () => clearInterval(looking));
  app.addHook('onListen', (done) => {
    const { connectionsMax, perAddressMax } = limits;
    logger.info({ connectionsMax, perAddressMax, trustedProxies }, 'connections are bounded');
    done();
  });
  const refusal = (request: FastifyRequest): Problem | undefined => {
    if (connections.isOverLimit(request.raw.socket) && !PROBES.has(request.url)) return overLimit();
    return faultyHead(request);
  };
  app.addHook('onRequest', (request, reply, done) => {
    addCommonHeaders(request, reply);
    const problem = refusal(request);
    if (problem === undefined && request.routeOptions.config.asksForBody !== true) askForBody(request, reply);
    done(problem);
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) answering(payload.length);
    // The rest of a body that nobody reads would have to be read all the same before the connection can be used again.
    const isLast = awaitsMuch(request) || connections.isOverLimit(request.raw.socket);
    const connection = isLast ? 'close' : connectionOf(reply.raw);
    if (connection === 'close') reply.header('connection', connection);
    else if (connection === null) reply.raw.removeHeader('connection');
    done();
  });
  registerProblems(app);
  return app;
}
