// The versions of the catalog that are in force, and what follows from them alone.
import type { CatalogVersion, Meter } from '../catalog/catalog.ts';
import { CatalogHistory } from '../terms/catalog-history.ts';
import { type BilledBy, billedBy } from './customer-records.ts';

/** The versions of the catalog that are in force, ascending, and what follows from them alone. */
export interface RatingCatalog {
  /** 0: there is none yet. */
  readonly version: number;
  readonly versions: readonly CatalogVersion[];
  readonly history: CatalogHistory;
  /** By slug, every meter there ever was: usage of one that the newest version does not have is still billed. */
  readonly meters: ReadonlyMap<string, Meter>;
  /** Whoever has no subscription. */
  readonly unsubscribed: BilledBy;
}

export function ratingCatalog(versions: readonly CatalogVersion[]): RatingCatalog {
  const history = new CatalogHistory(versions);
  return {
    version: versions.at(-1)?.version ?? 0,
    versions,
    history,
    unsubscribed: billedBy(history, []),
    meters: new Map(versions.flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter])),
  };
}

/** By version; null: that of the newest. */
export function currencyBy(versions: readonly CatalogVersion[]): (version: number | null) => string {
  const currencies = new Map(versions.map(({ version, catalog }) => [version, catalog.currency]));
  const known = (version: number | null) => (version === null ? undefined : currencies.get(version));
  return (version) => known(version) ?? versions.at(-1)!.catalog.currency;
}
