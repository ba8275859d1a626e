// What a meter that reads a quantity takes, in words, and what it reads: the value at its path, all values where the
// path has a wildcard, or the sum of several paths. Each value that a path names is read by the rules for one value,
// and what they come to is what an event with this one value would have had. A value that can't be read is never left
// out of a sum: the meter then can't read the event.
import { aggregationRules } from '../aggregation/aggregations.ts';
import { isSingular, type JsonPath, pick, pickAll } from '../json/json-path.ts';
import {
  fitsQuantity,
  parseQuantity,
  QUANTITY_INTEGER_DIGITS,
  QUANTITY_ONE,
  type Quantity,
} from '../number/quantity.ts';
import { inWords } from '../rejection.ts';
import { eventPathText } from './event-path.ts';
import type { Addend, Meter } from './meter.ts';
import type { RuleSet } from './rule-set.ts';
import { valueText } from './value-expression.ts';

const quantityWords = (meter: Meter, rules: RuleSet): string =>
  rules.rounds(meter)
    ? 'a decimal number of at most 26 integer digits'
    : 'a decimal number of at most 26 integer and 12 fraction digits';

interface ReadQuantity {
  readonly quantity: Quantity;
  /** Whether the value, or one that it is made of, has more digits than a quantity holds. */
  readonly isRounded: boolean;
}

/** Why a value can't be read: where it stands, and words that follow "must". */
export interface ValueFault {
  readonly field: string;
  readonly must: string;
}

/** Null: there is none, or all are null. */
function readSeveral(meter: Meter, path: JsonPath, data: unknown, rules: RuleSet): ReadQuantity | string | null {
  const join = aggregationRules(meter.aggregation).joinValues!;
  let quantity: Quantity | null = null;
  let isRounded = false;
  for (const value of pickAll(data, path)) {
    if (value === null) continue;
    const read = rules.quantity(value, meter);
    if (read === null) return `each be ${quantityWords(meter, rules)}, not ${inWords(value)}`;
    isRounded ||= rules.isRounded(value);
    quantity = quantity === null ? read : join(quantity, read);
  }
  if (quantity === null) return null;
  if (!fitsQuantity(quantity)) return `together have at most ${QUANTITY_INTEGER_DIGITS} integer digits`;
  return { quantity, isRounded };
}

function readPath(meter: Meter, path: JsonPath, data: unknown, rules: RuleSet): ReadQuantity | ValueFault | null {
  let read: ReadQuantity | string | null;
  if (!isSingular(path)) read = readSeveral(meter, path, data, rules);
  else {
    const value = pick(data, path);
    if (value === undefined || value === null) return null;
    const quantity = rules.quantity(value, meter);
    if (quantity === null) read = `be ${quantityWords(meter, rules)}, not ${inWords(value)}`;
    else read = { quantity, isRounded: rules.isRounded(value) };
  }
  return typeof read === 'string' ? { field: eventPathText(path), must: read } : read;
}

/** By the addend, which is part of a catalog version. */
const factors = new WeakMap<Addend, Quantity>();

function factorOf(addend: Addend): Quantity {
  let factor = factors.get(addend);
  if (factor === undefined) {
    factor = parseQuantity(addend.factor)!;
    factors.set(addend, factor);
  }
  return factor;
}

/** Of a count of 10^-24, half to even. */
function rounded(sum: bigint): Quantity {
  const down = sum / QUANTITY_ONE;
  const rest = sum % QUANTITY_ONE;
  const twice = rest < 0n ? -2n * rest : 2n * rest;
  if (twice < QUANTITY_ONE || (twice === QUANTITY_ONE && down % 2n === 0n)) return down;
  return rest < 0n ? down - 1n : down + 1n;
}

/** Null: no value that is added is there. What is only taken away is no value: it is a part of nothing. */
function readSum(
  meter: Meter,
  addends: readonly Addend[],
  data: unknown,
  rules: RuleSet,
): ReadQuantity | ValueFault | null {
  let sum = 0n;
  let isThere = false;
  let isRounded = false;
  for (const addend of addends) {
    const read = readPath(meter, addend.path, data, rules);
    if (read === null) continue;
    if (!('quantity' in read)) return read;
    const factor = factorOf(addend);
    sum += read.quantity * factor;
    isThere ||= factor > 0n;
    isRounded ||= read.isRounded;
  }
  if (!isThere) return null;
  const fault = (must: string): ValueFault => ({ field: valueText(meter)!, must });
  const isExact = sum % QUANTITY_ONE === 0n;
  if (!isExact && !rules.rounds(meter)) return fault('come to at most 12 fraction digits');
  const quantity = rounded(sum);
  if (!fitsQuantity(quantity)) return fault(`come to at most ${QUANTITY_INTEGER_DIGITS} integer digits`);
  return { quantity, isRounded: isRounded || !isExact };
}

/** Of a meter that reads a quantity. Null: it is missing or null, which leaves the meter alone. */
export const readQuantityOf = (meter: Meter, data: unknown, rules: RuleSet): ReadQuantity | ValueFault | null =>
  meter.addends === undefined
    ? readPath(meter, meter.valuePath!, data, rules)
    : readSum(meter, meter.addends, data, rules);
