// cost_plus: the event brings what it cost, the meter adds the costs up, and the customer pays them times a factor: 1.2
// is a mark-up of a fifth. What is taken back of a cost is credited by the same factor.

import { readDecimal } from '../../fields/catalog-fields.ts';
import { Decimal } from '../../number/decimal.ts';
import type { UsageModel, UsagePriceFields } from '../price-model.ts';

export interface CostPlusPrice extends UsagePriceFields {
  readonly model: 'cost_plus';
  readonly factor: string;
}

export const costPlus: UsageModel<CostPlusPrice> = {
  schema: { factor: { $ref: '#/$defs/decimal' } },
  read(fields) {
    const factor = readDecimal(fields.factor);
    return factor === null ? null : { factor };
  },
  terms: ({ factor }) => ({ factor }),
  amount: (cumulative, { factor }) => cumulative.times(Decimal.parse(factor)),
  isFree: (_, { factor }) => Decimal.parse(factor).isZero,
  carries: () => true,
};
