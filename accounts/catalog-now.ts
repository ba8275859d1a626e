// The catalog as whoever changes accounts has to know it: what is published by now, and how it came to be.
import { type Catalog, type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { CatalogHistory } from '../domain/terms/catalog-history.ts';
import { catalogVersions, publishedVersion } from '../platform/catalog-store.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';

export interface CatalogNow {
  /** All that were published by now, ascending. */
  readonly versions: readonly CatalogVersion[];
  readonly newest: Catalog;
  readonly history: CatalogHistory;
}

/** The number of the newest; 0: there is none. */
export const versionOf = ({ versions }: CatalogNow): number => versions.at(-1)?.version ?? 0;

/** Read again where another version was published since. It reads by whatever it is handed. */
export function catalogsNow(): (queries: Queries) => Promise<CatalogNow> {
  let known: { readonly version: number; readonly now: CatalogNow } = {
    version: 0,
    now: { versions: [], newest: emptyCatalog, history: new CatalogHistory([]) },
  };
  return async (queries) => {
    const version = await publishedVersion(queries);
    if (version !== known.version) {
      const versions: CatalogVersion[] = (await catalogVersions(queries)).filter((each) => each.version <= version);
      const newest = versions.at(-1)?.catalog ?? emptyCatalog;
      known = { version, now: { versions, newest, history: new CatalogHistory(versions) } };
    }
    return known.now;
  };
}
