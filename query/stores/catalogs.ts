// The catalogs as reads need them: what is published for a tenant now, and what it had at an older version. Which
// version is published is asked every time; versions never change, so they are read again only where a newer one is.
import { type Catalog, emptyCatalog } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { catalogsAt, type RatingCatalog, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';

export interface Catalogs {
  /** Of all versions that a tenant has had up to the newest published one. */
  published(tenant: string): Promise<RatingCatalog>;
  /**
   * What a tenant had when a version of the installation was the newest. Throws an Error for one that does not exist.
   */
  at(tenant: string, version: number): Promise<Catalog>;
}

/** `readPublished`: the number of the newest published version. `readVersions`: all that are stored. */
export function createCatalogs(
  readPublished: () => Promise<number>,
  readVersions: () => Promise<TenantVersions>,
): Catalogs {
  let stored = new TenantVersions([]);
  let inForce = new RatingCatalogs(stored);
  // Numbers are stored in their order: where one is known, so are all below it.
  const versionsUpTo = async (version: number): Promise<TenantVersions> => {
    if (stored.newest < version) stored = await readVersions();
    return stored;
  };
  return {
    async published(tenant) {
      const version = await readPublished();
      inForce = await catalogsAt(inForce, version, () => versionsUpTo(version));
      return inForce.of(tenant);
    },
    async at(tenant, version) {
      const versions = await versionsUpTo(version);
      if (versions.newest < version) throw new Error(`catalog version ${version} does not exist`);
      return versions.at(tenant, version)?.catalog ?? emptyCatalog;
    },
  };
}
