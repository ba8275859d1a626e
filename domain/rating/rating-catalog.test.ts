import { describe, expect, it } from '@jest/globals';
import { type Catalog, type CatalogVersion, emptyCatalog, type Meter } from '../catalog/catalog.ts';
import { TenantVersions } from '../catalog/tenant-versions.ts';
import { isNoSpan, meterSpans } from './meter-spans.ts';
import { RatingCatalogs } from './rating-catalog.ts';

const meter = (slug: string, window: Meter['window']): Meter => ({
  ...{ slug, window, eventType: 'e', aggregation: 'count', valuePath: null, required: false, dimensions: [] },
});
const made = (version: number, meters: readonly Meter[], more: Partial<Catalog> = {}): CatalogVersion => ({
  ...{ version, effectiveAt: version, catalog: { ...emptyCatalog, meters, ...more } },
});

describe('catalogs of tenants', () => {
  const versions = new TenantVersions(
    [made(1, [meter('calls', '1h')]), made(4, [meter('calls', '1h')])],
    new Map([['acme', [made(3, [meter('calls', '1d')], { currency: 'EUR' })]]]),
  );

  it('are one object for all tenants with the default', () => {
    const catalogs = new RatingCatalogs(versions);
    expect(catalogs.of('beta')).toBe(catalogs.of('gamma'));
    expect(catalogs.of('beta')).toBe(catalogs.default);
    expect(catalogs.of('beta').unsubscribed).toBe(catalogs.of('gamma').unsubscribed);
    expect(catalogs.of('acme')).not.toBe(catalogs.default);
    expect(catalogs.all).toEqual([catalogs.default, catalogs.of('acme')]);
  });

  it('say meters and currencies by tenant, of older versions too', () => {
    const catalogs = new RatingCatalogs(versions);
    expect(catalogs.of('acme').meters.get('calls')!.window).toBe('1d');
    expect(catalogs.of('beta').meters.get('calls')!.window).toBe('1h');
    expect([1, 3, null].map((version) => catalogs.of('acme').currencyOf(version))).toEqual(['USD', 'EUR', 'EUR']);
  });

  it('number what a tenant had by its own versions', () => {
    const catalogs = new RatingCatalogs(versions);
    expect([0, 1, 2, 3, 4, 5].map((number) => catalogs.of('acme').numberAt(number))).toEqual([0, 1, 1, 3, 3, 3]);
    expect([0, 1, 2, 3, 4, 5].map((number) => catalogs.default.numberAt(number))).toEqual([0, 1, 1, 1, 4, 4]);
    expect(catalogs.version).toBe(4);
  });

  it('keep what is known of those that another version leaves as they are', () => {
    const before = new RatingCatalogs(versions.upTo(3));
    const after = new RatingCatalogs(versions, before);
    expect(after.of('acme')).toBe(before.of('acme'));
    expect(after.default).not.toBe(before.default);
    expect(after.default.version).toBe(4);
    const first = new RatingCatalogs(versions.upTo(2), after);
    expect(first.of('acme')).toBe(first.default);
    expect(first.default.version).toBe(1);
  });
});

describe('spans of meters', () => {
  const hours = { '1h': 1, '1d': 24 } as Readonly<Record<string, number>>;
  const span = ({ window }: Meter) => ({ from: 0, to: hours[window]! });

  it('name a tenant only with meters that close otherwise than those of the default', () => {
    const versions = new TenantVersions(
      [made(1, [meter('calls', '1h'), meter('days', '1d')])],
      new Map([
        ['same', [made(2, [meter('calls', '1h'), meter('days', '1d')], { currency: 'EUR' })]],
        ['acme', [made(3, [meter('calls', '1d'), meter('own', '1h')])]],
      ]),
    );
    expect(meterSpans(new RatingCatalogs(versions), span)).toEqual({
      all: [
        { meter: 'calls', from: 0, to: 1 },
        { meter: 'days', from: 0, to: 24 },
      ],
      own: [
        { tenant: 'acme', meter: 'calls', from: 0, to: 24 },
        { tenant: 'acme', meter: 'own', from: 0, to: 1 },
      ],
    });
  });

  it('name a tenant with nothing where only the default has something', () => {
    const versions = new TenantVersions(
      [made(1, [meter('calls', '1h')])],
      new Map([['acme', [made(2, [meter('calls', '1d')])]]]),
    );
    const spans = meterSpans(new RatingCatalogs(versions), ({ window }) =>
      window === '1h' ? { from: 3, to: 4 } : { from: 0, to: 0 },
    );
    expect(spans).toEqual({
      all: [{ meter: 'calls', from: 3, to: 4 }],
      own: [{ tenant: 'acme', meter: 'calls', from: 0, to: 0 }],
    });
    expect(isNoSpan(spans)).toBe(false);
    expect(isNoSpan({ ...spans, all: [] })).toBe(true);
  });

  it('are asked for by catalog, so that one that is new for a tenant alone is looked at again for it alone', () => {
    const versions = new TenantVersions(
      [made(1, [meter('calls', '1h')])],
      new Map([['acme', [made(2, [meter('calls', '1h')])]]]),
    );
    const spans = meterSpans(new RatingCatalogs(versions), (_, { version }) => ({
      from: version === 2 ? 0 : 5,
      to: 6,
    }));
    expect(spans.all).toEqual([{ meter: 'calls', from: 5, to: 6 }]);
    expect(spans.own).toEqual([{ tenant: 'acme', meter: 'calls', from: 0, to: 6 }]);
  });
});
