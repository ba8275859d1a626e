// Which windows a step looks for, by tenant and meter.
import { describe, expect, it } from '@jest/globals';
import { type CatalogVersion, emptyCatalog, type Meter } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { WindowSelection } from '../../platform/usage-store/rollup-windows.ts';
import { aMeter } from '../../test/support/a-meter.ts';
import { earliestClosing, readTouchedWindows, type TouchedQuery } from './touched-usage.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const made = (version: number, window: Meter['window'], more: Partial<CatalogVersion> = {}): CatalogVersion => ({
  ...{ version, effectiveAt: 0, catalog: { ...emptyCatalog, meters: [aMeter('calls', { window })] } },
  ...more,
});

async function lookedFor(versions: TenantVersions, from: TouchedQuery['from'], to: TouchedQuery['to']) {
  const selections: WindowSelection[] = [];
  const store = {
    readAssigned: async () => [],
    async *streamWindows(selection: WindowSelection) {
      selections.push(selection);
      yield [];
    },
  };
  const query = { catalogs: new RatingCatalogs(versions), from, to, recountRuns: [] };
  await readTouchedWindows(store, query, new Set([0]), 10);
  return selections;
}

const nothingNew = { sealVector: {} };

describe('the windows that a step closes', () => {
  const versions = new TenantVersions([made(1, '1h')], new Map([['acme', [made(2, '1d')]]]));
  const from = { ...nothingNew, closedUpTo: 5 * HOUR, catalogVersion: 2 };

  it('are those of each tenant’s own meter', async () => {
    expect(await lookedFor(versions, from, { ...nothingNew, closedUpTo: 7 * HOUR })).toEqual([
      {
        spans: {
          all: [{ meter: 'calls', from: 5 * HOUR, to: 7 * HOUR }],
          own: [{ tenant: 'acme', meter: 'calls', from: 0, to: 0 }],
        },
        chunks: null,
      },
    ]);
    expect(await lookedFor(versions, { ...from, closedUpTo: DAY - HOUR }, { ...nothingNew, closedUpTo: DAY })).toEqual([
      {
        spans: {
          all: [{ meter: 'calls', from: DAY - HOUR, to: DAY }],
          own: [{ tenant: 'acme', meter: 'calls', from: 0, to: DAY }],
        },
        chunks: null,
      },
    ]);
    expect(earliestClosing({ catalogs: new RatingCatalogs(versions), from })).toBe(0);
  });

  it('are none where nobody’s closes', async () => {
    expect(await lookedFor(versions, from, { ...nothingNew, closedUpTo: 5 * HOUR + 1 })).toEqual([]);
  });

  it('are those of closed items in chunks that are new', async () => {
    const sealVector = { '1': { '0': 3 } };
    const [, grown] = await lookedFor(versions, from, { sealVector, closedUpTo: DAY });
    expect(grown!.chunks).toEqual([{ generation: 1, partition: 0, fromChunk: 0, toChunk: 3 }]);
    // An hour and a day end together: then it is the same for all.
    expect(grown!.spans).toEqual({ all: [{ meter: 'calls', from: 0, to: DAY }], own: [] });
  });
});

it('are not told where they are more than are to be held in memory', async () => {
  const store = {
    readAssigned: async () => [],
    async *streamWindows() {
      yield Array.from({ length: 9 }, (_, i) => ({ tenant: 'acme', subject: `s${i}`, windowStart: 0 }));
    },
  };
  const versions = new TenantVersions([made(1, '1h')]);
  const query = {
    ...{
      catalogs: new RatingCatalogs(versions),
      recountRuns: [],
      from: { ...nothingNew, closedUpTo: 0, catalogVersion: 1 },
    },
    to: { ...nothingNew, closedUpTo: HOUR },
  };
  const all = new Set(Array.from({ length: 64 }, (_, shard) => shard));
  expect(await readTouchedWindows(store, query, all, 8)).toBeNull();
  expect((await readTouchedWindows(store, query, all, 9))?.get('acme')?.size).toBe(9);
});

describe('windows that closed before a version was met', () => {
  const to = { ...nothingNew, closedUpTo: 9 * HOUR };

  it('are looked at again for the tenant whose version it is', async () => {
    const own = new Map([['acme', [made(2, '1h', { closedUpTo: 3 * HOUR })]]]);
    const from = { ...nothingNew, closedUpTo: 8 * HOUR, catalogVersion: 1 };
    const [closing] = await lookedFor(new TenantVersions([made(1, '1h')], own), from, to);
    expect(closing!.spans).toEqual({
      all: [{ meter: 'calls', from: 8 * HOUR, to: 9 * HOUR }],
      own: [{ tenant: 'acme', meter: 'calls', from: 3 * HOUR, to: 9 * HOUR }],
    });
  });

  it('are looked at again for all others by a version of the default', async () => {
    const defaults = [made(1, '1h'), made(3, '1h', { closedUpTo: 4 * HOUR })];
    const own = new Map([['acme', [made(2, '1h', { closedUpTo: 0 })]]]);
    const from = { ...nothingNew, closedUpTo: 8 * HOUR, catalogVersion: 2 };
    const [closing] = await lookedFor(new TenantVersions(defaults, own), from, to);
    expect(closing!.spans).toEqual({
      all: [{ meter: 'calls', from: 4 * HOUR, to: 9 * HOUR }],
      own: [{ tenant: 'acme', meter: 'calls', from: 8 * HOUR, to: 9 * HOUR }],
    });
  });
});
