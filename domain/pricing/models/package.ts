// package: usage is sold in whole packages, a begun one included. No usage is no package, and neither is negative
// usage: a package is not bought back.

import { readDecimal, refuse } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';

export interface PackagePrice extends UsagePriceFields {
  readonly model: 'package';
  readonly packageSize: string;
  readonly packageAmount: string;
}

export const packaged: UsageModel<PackagePrice> = {
  schema: { packageSize: { $ref: '#/$defs/positiveDecimal' }, packageAmount: { $ref: '#/$defs/decimal' } },
  read(fields) {
    const packageSize = readDecimal(fields.packageSize);
    const packageAmount = readDecimal(fields.packageAmount);
    if (packageSize !== null && Decimal.parse(packageSize).compare(Decimal.zero) <= 0) {
      return refuse(fields.packageSize, `must be above zero, got "${packageSize}"`);
    }
    return packageSize === null || packageAmount === null ? null : { packageSize, packageAmount };
  },
  terms: ({ packageSize, packageAmount }) => ({ packageSize, packageAmount }),
  amount(cumulative, { packageSize, packageAmount }) {
    if (cumulative.compare(Decimal.zero) <= 0) return Decimal.zero;
    return new Decimal(cumulative.dividedUp(Decimal.parse(packageSize))).times(Decimal.parse(packageAmount));
  },
  // A begun package is charged whole, so the usage that fills it up is paid.
  isFree: (cumulative, { packageAmount }) =>
    cumulative.compare(Decimal.zero) <= 0 || Decimal.parse(packageAmount).isZero,
  carries: () => false,
};
