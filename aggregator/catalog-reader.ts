// The meters of a catalog version. A version never changes once it is stored, so it is read once.
import type { CatalogVersion } from '../domain/catalog/catalog.ts';
import { type MetersByType, metersByType } from '../domain/metering/meter-reading.ts';

export class MissingCatalog extends Error {
  override readonly name = 'MissingCatalog';
}

export class CatalogReader {
  private readonly read: (version: number) => Promise<CatalogVersion | null>;
  private readonly versions = new Map<number, MetersByType>([[0, new Map()]]);

  /** `read` gives a stored version, or null where there is none of that number. */
  constructor(read: (version: number) => Promise<CatalogVersion | null>) {
    this.read = read;
  }

  /** Throws a MissingCatalog where there is no such version: metering without it would decide differently. */
  async meters(version: number): Promise<MetersByType> {
    const known = this.versions.get(version);
    if (known !== undefined) return known;
    const stored = await this.read(version);
    if (stored === null) {
      throw new MissingCatalog(`catalog version ${version} is in the log but not in tallyline.catalog_versions`);
    }
    const meters = metersByType(stored.catalog);
    this.versions.set(version, meters);
    return meters;
  }
}
