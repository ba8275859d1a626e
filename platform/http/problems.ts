// Turns what is thrown below a route into its answer, a problem document: the one shape of every error of every HTTP
// stage. A fault of ours says nothing of its inside to the client; the log has it, under the request id that the
// document carries.
import { METHODS } from 'node:http';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../domain/problem.ts';

/** Of what a client wrote, in the words of a refusal. */
const SHOWN_LENGTH_MAX = 200;

const cut = (text: string): string => (text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text);

/** What fastify itself refuses, in our codes. */
function problemOf(error: FastifyError): Problem {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('body_too_large', 'The body is larger than this path takes. Send less in one request.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported_media_type', 'The Content-Type is missing or is not one that this path takes.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Problem('malformed_body', 'The body is not as long as its Content-Length says.');
    case 'FST_ERR_BAD_URL':
      return new Problem('invalid_request', 'The path is not percent-encoded UTF-8; a bare % is %25.');
    case 'FST_ERR_VALIDATION':
      return new Problem('invalid_parameter', cut(error.message));
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) return new Problem('invalid_request', cut(error.message), { cause: error });
  return new Problem('internal', 'The request failed on our side; it may be sent again.', { cause: error });
}

function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return (
    reply
      .code(problem.status)
      .headers(problem.headers)
      .header('content-type', 'application/problem+json')
      // As bytes: fastify adds a charset to text, which this media type does not have.
      .send(Buffer.from(JSON.stringify(problem.document(request.id))))
  );
}

const pathOf = (request: FastifyRequest): string => cut(request.url.split('?', 1)[0]!);

/** What every answer carries. */
export const addCommonHeaders = (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
  reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');

/** What fastify refuses before it looks for a route, such as a path that is not percent-encoded. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(problemOf(error), request, addCommonHeaders(request, reply));
}

/** A route's path, such as /v1/events/:id or /v1/events/*, as a pattern of what it takes. */
const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split('/')
      .map((part) =>
        part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'),
      )
      .join('/')}$`,
    's',
  );

/** Which methods a path takes, of the routes that are added from here on. */
function collectMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook('onRoute', ({ method, url }) => {
    const route = routes.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() };
    routes.set(url, route);
    for (const one of [method].flat()) route.methods.add(one);
  });
  return (path) => [
    ...new Set([...routes.values()].filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => [...methods])),
  ];
}

/**
 * From here on every error of the app is a problem document; for a path without a route 404, and 405 where it has one
 * for another method.
 */
export function registerProblems(app: FastifyInstance): void {
  // All that Node reads, so that none is answered otherwise.
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
  const methodsOf = collectMethods(app);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const problem = error instanceof Problem ? error : problemOf(error);
    if (problem.status === 500) request.log.error({ reqId: request.id, err: error }, 'request failed');
    return sendProblem(problem, request, reply);
  });
  const noRoute = (request: FastifyRequest): Problem => {
    const methods = methodsOf(request.url.split('?', 1)[0]!).join(', ');
    const place = `${request.method} ${pathOf(request)}`;
    if (methods === '') return new Problem('not_found', `There is nothing at ${place}.`);
    return new Problem('method_not_allowed', `${place}: this path takes ${methods}.`, { headers: { allow: methods } });
  };
  // Before fastify looks at headers and body, which are of no interest.
  app.addHook('onRequest', (request, _reply, done) => done(request.is404 ? noRoute(request) : undefined));
  app.setNotFoundHandler((request) => {
    throw noRoute(request);
  });
}
