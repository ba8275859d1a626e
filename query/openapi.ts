// What the OpenAPI document says of the parameters of reads is what reads them. The rest of schemas/openapi.yaml is
// written by hand; `npm run openapi` brings its parameters up to date, and the types that clients have from it.
import { type Document, isSeq } from 'yaml';
import { openApiParameters } from './core/parameters.ts';
import { reads } from './reads.ts';

/** Puts the parameters into the document, behind those of the path. */
export function describeParameters(document: Document): void {
  for (const [path, { parameters }] of Object.entries(reads)) {
    const place = ['paths', path, 'get', 'parameters'];
    const written = document.getIn(place);
    const ofPath = isSeq(written) ? (written.toJSON() as { in: string }[]).filter((one) => one.in === 'path') : [];
    const all = [...ofPath, ...openApiParameters(parameters)];
    if (all.length > 0) document.setIn(place, document.createNode(all));
  }
}
