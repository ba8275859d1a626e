// Where two subscriptions of a customer would price the same usage (P3): it would be paid twice.
import type { UsagePrice } from '../pricing/prices.ts';
import { mayShareUsage } from '../pricing/taken-usage.ts';
import type { CustomerTerms } from './price-terms.ts';

interface OverlappingPrice {
  readonly subscription: string;
  readonly price: string;
}

export interface PriceOverlap {
  readonly one: OverlappingPrice;
  readonly other: OverlappingPrice;
  /** The first window that both price; milliseconds since the epoch. */
  readonly from: number;
}

/** The earliest after an instant; null: there is none. The default plan holds only where no subscription does. */
export function priceOverlap({ usageLines }: CustomerTerms, after: number): PriceOverlap | null {
  const segments = usageLines
    .flatMap((line) => line.segments)
    .filter(({ subscription, to }) => subscription !== null && to > after)
    .sort((a, b) => a.from - b.from);
  let earliest: PriceOverlap | null = null;
  for (const [i, one] of segments.entries()) {
    for (const other of segments.slice(i + 1)) {
      if (other.from >= one.to || (earliest !== null && other.from >= earliest.from)) break;
      if (one.subscription === other.subscription) continue;
      if (!mayShareUsage(one.price as UsagePrice, other.price as UsagePrice)) continue;
      const named = ({ subscription, price }: typeof one) => ({ subscription: subscription!, price: price.slug });
      earliest = { one: named(one), other: named(other), from: Math.max(other.from, after) };
    }
  }
  return earliest;
}
