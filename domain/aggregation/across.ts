// What the values of several subjects come to together, by a meter's `across`. ClickHouse's expression of the same is
// in platform/usage-store/usage-query.ts.
import type { Quantity } from '../number/quantity.ts';
import type { Across } from './aggregation-rules.ts';

/** Whether the subjects are one for the meter: then their events are merged, and there is one value. */
export const isOneSubject = (across: Across): across is 'union' | 'pooled' => across === 'union' || across === 'pooled';

const joins: Readonly<Record<Exclude<Across, 'union' | 'pooled'>, (one: Quantity, other: Quantity) => Quantity>> = {
  sum: (one, other) => one + other,
  // biome-ignore lint/complexity/useMathMinMax: Math takes no bigint.
  max: (one, other) => (other > one ? other : one),
};

/** Of subjects that have a value, each by itself; 0 of none. */
export function valueAcross(across: Across, values: Iterable<Quantity>): Quantity {
  let joined: Quantity | null = null;
  for (const value of values) {
    if (joined === null) joined = value;
    else if (isOneSubject(across)) throw new RangeError('subjects that are one have one value together');
    else joined = joins[across](joined, value);
  }
  return joined ?? 0n;
}
