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
