// What may stand around a price of usage: an allowance, discounts, a maximum and a minimum. How they are read and told;
// what they come to is `charge.ts`. What is not said is absent, and what holds anyway is left out, so that a definition
// which says the same is the same.
import {
  expected,
  type Field,
  isAbsent,
  readChoice,
  readDecimal,
  readList,
  readMap,
  readText,
  refuse,
} from '../../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../../fields/definition-form.ts';
import { Decimal } from '../../number/decimal.ts';
import { QUANTITY_FRACTION_DIGITS } from '../../number/quantity.ts';
import { formatRfc3339, parseRfc3339 } from '../../time/rfc3339.ts';

export const DISCOUNTS_MAX = 20;

const includedProrations = ['second', 'none'] as const;

/** So many units of a period cost nothing. */
interface Included {
  readonly units: string;
  /** A term of a part of the period has all of them; absent: its part, by the second. */
  readonly proration?: 'none';
}

/** One of `units`, `rate` and `amount`. Instants are RFC 3339, the end exclusive; absent: it has none. */
export interface Discount {
  /** So many units of a period. */
  readonly units?: string;
  /** A fraction of the amount. */
  readonly rate?: string;
  /** Of a period. */
  readonly amount?: string;
  readonly from?: string;
  readonly until?: string;
}

export interface AroundPrice {
  readonly included?: Included;
  readonly discounts?: readonly Discount[];
  /** The most that a period costs. */
  readonly maximum?: string;
  /** The least that a period costs. Where records become terms it is a part of its own (`parts.ts`). */
  readonly minimum?: string;
}

const instantSchema = (description: string): JsonSchema => ({
  type: 'string',
  pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$',
  description: `An instant such as 2026-11-01T00:00:00Z. ${description}`,
});
const kinds = ['units', 'rate', 'amount'] as const;
const discountFieldNames = [...kinds, 'from', 'until'] as const;

export const aroundSchema = {
  included: {
    type: 'object',
    required: ['units'],
    additionalProperties: false,
    properties: {
      units: { $ref: '#/$defs/positiveDecimal' },
      proration: {
        enum: includedProrations,
        default: 'second',
        description: 'What a part of a period has of them: its part by time, or all.',
      },
    },
    description: 'So many units of a period cost nothing.',
  },
  discounts: {
    type: 'array',
    minItems: 1,
    maxItems: DISCOUNTS_MAX,
    description: 'Of units, of a rate or of an amount a period; usage of windows that start in its time has it.',
    items: {
      type: 'object',
      additionalProperties: false,
      properties: {
        units: { $ref: '#/$defs/positiveDecimal' },
        rate: { $ref: '#/$defs/positiveDecimal', description: 'A fraction of the amount: "0.2" is a fifth.' },
        amount: { $ref: '#/$defs/positiveDecimal' },
        from: instantSchema('Left out: always.'),
        until: instantSchema('Exclusive. Left out: for ever.'),
      },
      oneOf: kinds.map((kind) => ({ required: [kind] })),
    },
  },
  maximum: { $ref: '#/$defs/positiveDecimal', description: 'The most that a period costs.' },
  minimum: {
    $ref: '#/$defs/positiveDecimal',
    description: 'The least that a period of a subscription costs: what is missing is charged at its end.',
  },
} as const satisfies Readonly<Record<keyof AroundPrice, JsonSchema>>;

/** Null after it has said what is wrong, as the other readers here. */
export function readPositive(field: Field): string | null {
  const text = readDecimal(field);
  if (text === null || Decimal.parse(text).compare(Decimal.zero) > 0) return text;
  return refuse(field, `must be above zero, got "${text}"`);
}

/** Counted like usage, which has no more digits. */
function readUnits(field: Field): string | null {
  const text = readPositive(field);
  if (text === null || Decimal.parse(text).scale <= QUANTITY_FRACTION_DIGITS) return text;
  return refuse(field, `has more than ${QUANTITY_FRACTION_DIGITS} digits behind the point, got "${text}"`);
}

function readIncluded(field: Field): Included | null {
  const fields = readMap(field, ['units', 'proration']);
  if (fields === null) return null;
  const units = readUnits(fields.units);
  const proration = isAbsent(fields.proration) ? 'second' : readChoice(fields.proration, includedProrations);
  if (units === null || proration === null) return null;
  return proration === 'none' ? { units, proration } : { units };
}

function readInstant(field: Field): number | null {
  const text = readText(field);
  if (text === null) return null;
  const instant = parseRfc3339(text);
  return instant ?? expected(field, 'an instant such as 2026-11-01T00:00:00Z');
}

export function readDiscount(field: Field): Discount | null {
  const fields = readMap(field, discountFieldNames);
  if (fields === null) return null;
  const [kind, ...others] = kinds.filter((each) => !isAbsent(fields[each]));
  if (kind === undefined || others.length > 0) return refuse(field, `needs one of ${kinds.join(', ')}`);
  const value = kind === 'units' ? readUnits(fields.units) : readPositive(fields[kind]);
  if (kind === 'rate' && value !== null && Decimal.parse(value).compare(Decimal.parse('1')) > 0)
    return refuse(fields.rate, `is a fraction, at most 1, got "${value}"`);
  const from = isAbsent(fields.from) ? undefined : readInstant(fields.from);
  const until = isAbsent(fields.until) ? undefined : readInstant(fields.until);
  if (value === null || from === null || until === null) return null;
  if (from !== undefined && until !== undefined && until <= from)
    return refuse(fields.until, 'must be after `from`: it would never hold');
  return {
    ...{ [kind]: value },
    ...(from !== undefined && { from: formatRfc3339(from) }),
    ...(until !== undefined && { until: formatRfc3339(until) }),
  };
}

function readDiscounts(field: Field): readonly Discount[] | null {
  const list = readList(field, DISCOUNTS_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'needs at least one discount: leave it out where there is none');
  const discounts = list.map(readDiscount).filter((discount) => discount !== null);
  return discounts.length < list.length ? null : discounts;
}

/** What of one quantity can be said of a price that has several: a matrix has its cells, a percentage a fee. */
export type Quantities = 'one' | 'of cells' | 'with a fee';

export function readAround(
  fields: Readonly<Record<keyof AroundPrice, Field>>,
  quantities: Quantities = 'one',
): AroundPrice | null {
  const included = isAbsent(fields.included) ? undefined : readIncluded(fields.included);
  const discounts = isAbsent(fields.discounts) ? undefined : readDiscounts(fields.discounts);
  const maximum = isAbsent(fields.maximum) ? undefined : readPositive(fields.maximum);
  const minimum = isAbsent(fields.minimum) ? undefined : readPositive(fields.minimum);
  if (included === null || discounts === null || maximum === null || minimum === null) return null;
  const around = {
    ...(included !== undefined && { included }),
    ...(discounts !== undefined && { discounts }),
    ...(maximum !== undefined && { maximum }),
    ...(minimum !== undefined && { minimum }),
  };
  if (maximum !== undefined && minimum !== undefined && Decimal.parse(minimum).compare(Decimal.parse(maximum)) > 0)
    return refuse(fields.minimum, `is above the maximum, ${maximum}`);
  return quantities === 'one' || refuseOfOne(fields, around, quantities) ? around : null;
}

/** True: there is nothing to refuse. */
function refuseOfOne(
  fields: Readonly<Record<keyof AroundPrice, Field>>,
  { included, discounts, maximum, minimum }: AroundPrice,
  quantities: Quantities,
): boolean {
  const why = 'is of one quantity, and this price has several: say it where the quantity is';
  const hasFee = quantities === 'with a fee';
  const isIncluded = included === undefined || hasFee;
  const isOfRates = discounts?.every(({ rate }) => rate !== undefined) ?? true;
  // All cells are counted and rated together; a fee is counted by another meter.
  const isLeast = minimum === undefined || !hasFee;
  if (!isIncluded) refuse(fields.included, why, 'key');
  if (maximum !== undefined) refuse(fields.maximum, why, 'key');
  if (!isLeast) refuse(fields.minimum, 'is of one meter, and this price has two: say it of the plan', 'key');
  if (!isOfRates) refuse(fields.discounts, 'of units or of an amount are of one quantity, and this price has several');
  return isIncluded && maximum === undefined && isLeast && isOfRates;
}

function discountText({ units, rate, amount, from, until }: Discount): string {
  const what = units !== undefined ? `${units} units` : rate !== undefined ? `rate ${rate}` : amount!;
  return `${what}${from === undefined ? '' : ` from ${from}`}${until === undefined ? '' : ` until ${until}`}`;
}

/** What is not said is left out. */
export const aroundTerms = ({ included, discounts, maximum, minimum }: AroundPrice): Terms => ({
  ...(included !== undefined && {
    included: `${included.units}${included.proration === 'none' ? ' in any part of a period' : ''}`,
  }),
  ...(discounts !== undefined && { discounts: `[${discounts.map(discountText).join('; ')}]` }),
  ...(maximum !== undefined && { maximum }),
  ...(minimum !== undefined && { minimum }),
});
