// flat: one amount a period, whatever is used.

import { readDecimal } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { PeriodModel, PriceFields } from '../price-model.ts';

export interface FlatPrice extends PriceFields {
  readonly model: 'flat';
  readonly flatAmount: string;
}

export const flat: PeriodModel<FlatPrice> = {
  schema: { flatAmount: { $ref: '#/$defs/decimal' } },
  read(fields) {
    const flatAmount = readDecimal(fields.flatAmount);
    return flatAmount === null ? null : { flatAmount };
  },
  terms: ({ flatAmount }) => ({ flatAmount }),
  amount: ({ flatAmount }) => Decimal.parse(flatAmount),
};
