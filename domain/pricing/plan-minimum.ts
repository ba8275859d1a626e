// The minimum of a plan: how it is read and told. What it comes to is `around/charge.ts`, and who owes it when is
// `domain/rating/minimums.ts`.
import { type Field, readMap } from '../fields/catalog-fields.ts';
import type { JsonSchema } from '../fields/definition-form.ts';
import { readPositive } from './around/around-price.ts';
import { everySchema, lengthWords, readEvery } from './choice-fields.ts';
import type { PlanMinimum } from './parts.ts';
import { priceDefaults } from './price-choices.ts';

export const planMinimumSchema: JsonSchema = {
  type: 'object',
  required: ['amount'],
  additionalProperties: false,
  properties: { amount: { $ref: '#/$defs/positiveDecimal' }, every: everySchema },
  description:
    'The least that its prices with periods of that length, fees too, come to together: what is missing is charged at the end.',
};

/** Null after it has said what is wrong. */
export function readPlanMinimum(field: Field): PlanMinimum | null {
  const fields = readMap(field, ['amount', 'every']);
  if (fields === null) return null;
  const amount = readPositive(fields.amount);
  const every = readEvery(fields.every);
  return amount === null || every === null ? null : { amount, ...every };
}

export const planMinimumText = ({ amount, every = priceDefaults.every }: PlanMinimum): string =>
  `${amount} every ${lengthWords(every)}`;
