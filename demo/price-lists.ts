// The price lists of the demonstration: the sample with windows of a minute, so that what a change brings is billed
// while one watches, and the same with some other amounts.
import { readFileSync } from 'node:fs';
import type { Catalog } from '../domain/catalog/catalog.ts';
import { formatCatalogError, readCatalog } from '../domain/catalog/catalog-file.ts';
import { projectFile } from '../platform/process/project-root.ts';

const SAMPLE_FILE = 'deploy/catalogs/ai-api.yaml';

/** A price by the unit, one by the hundred, and tiers: each is shared out in its own way. */
const NEW_AMOUNTS = [
  ['unitAmount: "0.000003" }', 'unitAmount: "0.0000029" }'],
  ['unitAmount: "0.0000025" }', 'unitAmount: "0.0000024" }'],
  ['packageAmount: "4.00"', 'packageAmount: "4.40"'],
  ['unitAmount: "0.000006" }', 'unitAmount: "0.0000057" }'],
] as const;

function replaced(text: string, before: string, after: string): string {
  if (!text.includes(before)) throw new Error(`${SAMPLE_FILE} has no ${before}`);
  return text.replaceAll(before, after);
}

/** As texts: the first, and the one that takes its place. */
export function priceLists(): readonly [first: string, second: string] {
  const first = replaced(readFileSync(projectFile(SAMPLE_FILE), 'utf8'), 'window: 1h', 'window: 1m');
  return [first, NEW_AMOUNTS.reduce((text, [before, after]) => replaced(text, before, after), first)];
}

export function catalogOf(text: string): Catalog {
  const reading = readCatalog(text, SAMPLE_FILE);
  if (!reading.ok) throw new Error(reading.errors.map(formatCatalogError).join('\n'));
  return reading.catalog;
}
