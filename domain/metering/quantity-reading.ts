// What a meter that reads a quantity takes, in words, and what it reads where its path has a wildcard: each value that
// the path names is read by the rules for one value, and what they come to is what an event with this one value would
// have had. A value that can't be read is never left out of a sum: the meter then can't read the event.
import { aggregationRules } from '../aggregation/aggregations.ts';
import { pickAll } from '../json/json-path.ts';
import { fitsQuantity, QUANTITY_INTEGER_DIGITS, type Quantity } from '../number/quantity.ts';
import { inWords } from '../rejection.ts';
import type { Meter } from './meter.ts';
import type { RuleSet } from './rule-set.ts';

/** In words that follow "must be". */
export const quantityWords = ({ precision }: Meter, { number }: RuleSet): string =>
  number === 1 || precision === 'exact'
    ? 'a decimal number of at most 26 integer and 12 fraction digits'
    : 'a decimal number of at most 26 integer digits';

interface SeveralValues {
  readonly quantity: Quantity;
  /** Whether one of the values has more digits than a quantity holds. */
  readonly isRounded: boolean;
}

/**
 * Of a meter whose path is not singular. A text: why it can't read them, in words that follow "must". Null: there is
 * none, or all are null, which leaves the meter alone.
 */
export function readSeveral(meter: Meter, data: unknown, rules: RuleSet): SeveralValues | string | null {
  const join = aggregationRules(meter.aggregation).joinValues!;
  let quantity: Quantity | null = null;
  let isRounded = false;
  for (const value of pickAll(data, meter.valuePath!)) {
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
