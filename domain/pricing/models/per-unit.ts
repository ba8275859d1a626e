// per_unit: every unit costs the same. Negative usage (a meter may be corrected below zero) is credited at the same
// rate.

import { readDecimal } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';

export interface PerUnitPrice extends UsagePriceFields {
  readonly model: 'per_unit';
  readonly unitAmount: string;
}

export const perUnit: UsageModel<PerUnitPrice> = {
  schema: { unitAmount: { $ref: '#/$defs/decimal' } },
  read(fields) {
    const unitAmount = readDecimal(fields.unitAmount);
    return unitAmount === null ? null : { unitAmount };
  },
  terms: ({ unitAmount }) => ({ unitAmount }),
  amount: (cumulative, { unitAmount }) => cumulative.times(Decimal.parse(unitAmount)),
  isFree: (_, { unitAmount }) => Decimal.parse(unitAmount).isZero,
  carries: () => true,
};
