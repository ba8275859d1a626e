// The meters of all tenants at one version of the installation: each tenant's own, or the default's.
import type { MetersByType } from './meter-reading.ts';

export class TenantMeters {
  readonly defaults: MetersByType;
  readonly own: ReadonlyMap<string, MetersByType>;

  constructor(defaults: MetersByType, own: ReadonlyMap<string, MetersByType> = new Map<string, never>()) {
    this.defaults = defaults;
    this.own = own;
  }

  /** The same object for all tenants without meters of their own. */
  of(tenant: string): MetersByType {
    return this.own.get(tenant) ?? this.defaults;
  }
}

/**
 * Whose meters are others since some version. A tenant that is among them stays so, also where they become the same.
 */
export class ChangedMeters {
  private readonly tenants = new Set<string>();
  /** Those whom no change of the default's meters concerned; null: these did not change. */
  private apart: ReadonlyMap<string, MetersByType> | null = null;

  /** One version after another. Meters are the same where they are the same object. */
  add(before: TenantMeters, after: TenantMeters): void {
    for (const [tenant, meters] of after.own) if (meters !== before.of(tenant)) this.tenants.add(tenant);
    // Whoever has its own keeps having it, so the first change of the default's concerns most tenants.
    if (before.defaults !== after.defaults) this.apart ??= before.own;
  }

  has(tenant: string): boolean {
    return this.tenants.has(tenant) || (this.apart !== null && !this.apart.has(tenant));
  }
}
