// The meters of a catalog version that the log or a seal names.

import type { CatalogVersion } from '../domain/catalog/catalog.ts';
import { type MetersByType, metersByType } from '../domain/metering/meter-reading.ts';

class MissingCatalog extends Error {
  override readonly name = 'MissingCatalog';
}

export class CatalogReader {
  private readonly read: (version: number) => Promise<CatalogVersion | null>;

  /** `read` gives a stored version, or null where there is none of that number. */
  constructor(read: (version: number) => Promise<CatalogVersion | null>) {
    this.read = read;
  }

  /** Throws a MissingCatalog where there is no such version: metering without it would decide differently. */
  async meters(version: number): Promise<MetersByType> {
    // Before the first catalog there are no meters.
    if (version === 0) return new Map();
    const stored = await this.read(version);
    if (stored === null) {
      throw new MissingCatalog(`catalog version ${version} is in the log but not in tallyline.catalog_versions`);
    }
    return metersByType(stored.catalog);
  }
}
