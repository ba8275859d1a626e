// The definition that a line item's price names, among those of its plan: a price, a part of one or a cell of one.
import { discountedAt } from './around/charge.ts';
import { cellNamed, lineSlugOf } from './matrix-cells.ts';
import { partNamed, slugOfPart } from './parts.ts';
import { isUsagePrice, type Part, type Price } from './prices.ts';

/** As it holds in the window that starts then; milliseconds. Null: there is none of the name. */
export function priceOfItem(prices: readonly Price[], name: string, windowStart: number): Part | null {
  const line = lineSlugOf(name);
  const price = prices.find(({ slug }) => slug === slugOfPart(line));
  const part = price === undefined ? null : partNamed(price, line);
  if (part === null || !isUsagePrice(part)) return part;
  return cellNamed(discountedAt(part, windowStart), name.slice(line.length))?.price ?? null;
}
