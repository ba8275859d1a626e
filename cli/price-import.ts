// What `tallyline prices import` does: reads a list, tells what a draft made of it leaves out and what it changes of
// the book there is, and writes the draft. Nothing is applied: the draft is a section of a catalog file.
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type pg from 'pg';
import type { Catalog } from '../domain/catalog/catalog.ts';
import { type Change, compareBooks, formatChange } from '../domain/catalog/catalog-diff.ts';
import { bookLines, draftOf, formatLeftOut } from '../domain/pricing/lists/price-list.ts';
import { tenantVersions, versionsOfTenant } from '../platform/catalog-store.ts';
import { readCatalogFile } from './catalog-application.ts';

interface ImportTerms {
  readonly slug: string;
  /** Empty: all. */
  readonly providers: readonly string[];
  /** Null: the name of the file. */
  readonly source: string | null;
  readonly readAt: string;
  /** Compared with; null: the catalog that was applied, of a tenant or (null) the default. */
  readonly catalogFile: string | null;
  readonly tenant: string | null;
  /** Null: the draft is told like all else. */
  readonly outFile: string | null;
}

interface Out {
  line(text: string): void;
  note(text: string): void;
}

async function catalogThere(
  { catalogFile, tenant }: ImportTerms,
  openStore: () => Promise<pg.Pool>,
): Promise<Catalog | null> {
  if (catalogFile !== null) return (await readCatalogFile(catalogFile)).catalog;
  const pool = await openStore();
  try {
    const versions =
      tenant === null ? (await tenantVersions(pool)).defaults : (await versionsOfTenant(pool, tenant)).of(tenant);
    return versions.at(-1)?.catalog ?? null;
  } finally {
    await pool.end();
  }
}

/** Rejects where the list, or the catalog that it is compared with, can't be read. */
export async function importPriceList(
  file: string,
  terms: ImportTerms,
  openStore: () => Promise<pg.Pool>,
  out: Out,
): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file}: can't be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`);
  });
  const { slug, providers, readAt, source, outFile } = terms;
  const draft = draftOf(text, { slug, providers, readAt, source: source ?? basename(file) });
  if ('fault' in draft) throw new Error(`${file}: ${draft.fault}`);
  const there = (await catalogThere(terms, openStore))?.priceBooks?.filter((book) => book.slug === slug) ?? [];
  const changes: Change[] = [];
  compareBooks(there, [draft.book], changes);
  for (const left of draft.leftOut) out.note(formatLeftOut(left));
  for (const change of changes) out.note(formatChange(change));
  out.note(`${draft.book.models.length} models, ${changes.length} changes to the book there is`);
  const lines = bookLines(draft.book);
  if (outFile === null) for (const line of lines) out.line(line);
  else await writeFile(outFile, `${lines.join('\n')}\n`, { flag: 'wx' });
}
