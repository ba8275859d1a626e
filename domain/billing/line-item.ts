// What a line item says: the usage of one window (or the charge of a fee) in one term of a price, and what it costs.
// Line items are only ever added: a correction is an item of the next revision.
import type { Decimal } from '../number/decimal.ts';
import type { Quantity } from '../number/quantity.ts';
import type { PricedKey, TermOfSubject } from './billing-period-terms.ts';

export type LineItemKind = 'usage' | 'adjustment';
/** Why an item was written. */
export type LineItemCause = 'window_closed' | 'period_started' | 'minimum_due' | 'late_usage' | 'plan_change';

export interface RatedItem {
  readonly windowStart: number;
  readonly windowEnd: number;
  /** May be negative; 0 only where a change of terms gives the same usage another amount. */
  readonly quantity: Quantity;
  /** May be negative: a volume price can fall, and usage can move to another period. */
  readonly amount: Decimal;
  readonly kind: LineItemKind;
  readonly revision: number;
  readonly cause: LineItemCause;
  /**
   * What the amount was computed from: amount = cumulativeAmount - writtenAmount, cumulativeAmount =
   * price(cumulativeQuantity).
   */
  readonly cumulativeQuantity: Quantity;
  readonly cumulativeAmount: Decimal;
  readonly writtenAmount: Decimal;
}

/** What a line item says of its term. */
export interface ItemTerm extends PricedKey {
  readonly plan: string;
  /** Null for a fee. */
  readonly meter: string | null;
  /** The group values the price is for. */
  readonly groups: Readonly<Record<string, string>>;
  readonly currency: string;
  /** Null: a price of the subscription's own. */
  readonly catalogVersion: number | null;
}

/** A line item to be added. */
export interface NewLineItem extends ItemTerm {
  readonly item: RatedItem;
}

/** Where windows start that are told as one because they start before those that are looked at one by one. */
export const EARLIER = Number.NEGATIVE_INFINITY;

/** What the line items of a window say already. */
export interface WrittenWindow {
  /** `EARLIER`: of all earlier windows. */
  readonly windowStart: number;
  /** Of the last of them. */
  readonly lastStart: number;
  readonly windowEnd: number;
  /** Sum over the window's items. */
  readonly quantity: Quantity;
  /** The highest one used. */
  readonly revision: number;
}

/** What the line items of a term, of all subjects or of one, say already. */
export interface WrittenTerm extends TermOfSubject {
  readonly windows: WrittenWindow[];
  readonly amount: Decimal;
}

/** What the periods of a customer that start at an instant have, by price, then by `termText`. */
export type WrittenPrices = ReadonlyMap<string, ReadonlyMap<string, WrittenTerm>>;
