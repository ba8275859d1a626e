// The catalog as reads need it: what is published now, and what an old version said. A version never changes, so each is
// read once; which one is published is asked every time.
import { type Catalog, type CatalogVersion, emptyCatalog, type Meter } from '../domain/catalog/catalog.ts';

export interface Catalogs {
  /** The newest published version; version 0, the empty catalog, before the first. */
  published(): Promise<CatalogVersion>;
  /** Throws an Error for a version that does not exist. */
  version(version: number): Promise<Catalog>;
  /** By slug: as published, or as last defined where it was removed, as its usage stays readable. Null: never defined. */
  meter(slug: string): Promise<Meter | null>;
}

/** `readVersion` resolves to null for one that does not exist. */
export function createCatalogs(
  readPublished: () => Promise<CatalogVersion>,
  readVersion: (version: number) => Promise<CatalogVersion | null>,
): Catalogs {
  // There are few versions: one for each time a price list was changed.
  const known = new Map<number, Catalog>([[0, emptyCatalog]]);

  const published = async (): Promise<CatalogVersion> => {
    const newest = await readPublished();
    known.set(newest.version, newest.catalog);
    return newest;
  };
  const version = async (wanted: number): Promise<Catalog> => {
    const before = known.get(wanted);
    if (before !== undefined) return before;
    const stored = await readVersion(wanted);
    if (stored === null) throw new Error(`catalog version ${wanted} does not exist`);
    known.set(wanted, stored.catalog);
    return stored.catalog;
  };
  const meter = async (slug: string): Promise<Meter | null> => {
    const newest = await published();
    for (let at = newest.version; at > 0; at -= 1) {
      const found = (await version(at)).meters.find((candidate) => candidate.slug === slug);
      if (found !== undefined) return found;
    }
    return null;
  };
  return { published, version, meter };
}
