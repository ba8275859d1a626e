// tiered_package: usage is sold in whole packages, and each tier has its own: up to 10,000 in packages of 1,000 at 5,
// above that in packages of 5,000 at 20. The units of a tier are packed by themselves, so a begun package at the end of
// a tier is charged whole and the next tier begins with a package of its own. No usage is no package, and neither is
// negative usage.
import { readDecimal, refuse } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';
import {
  type BoundedTier,
  boundedTiersSchema,
  boundedTiersText,
  readBoundedTiers,
  sumOfTiers,
  tierAt,
} from '../tiers/bounded-tiers.ts';

interface PackageTier extends BoundedTier {
  readonly packageSize: string;
  readonly packageAmount: string;
}

export interface TieredPackagePrice extends UsagePriceFields {
  readonly model: 'tiered_package';
  readonly tiers: readonly PackageTier[];
}

export const tieredPackage: UsageModel<TieredPackagePrice> = {
  schema: boundedTiersSchema({
    required: ['packageSize', 'packageAmount'],
    properties: { packageSize: { $ref: '#/$defs/positiveDecimal' }, packageAmount: { $ref: '#/$defs/decimal' } },
  }),
  read: ({ tiers }) =>
    readBoundedTiers(tiers, ['packageSize', 'packageAmount'], (fields) => {
      const packageSize = readDecimal(fields.packageSize);
      const packageAmount = readDecimal(fields.packageAmount);
      if (packageSize !== null && Decimal.parse(packageSize).compare(Decimal.zero) <= 0)
        return refuse(fields.packageSize, `must be above zero, got "${packageSize}"`);
      return packageSize === null || packageAmount === null ? null : { packageSize, packageAmount };
    }),
  terms: ({ tiers }) => ({
    tiers: boundedTiersText(tiers, ({ packageSize, packageAmount }) => `${packageAmount} for each ${packageSize}`),
  }),
  amount: (cumulative, { tiers }) =>
    sumOfTiers(tiers, cumulative, (units, { packageSize, packageAmount }) =>
      new Decimal(units.dividedUp(Decimal.parse(packageSize))).times(Decimal.parse(packageAmount)),
    ),
  // A begun package is charged whole, so the usage that fills it up is paid.
  isFree: (cumulative, { tiers }) =>
    cumulative.compare(Decimal.zero) <= 0 || Decimal.parse(tierAt(tiers, cumulative).packageAmount).isZero,
  carries: () => false,
};
