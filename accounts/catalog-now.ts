// The catalog as whoever changes accounts has to know it: what is published by now, and how it came to be.
import { TenantVersions } from '../domain/catalog/tenant-versions.ts';
import { catalogsAt, type RatingCatalog, RatingCatalogs } from '../domain/rating/rating-catalog.ts';
import { publishedVersion, tenantVersions } from '../platform/catalog-store.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';

/** Of a tenant, by whatever it is handed. Read again where another version was published since. */
export function catalogsNow(): (queries: Queries, tenant: string) => Promise<RatingCatalog> {
  let known = new RatingCatalogs(new TenantVersions([]));
  return async (queries, tenant) => {
    known = await catalogsAt(known, await publishedVersion(queries), () => tenantVersions(queries));
    return known.of(tenant);
  };
}
