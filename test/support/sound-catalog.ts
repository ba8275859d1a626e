import type { Catalog } from '../../domain/catalog/catalog.ts';
import { readCatalog } from '../../domain/catalog/catalog-file.ts';

/** The catalog of a text that is known to be sound; throws where it is not. `name` says whose it is. */
export function soundCatalog(yaml: string, name: string): Catalog {
  const reading = readCatalog(yaml, name);
  if (!reading.ok) throw new Error(`${name} is not sound: ${JSON.stringify(reading.errors)}`);
  return reading.catalog;
}
