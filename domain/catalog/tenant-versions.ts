// Whose catalog each version is. A version's number is one for the installation and rises; each version is a catalog of
// one tenant, or the default. A tenant's versions are the defaults before its first own one, and its own from there on:
// at version v it has the newest of its own that is not above v, and without one the newest default that is not.
import type { CatalogVersion } from './catalog.ts';

/** Whose catalog a version changes: one tenant's, or that of all but those that had their own before it. */
export type TenantsOfVersion = { readonly tenant: string } | { readonly except: readonly string[] };

export interface VersionOfTenants {
  readonly version: CatalogVersion;
  readonly tenants: TenantsOfVersion;
}

const notAbove = (versions: readonly CatalogVersion[], number: number): readonly CatalogVersion[] =>
  versions.filter(({ version }) => version <= number);

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

  /** What a tenant has at a number; null: nothing yet. */
  at(tenant: string, number: number): CatalogVersion | null {
    return this.of(tenant).findLast(({ version }) => version <= number) ?? null;
  }

  /** As they were when a number was the newest. */
  upTo(number: number): TenantVersions {
    const own = [...this.byTenant].map(([tenant, versions]) => [tenant, notAbove(versions, number)] as const);
    return new TenantVersions(
      notAbove(this.defaults, number),
      new Map(own.filter(([, versions]) => versions.length > 0)),
    );
  }

  /** Those above a number, ascending. */
  after(number: number): VersionOfTenants[] {
    const isAfter = ({ version }: CatalogVersion): boolean => version > number;
    const own = [...this.byTenant].flatMap(([tenant, versions]) =>
      versions.filter(isAfter).map((version) => ({ version, tenants: { tenant } })),
    );
    const defaults = this.defaults.filter(isAfter).map((version) => ({
      version,
      tenants: {
        except: [...this.byTenant].flatMap(([tenant, [first]]) => (first!.version < version.version ? tenant : [])),
      },
    }));
    return [...own, ...defaults].sort((a, b) => a.version.version - b.version.version);
  }
}
