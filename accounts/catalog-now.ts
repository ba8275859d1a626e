// The catalog as whoever changes accounts has to know it: what is published by now, and how it came to be.
import { type Catalog, type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { type RatingCatalog, ratingCatalog } from '../domain/rating/rating-catalog.ts';
import { catalogVersions, publishedVersion } from '../platform/catalog-store.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';

/** Of all versions that were published by now. */
export interface CatalogNow extends RatingCatalog {
  readonly newest: Catalog;
}

const catalogNow = (versions: readonly CatalogVersion[]): CatalogNow => ({
  ...ratingCatalog(versions),
  newest: versions.at(-1)?.catalog ?? emptyCatalog,
});

/** Read again where another version was published since. It reads by whatever it is handed. */
export function catalogsNow(): (queries: Queries) => Promise<CatalogNow> {
  let known = catalogNow([]);
  return async (queries) => {
    const version = await publishedVersion(queries);
    if (version !== known.version) {
      known = catalogNow((await catalogVersions(queries)).filter((each) => each.version <= version));
    }
    return known;
  };
}
