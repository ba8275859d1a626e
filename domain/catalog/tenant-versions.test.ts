import { expect, test } from '@jest/globals';
import { type CatalogVersion, emptyCatalog } from './catalog.ts';
import { TenantVersions } from './tenant-versions.ts';

const made = (...numbers: number[]): CatalogVersion[] =>
  numbers.map((version) => ({ version, effectiveAt: version, catalog: emptyCatalog }));
const numbersOf = (versions: readonly CatalogVersion[]): number[] => versions.map(({ version }) => version);

test('a tenant has the defaults before its first own version, and its own from there on', () => {
  const versions = new TenantVersions(made(1, 2, 4, 7), new Map([['acme', made(3, 6)]]));
  expect(numbersOf(versions.of('acme'))).toEqual([1, 2, 3, 6]);
  expect(numbersOf(versions.of('beta'))).toEqual([1, 2, 4, 7]);
  expect(versions.tenants).toEqual(['acme']);
});

test('the newest number is that of whoever has it, and 0 before the first', () => {
  expect(new TenantVersions(made(1), new Map([['acme', made(2)]])).newest).toBe(2);
  expect(new TenantVersions(made(1, 3), new Map([['acme', made(2)]])).newest).toBe(3);
  expect(new TenantVersions([]).newest).toBe(0);
});

test('tenants without a catalog of their own share the default', () => {
  const versions = new TenantVersions(made(1));
  expect(versions.of('one')).toBe(versions.of('other'));
});

test('at a number a tenant has the newest of its own that is not above it, and without one the newest default', () => {
  const versions = new TenantVersions(made(1, 2, 4, 5, 7), new Map([['acme', made(3, 6)]]));
  const had = (tenant: string) => [0, 1, 2, 3, 4, 5, 6, 7].map((number) => versions.at(tenant, number)?.version ?? 0);
  expect(had('acme')).toEqual([0, 1, 2, 3, 3, 3, 6, 6]);
  expect(had('beta')).toEqual([0, 1, 2, 2, 4, 5, 5, 7]);
  for (let number = 0; number <= 8; number++) {
    const then = versions.upTo(number);
    for (const tenant of ['acme', 'beta']) expect(then.of(tenant).at(-1) ?? null).toBe(versions.at(tenant, number));
    expect(then.newest).toBe(Math.min(number, 7));
    expect(then.tenants).toEqual(number < 3 ? [] : ['acme']);
  }
});

test('a version changes its tenant alone, and a default those that had no catalog of their own before it', () => {
  const versions = new TenantVersions(
    made(1, 4, 7),
    new Map([
      ['acme', made(3, 6)],
      ['beta', made(5)],
    ]),
  );
  const told = (number: number) =>
    versions
      .after(number)
      .map(({ version, tenants }) => [version.version, 'tenant' in tenants ? tenants.tenant : tenants.except]);
  expect(told(0)).toEqual([
    [1, []],
    [3, 'acme'],
    [4, ['acme']],
    [5, 'beta'],
    [6, 'acme'],
    [7, ['acme', 'beta']],
  ]);
  expect(told(6)).toEqual([[7, ['acme', 'beta']]]);
  expect(told(7)).toEqual([]);
  // Whom a version changes has it among its own.
  for (const { version, tenants } of versions.after(0))
    for (const tenant of ['acme', 'beta', 'gamma'])
      expect(versions.of(tenant).includes(version)).toBe(
        'tenant' in tenants ? tenants.tenant === tenant : !tenants.except.includes(tenant),
      );
});
