// The meters of a catalog version. A version never changes once it is stored, so it is read once.
import type pg from 'pg';
import { type MetersByType, metersByType } from '../domain/meter-reading.ts';
import { catalogVersion } from '../platform/catalog-store.ts';

export class CatalogReader {
  private readonly pool: pg.Pool;
  private readonly versions = new Map<number, MetersByType>([[0, new Map()]]);

  constructor(pool: pg.Pool) {
    this.pool = pool;
  }

  /** Throws where the log names a version that Postgres does not have: metering without it would decide differently. */
  async meters(version: number): Promise<MetersByType> {
    const known = this.versions.get(version);
    if (known !== undefined) return known;
    const stored = await catalogVersion(this.pool, version);
    if (stored === null) {
      throw new MissingCatalog(`catalog version ${version} is in the log but not in tallyline.catalog_versions`);
    }
    const meters = metersByType(stored.catalog);
    this.versions.set(version, meters);
    return meters;
  }
}

export class MissingCatalog extends Error {
  override readonly name = 'MissingCatalog';
}
