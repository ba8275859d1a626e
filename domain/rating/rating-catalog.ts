// The versions of the catalog that are in force, and what follows from them alone: of one tenant, and of all. It is
// found when it is first asked for: a tenant with a catalog of its own may have nothing to be rated for days.
import { type Catalog, type CatalogVersion, emptyCatalog, type Meter } from '../catalog/catalog.ts';
import type { TenantVersions } from '../catalog/tenant-versions.ts';
import { CatalogHistory } from '../terms/catalog-history.ts';
import { type BilledBy, billedBy } from './billed-by.ts';

/** The versions that a tenant has had up to the newest in force, ascending, and what follows from them alone. */
export class RatingCatalog {
  readonly versions: readonly CatalogVersion[];
  /** 0: there is none yet. */
  readonly version: number;
  private told: CatalogHistory | null = null;
  private ofUnsubscribed: BilledBy | null = null;
  private bySlug: ReadonlyMap<string, Meter> | null = null;
  private currencies: ReadonlyMap<number, string> | null = null;

  constructor(versions: readonly CatalogVersion[]) {
    this.versions = versions;
    this.version = versions.at(-1)?.version ?? 0;
  }

  get newest(): Catalog {
    return this.versions.at(-1)?.catalog ?? emptyCatalog;
  }

  get history(): CatalogHistory {
    this.told ??= new CatalogHistory(this.versions);
    return this.told;
  }

  /** By slug, every meter there ever was: usage of one that the newest version does not have is still billed. */
  get meters(): ReadonlyMap<string, Meter> {
    this.bySlug ??= new Map(
      this.versions.flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter] as const),
    );
    return this.bySlug;
  }

  /** Whoever has no subscription. */
  get unsubscribed(): BilledBy {
    this.ofUnsubscribed ??= billedBy(this.history, []);
    return this.ofUnsubscribed;
  }

  /** The number of what held at a number of the installation, which may be another tenant's version. */
  numberAt(installed: number): number {
    return this.versions.findLast(({ version }) => version <= installed)?.version ?? 0;
  }

  /** Of a version; null: of the newest. */
  currencyOf(version: number | null): string {
    this.currencies ??= new Map(this.versions.map((each) => [each.version, each.catalog.currency]));
    return this.currencies.get(version ?? this.version) ?? this.newest.currency;
  }
}

/** Which catalog a tenant has. */
export interface CatalogsByTenant {
  of(tenant: string): RatingCatalog;
}

/** The catalogs of all tenants at one version of the installation. */
export class RatingCatalogs implements CatalogsByTenant {
  /** The greatest number of all; 0: there is none yet. */
  readonly version: number;
  readonly versions: TenantVersions;
  /** Of whoever has no catalog of its own. */
  readonly default: RatingCatalog;
  /** By tenant, of those that have one of their own. */
  readonly own: ReadonlyMap<string, RatingCatalog>;

  /** `before`: what is known of catalogs that are still the same is taken from there. */
  constructor(versions: TenantVersions, before: RatingCatalogs | null = null) {
    this.versions = versions;
    this.version = versions.newest;
    // A version is one tenant's, or the default's, and never changes: what ends with the same one is the same.
    const known = new Map((before?.all ?? []).map((catalog) => [catalog.version, catalog]));
    const by = (of: readonly CatalogVersion[]) => known.get(of.at(-1)?.version ?? 0) ?? new RatingCatalog(of);
    this.default = by(versions.defaults);
    this.own = new Map(versions.tenants.map((tenant) => [tenant, by(versions.of(tenant))]));
  }

  /** Each once. */
  get all(): RatingCatalog[] {
    return [this.default, ...this.own.values()];
  }

  /** The same object for all tenants that share the default. */
  of(tenant: string): RatingCatalog {
    return this.own.size === 0 ? this.default : (this.own.get(tenant) ?? this.default);
  }
}

/**
 * What is in force at a version of the installation. What is known is kept: it is read again only where that is another
 * version.
 */
export async function catalogsAt(
  known: RatingCatalogs,
  version: number,
  readVersions: () => Promise<TenantVersions>,
): Promise<RatingCatalogs> {
  return known.version === version ? known : new RatingCatalogs((await readVersions()).upTo(version), known);
}
