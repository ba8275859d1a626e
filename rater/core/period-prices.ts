// The prices of a billing period, as its pinned catalog version defines them.
import type { PeriodTerms } from '../../domain/billing/billing-period-terms.ts';
import type { CatalogVersion, Meter, Price } from '../../domain/catalog/catalog.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';

export interface PricedInPeriod {
  readonly price: Price;
  /** Null for a price of the period itself. */
  readonly meter: Meter | null;
  readonly plan: string;
  readonly catalogVersion: number;
  readonly currency: string;
}

/** By slug, every meter there ever was: a pinned price may be for one that the newest catalog does not have. */
export const metersOf = (versions: readonly CatalogVersion[]): ReadonlyMap<string, Meter> =>
  new Map(versions.flatMap(({ catalog }) => catalog.meters).map((meter) => [meter.slug, meter]));

/** Throws where the pinned version or its plan is unknown: money can't be computed from what isn't there. */
export function periodPrices(
  versions: readonly CatalogVersion[],
  terms: Pick<PeriodTerms, 'plan' | 'catalogVersion'>,
): PricedInPeriod[] {
  const catalog = versions.find((version) => version.version === terms.catalogVersion)?.catalog;
  const plan = catalog?.plans.find((candidate) => candidate.slug === terms.plan);
  if (catalog === undefined || plan === undefined) {
    throw new RangeError(
      `catalog version ${terms.catalogVersion} has no plan ${terms.plan}, which a billing period is pinned to`,
    );
  }
  return plan.prices.map((price) => ({
    price,
    meter: isUsagePrice(price) ? meterOf(catalog.meters, price.meter, price.slug) : null,
    plan: plan.slug,
    catalogVersion: terms.catalogVersion,
    currency: catalog.currency,
  }));
}

function meterOf(meters: readonly Meter[], slug: string, price: string): Meter {
  const meter = meters.find((candidate) => candidate.slug === slug);
  if (meter === undefined) throw new RangeError(`price ${price}: the catalog has no meter ${slug}`);
  return meter;
}
