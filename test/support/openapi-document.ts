// Bodies of answers, against what schemas/openapi.yaml says of them.
import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { projectFile } from '../../platform/process/project-root.ts';

interface Operation {
  readonly responses: Readonly<Record<string, unknown>>;
}
interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const openApiDocument = parse(readFileSync(projectFile('schemas/openapi.yaml'), 'utf8')) as OpenApiDocument;

const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (of: Ajv2020) => void)(ajv);
ajv.addSchema(openApiDocument, 'openapi');

const pointer = (...parts: readonly (string | number)[]): string =>
  parts.map((part) => String(part).replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')).join('/');

/** The path of the document that a request is for; null: none. */
function documentedPath(method: string, path: string): string | null {
  const fits = Object.entries(openApiDocument.paths).filter(([template, operations]) => {
    const pattern = template.replace(/\{\w+\}/g, '[^/]+');
    return new RegExp(`^${pattern}$`).test(path) && method.toLowerCase() in operations;
  });
  // The one with the fewest parts that vary.
  return fits.sort(([a], [b]) => a.split('{').length - b.split('{').length)[0]?.[0] ?? null;
}

/** What is wrong with an answer by the document; null: nothing. `path`: without its parameters. */
export function answerFault(method: string, path: string, status: number, body: unknown): string | null {
  const template = documentedPath(method, path);
  if (template === null) return `nothing is said of ${method} ${path}`;
  const verb = method.toLowerCase();
  if (openApiDocument.paths[template]![verb]!.responses[status] === undefined) {
    return `nothing is said of a ${status} of ${method} ${template}`;
  }
  const schema =
    status < 300
      ? `openapi#/${pointer('paths', template, verb, 'responses', status, 'content', 'application/json', 'schema')}`
      : 'openapi#/components/schemas/Problem';
  const validate = ajv.getSchema(schema);
  if (validate === undefined) return `there is no schema at ${schema}`;
  return validate(body) ? null : ajv.errorsText(validate.errors);
}
