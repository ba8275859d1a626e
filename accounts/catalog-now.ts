// The catalog as whoever changes accounts has to know it: what is published by now, and how it came to be.
import type { Pool } from 'pg';
import { type Catalog, type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { CatalogHistory } from '../domain/terms/catalog-history.ts';
import { catalogVersions, publishedCatalog } from '../platform/catalog-store.ts';

export interface CatalogNow {
  /** All that were published by now, ascending. */
  readonly versions: readonly CatalogVersion[];
  readonly newest: Catalog;
  readonly history: CatalogHistory;
}

/** Read again where another version was published since. */
export function catalogsNow(pool: Pool): () => Promise<CatalogNow> {
  let known: { readonly version: number; readonly now: CatalogNow } = {
    version: 0,
    now: { versions: [], newest: emptyCatalog, history: new CatalogHistory([]) },
  };
  return async () => {
    const { version } = await publishedCatalog(pool);
    if (version !== known.version) {
      const versions: CatalogVersion[] = (await catalogVersions(pool)).filter((each) => each.version <= version);
      const newest = versions.at(-1)?.catalog ?? emptyCatalog;
      known = { version, now: { versions, newest, history: new CatalogHistory(versions) } };
    }
    return known.now;
  };
}
