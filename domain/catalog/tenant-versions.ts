// Whose catalog each version is. A version's number is one for the installation and rises; each version is a catalog of
// one tenant, or the default. A tenant's versions are the defaults before its first own one, and its own from there on:
// at version v it has the newest of its own that is not above v, and without one the newest default that is not.
import type { CatalogVersion } from './catalog.ts';

export class TenantVersions {
  /** Of the default catalog, ascending. */
  readonly defaults: readonly CatalogVersion[];
  /** By tenant, ascending; never empty. */
  private readonly byTenant: ReadonlyMap<string, readonly CatalogVersion[]>;
  private readonly known = new Map<string, readonly CatalogVersion[]>();

  constructor(
    defaults: readonly CatalogVersion[],
    own: ReadonlyMap<string, readonly CatalogVersion[]> = new Map<string, never>(),
  ) {
    this.defaults = defaults;
    this.byTenant = own;
  }

  /** Those that have a catalog of their own. */
  get tenants(): string[] {
    return [...this.byTenant.keys()];
  }

  /** Those that a tenant made itself, ascending; empty: it has the default. */
  own(tenant: string): readonly CatalogVersion[] {
    return this.byTenant.get(tenant) ?? [];
  }

  /** The greatest number of all; 0: there is no version. */
  get newest(): number {
    return Math.max(0, ...[this.defaults, ...this.byTenant.values()].map((versions) => versions.at(-1)?.version ?? 0));
  }

  /** All that a tenant has had, ascending. The same array for all tenants without a catalog of their own. */
  of(tenant: string): readonly CatalogVersion[] {
    const own = this.byTenant.get(tenant);
    if (own === undefined) return this.defaults;
    const known = this.known.get(tenant) ?? [
      ...this.defaults.filter(({ version }) => version < own[0]!.version),
      ...own,
    ];
    this.known.set(tenant, known);
    return known;
  }
}
