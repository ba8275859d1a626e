// Turns the usage of one term of a price into the line items that are still missing.
//
// What always holds: after the returned items, the quantities of a window's items add up to its contribution, and the
// amounts of the term's items add up to price(usage of all its closed windows) exactly (I4). No price is ever found
// by subtracting prices of parts: an item's amount is price(cumulative quantity after it) minus everything written
// before it. Whatever arrives late, in whatever order, the sum is therefore right; and a step done again writes
// nothing.

import type { RatedItem, WrittenWindow } from '../../domain/billing/line-item.ts';
import type { Decimal } from '../../domain/number/decimal.ts';
import { type Quantity, quantityToDecimal } from '../../domain/number/quantity.ts';
import type { Contribution } from '../../domain/rating/contributions.ts';
import type { OnTimeCause } from '../../domain/rating/rated-terms.ts';

export interface RateInput {
  /** The amount for a cumulative quantity; price(0) must be 0. */
  readonly price: (cumulative: Decimal) => Decimal;
  /** One entry a closed item of the term that has usage, in any order. */
  readonly contributions: readonly Contribution[];
  readonly written: readonly WrittenWindow[];
  /** Sum of the amounts of the term's items. */
  readonly writtenAmount: Decimal;
  /**
   * Of an item that ends then: true where it was closed already when the term was last rated: usage that shows up in it
   * now is late.
   */
  readonly wasClosed: (windowEnd: number) => boolean;
  /** Windows from here on are another term's since, or another's before; null: none is. */
  readonly changedFrom: number | null;
  /**
   * Whether the same usage may cost something else than when it was last rated: records have changed, or other terms.
   */
  readonly mayReprice: boolean;
  /** The cause of an item that comes on time. */
  readonly onTimeCause: OnTimeCause;
  /** The cause of another amount for the same usage. */
  readonly repricedBy: 'plan_change' | 'late_usage';
}

/** I4 does not hold: what is stored and what the usage costs differ in a way that no missing item explains. */
export class RatingInvariantError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RatingInvariantError';
  }
}

const sumOf = (windows: Iterable<{ readonly quantity: Quantity }>): Quantity => {
  let sum = 0n;
  for (const { quantity } of windows) sum += quantity;
  return sum;
};

/** The items to add, in time order of their windows. Throws a `RatingInvariantError`. */
export function rate(input: RateInput): RatedItem[] {
  const contributions = new Map(input.contributions.map((contribution) => [contribution.windowStart, contribution]));
  const written = new Map(input.written.map((window) => [window.windowStart, window]));
  const windowStarts = [...new Set([...contributions.keys(), ...written.keys()])].sort((a, b) => a - b);

  const items: RatedItem[] = [];
  let cumulativeQuantity = sumOf(written.values());
  let writtenAmount = input.writtenAmount;
  for (const windowStart of windowStarts) {
    const contribution = contributions.get(windowStart);
    const before = written.get(windowStart);
    const quantity = (contribution?.quantity ?? 0n) - (before?.quantity ?? 0n);
    if (quantity === 0n) continue;

    // Where the term's end moved inside an item, the correction names the windows that it gave away or took as well.
    const windowEnd = Math.max(...[contribution, before].flatMap((each) => each?.windowEnd ?? []));
    const moved = input.changedFrom !== null && windowEnd > input.changedFrom;
    const onTime = before === undefined && !input.wasClosed(windowEnd);
    cumulativeQuantity += quantity;
    const cumulativeAmount = input.price(quantityToDecimal(cumulativeQuantity));
    items.push({
      windowStart,
      windowEnd,
      quantity,
      amount: cumulativeAmount.minus(writtenAmount),
      kind: onTime ? 'usage' : 'adjustment',
      revision: before === undefined ? 0 : before.revision + 1,
      cause: onTime ? input.onTimeCause : moved ? 'plan_change' : 'late_usage',
      cumulativeQuantity,
      cumulativeAmount,
      writtenAmount,
    });
    writtenAmount = cumulativeAmount;
  }
  const repriced = repricing(input, items, cumulativeQuantity, writtenAmount);
  if (repriced !== null) {
    items.push(repriced);
    writtenAmount = repriced.cumulativeAmount;
  }
  assertComplete(input, cumulativeQuantity, writtenAmount);
  return items;
}

/**
 * A change of terms may give the same usage another amount without any window that differs. The difference is an item
 * of its own, with quantity 0, in the last window written.
 */
function repricing(
  input: RateInput,
  items: readonly RatedItem[],
  cumulativeQuantity: Quantity,
  writtenAmount: Decimal,
): RatedItem | null {
  const before = input.written.toSorted((a, b) => a.windowStart - b.windowStart).at(-1);
  if (!input.mayReprice || items.length > 0 || before === undefined) return null;
  const cumulativeAmount = input.price(quantityToDecimal(cumulativeQuantity));
  if (cumulativeAmount.equals(writtenAmount)) return null;
  return {
    windowStart: before.lastStart,
    windowEnd: before.windowEnd,
    quantity: 0n,
    amount: cumulativeAmount.minus(writtenAmount),
    kind: 'adjustment',
    revision: before.revision + 1,
    cause: input.repricedBy,
    cumulativeQuantity,
    cumulativeAmount,
    writtenAmount,
  };
}

function assertComplete(input: RateInput, cumulativeQuantity: Quantity, writtenAmount: Decimal): void {
  const usage = sumOf(input.contributions);
  if (cumulativeQuantity !== usage) {
    throw new RatingInvariantError(
      `the line items' quantities add up to ${quantityToDecimal(cumulativeQuantity)}, the usage to ${quantityToDecimal(usage)}`,
    );
  }
  const due = input.price(quantityToDecimal(usage));
  if (!writtenAmount.equals(due)) {
    throw new RatingInvariantError(
      `the line items' amounts add up to ${writtenAmount}, but ${quantityToDecimal(usage)} units cost ${due}`,
    );
  }
}
