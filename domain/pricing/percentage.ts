// percentage: the meter adds up amounts of money, and of their sum a share is charged: 2.9 % is "0.029". Beside it a
// fee may be charged for each event, which another meter counts: it is a part of the price with a quantity of its own
// (parts.ts), since neither of the two amounts depends on the other. A sum below zero (more was refunded than paid) is
// credited by the same share.
import { type Field, isAbsent, readDecimal, readMap, readSlug, refuse } from '../fields/catalog-fields.ts';
import { Decimal } from '../number/decimal.ts';
import { type AroundPrice, aroundSchema, aroundTerms, readAround } from './around/around-price.ts';
import type { PriceContext, UsageModel, UsagePriceFields } from './price-model.ts';

/** For each event that a meter of theirs counts. */
interface EventFee extends Pick<AroundPrice, 'included'> {
  readonly meter: string;
  readonly amount: string;
}

export interface PercentagePrice extends UsagePriceFields {
  readonly model: 'percentage';
  readonly rate: string;
  readonly fee?: EventFee;
}

const { included: includedSchema } = aroundSchema;

function readFee(field: Field, { meters, meter, match }: PriceContext): EventFee | null {
  const fields = readMap(field, ['meter', 'amount', 'included']);
  if (fields === null) return null;
  const slug = readSlug(fields.meter);
  const amount = readDecimal(fields.amount);
  const absent: Field = { ...field, value: undefined };
  const around = readAround({ included: fields.included, discounts: absent, maximum: absent, minimum: absent });
  if (slug === null || amount === null || around === null) return null;
  const known = meters.get(slug);
  if (known === undefined) return refuse(fields.meter, `there is no meter ${JSON.stringify(slug)} in this catalog`);
  if (slug === meter?.slug) return refuse(fields.meter, 'must be another meter: one that counts the events');
  if (known !== null && known.aggregation !== 'count' && known.aggregation !== 'sum')
    return refuse(fields.meter, `a fee is for each event, and ${slug} is a ${known.aggregation}: a count, or a sum`);
  const missing = Object.keys(match ?? {}).find(
    (name) => !(known?.dimensions ?? []).some((each) => each.name === name),
  );
  if (known !== null && missing !== undefined)
    return refuse(fields.meter, `has no ${missing} in its groupBy, which the price's match names`);
  return { meter: slug, amount, ...around };
}

export const percentage: UsageModel<PercentagePrice> = {
  schema: {
    rate: { $ref: '#/$defs/decimal', description: 'A fraction of the sum: 2.9 % is "0.029".' },
    fee: {
      type: 'object',
      required: ['meter', 'amount'],
      additionalProperties: false,
      properties: {
        meter: { $ref: '#/$defs/slug', description: 'That counts the events.' },
        amount: { $ref: '#/$defs/decimal' },
        included: includedSchema,
      },
      description: 'For each event.',
    },
  },
  optional: ['fee'],
  read(fields, context) {
    const rate = readDecimal(fields.rate);
    const fee = isAbsent(fields.fee) ? undefined : readFee(fields.fee, context);
    return rate === null || fee === null ? null : { rate, ...(fee !== undefined && { fee }) };
  },
  terms: ({ rate, fee }) => ({ rate, fee: fee === undefined ? 'none' : feeText(fee) }),
  amount: (cumulative, { rate }) => cumulative.times(Decimal.parse(rate)),
  isFree: (_, { rate }) => Decimal.parse(rate).isZero,
  carries: () => true,
};

function feeText({ meter, amount, ...around }: EventFee): string {
  const { included } = aroundTerms(around);
  return `${amount} for each of ${meter}${included === undefined ? '' : ` beyond ${included}`}`;
}
