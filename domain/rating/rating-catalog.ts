// The versions of the catalog that are in force, and what follows from them alone: of one tenant, and of all.
import type { CatalogVersion, Meter } from '../catalog/catalog.ts';
import type { TenantVersions } from '../catalog/tenant-versions.ts';
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

/** The catalogs of all tenants at one version of the installation. */
export class RatingCatalogs {
  /** The greatest number of all; 0: there is none yet. */
  readonly version: number;
  private readonly versions: TenantVersions;
  private readonly byVersions = new Map<readonly CatalogVersion[], RatingCatalog>();

  constructor(versions: TenantVersions) {
    this.versions = versions;
    this.version = versions.newest;
  }

  /** Those that have a catalog of their own. */
  get tenants(): string[] {
    return this.versions.tenants;
  }

  /** Of whoever has no catalog of its own. */
  get default(): RatingCatalog {
    return this.by(this.versions.defaults);
  }

  /** The same object for all tenants that share the default. */
  of(tenant: string): RatingCatalog {
    return this.by(this.versions.of(tenant));
  }

  private by(versions: readonly CatalogVersion[]): RatingCatalog {
    const known = this.byVersions.get(versions) ?? ratingCatalog(versions);
    this.byVersions.set(versions, known);
    return known;
  }
}

/** By version; null: that of the newest. */
export function currencyBy(versions: readonly CatalogVersion[]): (version: number | null) => string {
  const currencies = new Map(versions.map(({ version, catalog }) => [version, catalog.currency]));
  const known = (version: number | null) => (version === null ? undefined : currencies.get(version));
  return (version) => known(version) ?? versions.at(-1)!.catalog.currency;
}
