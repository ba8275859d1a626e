// package: usage is sold in whole packages, a begun one included. No usage is no package, and neither is negative usage:
// a package is not bought back.
import { Decimal } from '../../../domain/decimal.ts';
import type { Pricer } from './pricer.ts';

export const packaged: Pricer<'package'> = (cumulative, { packageSize, packageAmount }) => {
  if (cumulative.compare(Decimal.zero) <= 0) return Decimal.zero;
  return new Decimal(cumulative.dividedUp(Decimal.parse(packageSize))).times(Decimal.parse(packageAmount));
};
