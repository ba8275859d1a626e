// How the choices of a price about time are read and told (see price-choices.ts). What is chosen as it would be anyway
// is left out of a stored definition, and a length has one form: a definition that says the same is the same.
import { type Aggregation, countsUnits } from '../aggregation/aggregations.ts';
import {
  type Field,
  isAbsent,
  readBoolean,
  readChoice,
  readMap,
  readSlug,
  readWholeNumber,
  refuse,
} from '../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../fields/definition-form.ts';
import {
  type ChangeKind,
  changeKinds,
  chargeTimes,
  type PeriodLength,
  type PriceChoices,
  priceDefaults,
  prorations,
} from './price-choices.ts';

/** The longest period, in each unit: ten years. */
const lengthsMax = { days: 3_660, weeks: 522, months: 120, years: 10 } as const;
const lengthUnits = Object.keys(lengthsMax) as readonly (keyof typeof lengthsMax)[];

type ChoiceFields<Name extends string> = Readonly<Record<Name, Field>>;

export const everySchema: JsonSchema = {
  description: 'How long its periods are: so many days, weeks, months or years. A month where it is left out.',
  oneOf: lengthUnits.map((unit) => ({
    type: 'object',
    required: [unit],
    additionalProperties: false,
    properties: { [unit]: { type: 'integer', minimum: 1, maximum: lengthsMax[unit] } },
  })),
};

/** Twelve months are a year. */
const plainLength = (length: PeriodLength): PeriodLength =>
  'months' in length && length.months % 12 === 0 ? { years: length.months / 12 } : length;

export function lengthWords(length: PeriodLength): string {
  const [unit, count] = Object.entries(length)[0]!;
  return `${count} ${count === 1 ? unit.slice(0, -1) : unit}`;
}

/** Null after it has said what is wrong, as the other readers here. */
export function readEvery(field: Field): Pick<PriceChoices, 'every'> | null {
  if (isAbsent(field)) return {};
  const fields = readMap(field, lengthUnits);
  if (fields === null) return null;
  const given = lengthUnits.filter((unit) => !isAbsent(fields[unit]));
  const [unit, ...others] = given;
  if (unit === undefined || others.length > 0)
    return refuse(field, `needs one of ${lengthUnits.join(', ')}, such as { months: 3 }`);
  const count = readWholeNumber(fields[unit], lengthsMax[unit]);
  if (count === null) return null;
  const length = plainLength({ [unit]: count } as unknown as PeriodLength);
  return lengthWords(length) === lengthWords(priceDefaults.every) ? {} : { every: length };
}

/** A choice, unless it is the one that holds anyway. */
function readUnlessDefault<Name extends 'charge' | 'proration', Choice extends NonNullable<PriceChoices[Name]>>(
  name: Name,
  field: Field,
  choices: readonly Choice[],
): Partial<Record<Name, Choice>> | null {
  if (isAbsent(field)) return {};
  const choice = readChoice(field, choices);
  if (choice === null) return null;
  return choice === priceDefaults[name] ? {} : ({ [name]: choice } as Partial<Record<Name, Choice>>);
}

/** What usage can't do, by what its meter counts (T6). */
const onChangeFault = (kind: ChangeKind, aggregation: Aggregation): string | null => {
  const ofUnits = countsUnits(aggregation);
  if (kind === 'prorate' && ofUnits)
    return `prorate is for levels (max, min, latest, avg), and this price is of a ${aggregation}: carry, share or restart`;
  if ((kind === 'carry' || kind === 'share') && !ofUnits)
    return `${kind} is for units that add up (sum, count, unique), and this price is of a ${aggregation}: prorate or restart`;
  return null;
};

function readOnChange(field: Field, aggregation: Aggregation | null): Pick<PriceChoices, 'onChange'> | null {
  if (isAbsent(field)) return {};
  const onChange = readChoice(field, changeKinds);
  if (onChange === null) return null;
  const fault = aggregation === null ? null : onChangeFault(onChange, aggregation);
  return fault === null ? { onChange } : refuse(field, fault);
}

export const usageChoicesSchema = {
  every: everySchema,
  onChange: {
    enum: changeKinds,
    description:
      'What a stretch costs where the price changes within a period. carry: what was used before stays in its tiers and at its price. share: the share of its units in what the whole period would cost. prorate, for max, min, latest and avg: the share of its time. restart: as a period of its own. Left out: by model and aggregation.',
  },
} as const satisfies Readonly<Partial<Record<keyof PriceChoices, JsonSchema>>>;

/** `aggregation`: of its meter; null where that is in error itself. */
export function readUsageChoices(
  fields: ChoiceFields<keyof typeof usageChoicesSchema>,
  aggregation: Aggregation | null,
): PriceChoices | null {
  const every = readEvery(fields.every);
  const onChange = readOnChange(fields.onChange, aggregation);
  return every === null || onChange === null ? null : { ...every, ...onChange };
}

export const usageChoicesTerms = ({ every = priceDefaults.every, onChange }: PriceChoices): Terms => ({
  every: lengthWords(every),
  onChange: onChange ?? 'by model',
});

export const feeChoicesSchema = {
  every: everySchema,
  charge: {
    enum: chargeTimes,
    default: priceDefaults.charge,
    description: 'Whether it is due where its stretch begins, or at the end of the period or of the subscription.',
  },
  proration: {
    enum: prorations,
    default: priceDefaults.proration,
    description: 'What a part of a period pays: the part by time, the part by local days, or the whole.',
  },
  giveBack: {
    type: 'boolean',
    default: priceDefaults.giveBack,
    description: 'Of a fee in advance: whether what was paid for a stretch that is now of another plan comes back.',
  },
  quantity: {
    $ref: '#/$defs/slug',
    description: "The name of the subscription's quantity that it is charged for, such as seats. Left out: once.",
  },
} as const satisfies Readonly<Partial<Record<keyof PriceChoices, JsonSchema>>>;

/** Nothing was taken yet that could come back. */
export const feeChoicesCondition: JsonSchema = {
  if: { required: ['charge'], properties: { charge: { const: 'in_arrears' } } },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
  then: { properties: { giveBack: false } },
};

function readGiveBack(field: Field, charge: PriceChoices['charge']): Pick<PriceChoices, 'giveBack'> | null {
  if (isAbsent(field)) return {};
  if (charge === 'in_arrears')
    return refuse(field, 'a fee in arrears takes nothing before it is due, so nothing comes back', 'key');
  const giveBack = readBoolean(field);
  return giveBack === null ? null : giveBack === priceDefaults.giveBack ? {} : { giveBack };
}

export function readFeeChoices(fields: ChoiceFields<keyof typeof feeChoicesSchema>): PriceChoices | null {
  const every = readEvery(fields.every);
  const charge = readUnlessDefault('charge', fields.charge, chargeTimes);
  const proration = readUnlessDefault('proration', fields.proration, prorations);
  const giveBack = readGiveBack(fields.giveBack, charge?.charge);
  const quantity = isAbsent(fields.quantity) ? undefined : readSlug(fields.quantity);
  if (every === null || charge === null || proration === null || giveBack === null || quantity === null) return null;
  return { ...every, ...charge, ...proration, ...giveBack, ...(quantity !== undefined && { quantity }) };
}

export function feeChoicesTerms(choices: PriceChoices): Terms {
  const { every, charge, proration, giveBack, quantity } = { ...priceDefaults, ...choices };
  return {
    every: lengthWords(every),
    charge,
    proration,
    giveBack: charge === 'in_advance' ? String(giveBack) : 'none',
    quantity: quantity ?? 'once',
  };
}
