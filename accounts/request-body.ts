// Bodies of JSON, and of YAML where a route takes it. What is not UTF-8 or no JSON is refused as a whole; `__proto__`
// is a member like any other.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Problem } from '../domain/problem.ts';
import { YamlText } from './core/catalog-body.ts';

const UTF_8 = /;\s*charset\s*=\s*"?utf-?8"?\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=/i;
const YAML = 'application/yaml';

/** Throws what can be said against a body before it is read. */
export function refuseUnreadBody({ headers }: FastifyRequest, takesYaml: boolean): void {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new Problem('unsupported_encoding', 'Bodies are taken as they are here: send none with a Content-Encoding.');
  }
  const type = headers['content-type'] ?? '';
  if (CHARSET.test(type) && !UTF_8.test(type)) {
    throw new Problem('unsupported_media_type', 'Bodies are UTF-8, and the Content-Type names another charset.');
  }
  if (!takesYaml && type.split(';')[0]!.trim().toLowerCase() === YAML) {
    throw new Problem('unsupported_media_type', 'This takes application/json.');
  }
}

const utf8 = (bytes: Buffer): string => new TextDecoder('utf-8', { fatal: true }).decode(bytes);

/** By media type, in words and as they are read; an empty one is read by none. */
const forms: Readonly<Record<string, { readonly name: string; readonly read: (bytes: Buffer) => unknown }>> = {
  'application/json': { name: 'JSON', read: (bytes) => JSON.parse(utf8(bytes)) },
  [YAML]: { name: 'YAML', read: (bytes) => new YamlText(utf8(bytes)) },
};

/** The only bodies that the routes of `scope` take. */
export function takeBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  for (const [type, { name, read }] of Object.entries(forms)) {
    scope.addContentTypeParser(type, { parseAs: 'buffer' }, (_request, body: Buffer, done) => {
      try {
        done(null, body.length === 0 ? undefined : read(body));
      } catch (cause) {
        done(new Problem('malformed_body', `The body is not ${name} in UTF-8.`, { cause }));
      }
    });
  }
}
