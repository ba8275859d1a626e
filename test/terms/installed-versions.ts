// The versions of a history as those of one tenant of an installation: some are the default's before its first own, and
// between them stand versions that change other tenants alone, with other meters of the same slugs, other prices and
// another currency. To the tenant it is the same history.
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import { Random } from '../../domain/random.ts';
import { historyOf } from './histories.ts';
import type { SlowHistory } from './slow-model.ts';

/** Of another installation's histories. */
const OTHERS = 1_000_000_000;
const CURRENCY = 'EUR';

export interface InstalledHistory {
  readonly tenant: string;
  readonly history: SlowHistory;
  /** When some versions of the history are made, from the first on. */
  installed(made: readonly CatalogVersion[]): TenantVersions;
}

export function installedHistory(seed: number, tenant: string): InstalledHistory {
  const random = new Random(seed).fork('installed');
  const history = historyOf(seed);
  const others = historyOf(seed + OTHERS).versions;
  const ownFrom = random.int(0, history.versions.length);
  const defaults: CatalogVersion[] = [];
  const own = new Map<string, CatalogVersion[]>();
  const versions: CatalogVersion[] = [];
  let number = 0;
  const addOthers = (isOwn: boolean): void => {
    for (let count = random.below(3); count > 0; count--) {
      const { catalog, ...version } = random.pick(others);
      const meters = catalog.meters.map((meter) => ({ ...meter, window: '1d' as const }));
      const made = { ...version, version: ++number, catalog: { ...catalog, meters, currency: CURRENCY } };
      // Before its first own one a version of the default is the tenant's as well.
      if (isOwn && random.once(2)) defaults.push(made);
      else own.set('other', [...(own.get('other') ?? []), made]);
    }
  };
  for (const [i, version] of history.versions.entries()) {
    addOthers(i > ownFrom);
    const made = { ...version, version: ++number };
    versions.push(made);
    if (i < ownFrom) defaults.push(made);
    else own.set(tenant, [...(own.get(tenant) ?? []), made]);
  }
  addOthers(ownFrom < history.versions.length);
  const all = new TenantVersions(defaults, own);
  const installed = (made: readonly CatalogVersion[]): TenantVersions => {
    const next = versions[made.length]?.version ?? number + 1;
    return all.upTo(next - 1);
  };
  return { tenant, history: { ...history, versions }, installed };
}
