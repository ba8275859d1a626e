// The meters of all tenants at a version that the log or a seal names. What it keeps are the meters in force at the few
// versions that were asked for last, each set of meters once, however many tenants and versions have it: by that
// whoever counts tells whose meters a version leaves as they are.
import type { Meter } from '../domain/catalog/catalog.ts';
import { type MetersByType, metersByType } from '../domain/metering/meter-reading.ts';
import { TenantMeters } from '../domain/metering/tenant-meters.ts';
import type { StoredMeters } from '../platform/catalog-store.ts';

/** Partitions may be at different versions for as long as it takes to read what lies between them. */
const VERSIONS_KEPT = 8;
/** Catalogs of which the meters are read at once. */
const CATALOGS_MAX = 200;

class MissingCatalog extends Error {
  override readonly name = 'MissingCatalog';

  constructor(version: number) {
    super(`catalog version ${version} is in the log but not in tallyline.catalog_versions or tenant_catalog_versions`);
  }
}

/** Meters, and a text that is the same for meters that count the same. */
interface NamedMeters {
  readonly meters: MetersByType;
  readonly text: string;
}

interface KeptVersion {
  readonly tenants: TenantMeters;
  readonly byNumber: ReadonlyMap<number, NamedMeters>;
}

/** In one order of types; that of the meters of a type says something. */
function named(list: readonly Meter[]): NamedMeters {
  const meters = metersByType({ meters: list });
  return { meters, text: JSON.stringify([...meters].sort(([one], [other]) => (one < other ? -1 : 1))) };
}

// Before the first catalog there are no meters.
const nothing = named([]);
const none = new TenantMeters(nothing.meters);

export class CatalogReader {
  private readonly stored: StoredMeters;
  /** The one that was asked for last is the last. */
  private readonly kept = new Map<number, KeptVersion>();
  private reading: Promise<unknown> = Promise.resolve();

  constructor(stored: StoredMeters) {
    this.stored = stored;
  }

  /** Throws a MissingCatalog where there is no such version: metering without it would decide differently. */
  async meters(version: number): Promise<TenantMeters> {
    if (version === 0) return none;
    // One after the other: all partitions meet a new version at about the same time.
    const found = this.reading.then(() => this.find(version));
    this.reading = found.catch(() => {});
    return found;
  }

  private async find(version: number): Promise<TenantMeters> {
    const found = this.kept.get(version) ?? (await this.read(version));
    this.kept.delete(version);
    this.kept.set(version, found);
    if (this.kept.size > VERSIONS_KEPT) this.kept.delete(this.kept.keys().next().value!);
    return found.tenants;
  }

  private async read(version: number): Promise<KeptVersion> {
    const at = await this.stored.versionsAt(version);
    if (at === null) throw new MissingCatalog(version);
    const known = new Map([[0, nothing]]);
    for (const { byNumber } of this.kept.values()) for (const [number, each] of byNumber) known.set(number, each);
    const numbers = [...new Set([at.default, ...at.own.values()])];
    await this.readMissing(numbers, known);
    const byNumber = new Map(numbers.map((number) => [number, known.get(number)!]));
    const metersOf = (number: number): MetersByType => byNumber.get(number)!.meters;
    const own = new Map([...at.own].map(([tenant, number]) => [tenant, metersOf(number)]));
    return { tenants: new TenantMeters(metersOf(at.default), own), byNumber };
  }

  /** Adds those of `numbers` that are missing. */
  private async readMissing(numbers: readonly number[], known: Map<number, NamedMeters>): Promise<void> {
    const missing = numbers.filter((number) => !known.has(number));
    const byText = new Map([...known.values()].map((each) => [each.text, each]));
    for (let from = 0; from < missing.length; from += CATALOGS_MAX) {
      const page = missing.slice(from, from + CATALOGS_MAX);
      const found = await this.stored.metersOf(page);
      for (const number of page) {
        const meters = found.get(number);
        if (meters === undefined) throw new MissingCatalog(number);
        const read = named(meters);
        known.set(number, byText.get(read.text) ?? read);
        byText.set(read.text, known.get(number)!);
      }
    }
  }
}
