// What aggregators and gateways read of catalogs, without Postgres: from versions in memory, which may grow.
import type { Catalog, CatalogVersion, Meter } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import type { PublishedMeters, VersionsAt } from '../../platform/catalog-store.ts';

/** Versions of the default, from 1 on. */
export const defaultVersions = (...catalogs: readonly Catalog[]): TenantVersions =>
  new TenantVersions(catalogs.map((catalog, i) => ({ version: i + 1, effectiveAt: 0, catalog })));

const allOf = (versions: TenantVersions): CatalogVersion[] => [
  ...versions.defaults,
  ...versions.tenants.flatMap((tenant) => [...versions.own(tenant)]),
];

/** Null where there is no such version. */
export function numbersAt(versions: TenantVersions, version: number): VersionsAt | null {
  if (!allOf(versions).some((each) => each.version === version)) return null;
  const newest = (of: readonly CatalogVersion[]) => of.findLast((each) => each.version <= version)?.version ?? 0;
  const own = versions.tenants.map((tenant) => [tenant, newest(versions.own(tenant))] as const);
  return { default: newest(versions.defaults), own: new Map(own.filter(([, number]) => number > 0)) };
}

export function metersAmong(versions: TenantVersions, numbers: readonly number[]): Map<number, readonly Meter[]> {
  const found = allOf(versions).filter(({ version }) => numbers.includes(version));
  return new Map(found.map(({ version, catalog }) => [version, catalog.meters]));
}

/** All of them are published. */
export const metersInMemory = (read: () => TenantVersions): PublishedMeters => ({
  publishedVersion: async () => read().newest,
  versionsAt: async (version) => numbersAt(read(), version),
  metersOf: async (numbers) => metersAmong(read(), numbers),
});
