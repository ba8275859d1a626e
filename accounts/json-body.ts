// Bodies of JSON. What is not UTF-8 or no JSON is refused as a whole; `__proto__` is a member like any other.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../domain/problem.ts';

const UTF_8 = /;\s*charset\s*=\s*"?utf-?8"?\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=/i;

/** Throws what can be said against a body before it is read. */
export function refuseUnreadBody({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported_encoding', 'Bodies are taken as they are here: send none with a Content-Encoding.');
  }
  const type = headers['content-type'] ?? '';
  if (CHARSET.test(type) && !UTF_8.test(type)) {
    throw new Problem('unsupported_media_type', 'JSON is UTF-8, and the Content-Type names another charset.');
  }
}

/** Undefined: it is empty. Throws a `Problem`. */
function parsedBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Problem('malformed_body', 'The body is not JSON in UTF-8.', { cause });
  }
}

/** The only bodies that the routes of `scope` take. */
export function takeJsonBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parsedBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}
