// What the OpenAPI document says of the parameters of reads is what reads them. The rest of schemas/openapi.yaml is
// written by hand; `npm run openapi` brings its parameters up to date, and the types that clients have from it.
import { type Document, isSeq } from 'yaml';
import { openApiParameters, type ReadParameters } from './parameters.ts';

/** Puts the parameters into the document, behind those of the path. `reads`: by the path that the document has. */
export function describeParameters(
  document: Document,
  reads: Readonly<Record<string, { readonly parameters: ReadParameters }>>,
): void {
  for (const [path, { parameters }] of Object.entries(reads)) {
    const place = ['paths', path, 'get', 'parameters'];
    const written = document.getIn(place);
    const before = isSeq(written) ? (written.toJSON() as { readonly in?: string; readonly $ref?: string }[]) : [];
    // What the document refers to elsewhere is of the path too.
    const ofPath = before.filter((one) => one.in === 'path' || one.$ref !== undefined);
    const all = [...ofPath, ...openApiParameters(parameters)];
    if (all.length > 0) document.setIn(place, document.createNode(all));
  }
}
