import { describe, expect, it } from '@jest/globals';
import { type CatalogVersion, emptyCatalog } from '../domain/catalog/catalog.ts';
import { TenantVersions } from '../domain/catalog/tenant-versions.ts';
import { aMeter } from '../test/support/a-meter.ts';
import { metersInMemory } from '../test/support/stored-meters.ts';
import { CatalogReader } from './catalog-reader.ts';

/** A catalog whose one meter reads events of a type; its number is that of the version. */
const version = (number: number, eventType: string): CatalogVersion => ({
  version: number,
  effectiveAt: 0,
  catalog: { ...emptyCatalog, meters: [aMeter('calls', { eventType, aggregation: 'count', valuePath: null })] },
});

function setUp(defaults: readonly CatalogVersion[], own: Readonly<Record<string, CatalogVersion[]>> = {}) {
  const stored = metersInMemory(() => new TenantVersions(defaults, new Map(Object.entries(own))));
  const read: number[] = [];
  const reader = new CatalogReader({
    ...stored,
    metersOf(numbers) {
      read.push(...numbers);
      return stored.metersOf(numbers);
    },
  });
  const typesOf = async (number: number, tenant: string): Promise<string[]> => [
    ...(await reader.meters(number)).of(tenant).keys(),
  ];
  return { reader, read, typesOf };
}

describe('the meters at a version', () => {
  it('are of each tenant those of its newest version, or of the newest default, that is not above it', async () => {
    const { typesOf } = setUp([version(2, 'a'), version(4, 'b')], { t: [version(1, 'own'), version(3, 'next')] });
    const told = [1, 2, 3, 4].map(async (number) => [await typesOf(number, 't'), await typesOf(number, 'u')].flat());
    expect(await Promise.all(told)).toEqual([['own'], ['own', 'a'], ['next', 'a'], ['next', 'b']]);
    expect(await typesOf(0, 't')).toEqual([]);
  });

  it('of a number that was never stored are an error', async () => {
    const { reader } = setUp([version(1, 'a')]);
    await expect(reader.meters(2)).rejects.toThrow('catalog version 2 is in the log but not in');
    expect((await reader.meters(1)).of('t').size).toBe(1);
  });

  it('are the same object where they say the same, in whatever version and of whichever tenant', async () => {
    const { reader } = setUp([version(1, 'a'), version(3, 'a'), version(5, 'b')], { t: [version(2, 'a')] });
    const [first, ...more] = await Promise.all([1, 2, 3, 5].map((number) => reader.meters(number)));
    for (const meters of more) expect(meters.of('t')).toBe(first!.of('t'));
    expect(more.map((meters) => meters.of('u') === first!.of('u'))).toEqual([true, true, false]);
  });

  it('are read once for all partitions, and only what is new of another version', async () => {
    const { reader, read } = setUp([version(1, 'a'), version(4, 'b')], { t: [version(2, 'x')], u: [version(3, 'y')] });
    await Promise.all([3, 3, 4, 3, 4].map((number) => reader.meters(number)));
    expect(read.sort()).toEqual([1, 2, 3, 4]);
  });

  it('are kept of the few versions that were asked for last', async () => {
    const many = Array.from({ length: 12 }, (_, i) => version(i + 1, `type ${i}`));
    const { reader, read } = setUp(many);
    for (const { version: number } of many) await reader.meters(number);
    await reader.meters(12);
    expect(read).toHaveLength(12);
    await reader.meters(1);
    expect(read).toHaveLength(13);
  });
});
