// A rule set says what an event's bytes mean to meters: how a number is read, what text a value is, and whether an
// event that one meter can't read still counts for the others. Each has a number. The log says from which chunk on a
// partition is read by which (docs/inside/exactly-once.md, "Rule sets"), and each seal says by which its chunk was. So
// owners of several releases read a record alike, and whoever reads it again later does as they did.
//
// A set that was in force anywhere is never changed. A better reading is a further set.
import { ExactNumber } from '../number/exact-number.ts';
import { numberText } from '../number/number-text.ts';
import {
  decimalQuantity,
  isSurelyExact,
  QUANTITY_FRACTION_DIGITS,
  type Quantity,
  readQuantity,
} from '../number/quantity.ts';
import { type Meter, meterDefaults } from './meter.ts';

export interface RuleSet {
  readonly number: number;
  /** A value as the text of a group, or one to be told apart: null where it is no string, number or boolean. */
  scalarText(value: unknown): string | null;
  /** A value of an event's data as `parseExactJson` gives it; null where it is no quantity. */
  quantity(value: unknown, meter: Meter): Quantity | null;
  /** Of a value that `quantity` read. */
  isRounded(value: unknown): boolean;
  /** What becomes of the thirteenth digit of a quantity that the meter reads: it is rounded away, or is a fault. */
  rounds(meter: Meter): boolean;
  /**
   * True: an event that a meter can't read is accepted, counted by the others, and that meter's loss is a figure.
   * False: it is poison.
   */
  readonly countsForOthers: boolean;
}

/** Numbers in their own digits where a double may not hold them. */
function textAsSent(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value instanceof ExactNumber ? value.text : null;
  }
}

/** One text for all ways to write a number: 30, 30.0 and 3E+1 are "30". */
function canonicalText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
      return String(value);
    case 'number':
      return numberText(String(value));
    default:
      return value instanceof ExactNumber ? numberText(value.text) : null;
  }
}

const isShort = (value: unknown): boolean => {
  if (isSurelyExact(value)) return true;
  const text = value instanceof ExactNumber ? value.text : String(value);
  return text.length <= QUANTITY_FRACTION_DIGITS && !/e/i.test(text);
};

/** Of the releases up to November 2026. */
const first: RuleSet = {
  number: 1,
  scalarText: textAsSent,
  quantity: (value) => readQuantity(value),
  isRounded: () => false,
  rounds: () => false,
  countsForOthers: false,
};

/** Equal numbers are one value; digits beyond the twelfth are rounded; what one meter can't read counts for others. */
const second: RuleSet = {
  number: 2,
  scalarText: canonicalText,
  quantity: (value, { precision = meterDefaults.precision }) => decimalQuantity(value, precision),
  // Nearly every number is so short that it can't have a thirteenth digit behind the point.
  isRounded: (value) => !isShort(value) && decimalQuantity(value, 'exact') === null,
  rounds: ({ precision = meterDefaults.precision }) => precision !== 'exact',
  countsForOthers: true,
};

/**
 * Values mean what they mean to the second. Meters may have a filter, and a value that is a sum: releases that know
 * only earlier sets would count such a meter without, so it is published where this set is in force (`neededRuleSet`).
 */
const third: RuleSet = { ...second, number: 3 };

const ruleSets: readonly RuleSet[] = [first, second, third];

/** Where a log says nothing. */
export const FIRST_RULE_SET = first.number;
export const NEWEST_RULE_SET = third.number;

/** The rule set that must be in force before a catalog with this meter is published. */
export const neededRuleSet = ({ where, addends }: Pick<Meter, 'where' | 'addends'>): number =>
  where === undefined && addends === undefined ? first.number : third.number;

/** Another release put a rule set in force that this one does not have. */
export class UnknownRuleSet extends Error {
  constructor(number: number, newest = NEWEST_RULE_SET) {
    super(
      `rule set ${number} is in force, and this release knows ${FIRST_RULE_SET} to ${newest}: ` +
        'run the release that brought it, or a later one (docs/operate/operations.md, "Upgrades")',
    );
    this.name = 'UnknownRuleSet';
  }
}

/** Throws an UnknownRuleSet. */
export function ruleSet(number: number): RuleSet {
  const found = ruleSets[number - 1];
  if (found === undefined) throw new UnknownRuleSet(number);
  return found;
}
