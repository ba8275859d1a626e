// The catalog as reads need it: what is published now, and what an old version said. Versions are kept in memory by
// platform/catalog-store.ts; which one is published is asked every time.

import { type Catalog, type CatalogVersion, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
export interface Catalogs {
  /** The newest published version; version 0, the empty catalog, before the first. */
  published(): Promise<CatalogVersion>;
  /** Throws an Error for a version that does not exist. */
  version(version: number): Promise<Catalog>;
  /**
   * By slug: as published, or as last defined where it was removed, as its usage stays readable. Null: never defined.
   */
  meter(slug: string): Promise<Meter | null>;
}

/** `readVersion` resolves to null for one that does not exist. */
export function createCatalogs(
  readPublished: () => Promise<CatalogVersion>,
  readVersion: (version: number) => Promise<CatalogVersion | null>,
): Catalogs {
  const version = async (wanted: number): Promise<Catalog> => {
    if (wanted === 0) return emptyCatalog;
    const stored = await readVersion(wanted);
    if (stored === null) throw new Error(`catalog version ${wanted} does not exist`);
    return stored.catalog;
  };
  const meter = async (slug: string): Promise<Meter | null> => {
    const newest = await readPublished();
    for (let at = newest.version; at > 0; at -= 1) {
      const found = (await version(at)).meters.find((candidate) => candidate.slug === slug);
      if (found !== undefined) return found;
    }
    return null;
  };
  return { published: readPublished, version, meter };
}
