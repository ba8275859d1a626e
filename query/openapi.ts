// What the OpenAPI document says of the parameters of reads is what reads them. The rest of schemas/openapi.yaml is
// written by hand; `npm run openapi` brings its parameters up to date, and the types that clients have from it.
import { type Document, isSeq } from 'yaml';
import { lineItemParameters } from './core/line-item-page.ts';
import { noParameters, openApiParameters, type ReadParameters } from './core/parameters.ts';
import { usageParameters } from './core/usage-request.ts';
import { eventParameters } from './event-route.ts';

/** Of each read, by its path in the document. */
const parametersOfPath: Readonly<Record<string, ReadParameters>> = {
  '/v1/meters': noParameters,
  '/v1/meters/{meter}/usage': usageParameters,
  '/v1/events/{id}': eventParameters,
  '/v1/line-items': lineItemParameters,
  '/v1/status': noParameters,
};

/** Puts the parameters into the document, behind those of the path. */
export function describeParameters(document: Document): void {
  for (const [path, parameters] of Object.entries(parametersOfPath)) {
    const place = ['paths', path, 'get', 'parameters'];
    const written = document.getIn(place);
    const ofPath = isSeq(written) ? (written.toJSON() as { in: string }[]).filter((one) => one.in === 'path') : [];
    const all = [...ofPath, ...openApiParameters(parameters)];
    if (all.length > 0) document.setIn(place, document.createNode(all));
  }
}
