// A catalog as the body of a request, in JSON or YAML: the whole of it, or a refusal that names all that is wrong.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { formatCatalogError, readCatalog, readCatalogTree } from '../../domain/catalog/catalog-file.ts';
import type { FieldSource } from '../../domain/fields/catalog-fields.ts';
import { formatPath, type Path } from '../../domain/fields/catalog-source.ts';
import { Problem } from '../../domain/problem.ts';
import { type FieldFault, invalidFields } from './body-fields.ts';

/** A body that is YAML, not read yet. */
export class YamlText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What is wrong with a catalog that was JSON, which has no lines. */
class JsonFaults implements FieldSource {
  readonly faults: FieldFault[] = [];

  add(path: Path, message: string): void {
    const field = formatPath(path);
    this.faults.push({ field, code: 'invalid_field', message: `${field === '' ? 'the body' : field}: ${message}` });
  }

  textOf(): null {
    return null;
  }
}

function readYaml(text: string): Catalog {
  const reading = readCatalog(text, 'body');
  if (reading.ok) return reading.catalog;
  const faults = reading.errors.map((error): FieldFault => {
    return { field: error.path, code: 'invalid_field', message: formatCatalogError(error) };
  });
  throw invalidFields(faults);
}

function readJson(tree: unknown): Catalog {
  const source = new JsonFaults();
  const catalog = readCatalogTree(source, tree);
  if (catalog === null || source.faults.length > 0) throw invalidFields(source.faults);
  return catalog;
}

/** `source`: what is kept of how it was written. Throws a `Problem`. */
export function readCatalogBody(body: unknown): { readonly catalog: Catalog; readonly source: string } {
  if (body === undefined) throw new Problem('malformed_body', 'The body must be a catalog, in JSON or YAML.');
  return body instanceof YamlText
    ? { catalog: readYaml(body.text), source: body.text }
    : { catalog: readJson(body), source: JSON.stringify(body) };
}
