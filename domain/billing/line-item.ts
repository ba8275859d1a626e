// What a line item says: the usage of one window (or the charge of a period) by one price, and what it costs. Line
// items are only ever added: a correction is an item of the next revision.
import type { Decimal } from '../number/decimal.ts';
import type { Quantity } from '../number/quantity.ts';
import type { PricedKey } from './billing-period-terms.ts';

export type LineItemKind = 'usage' | 'adjustment';
/** Why an item was written. */
export type LineItemCause = 'window_closed' | 'period_started' | 'late_usage' | 'plan_change';

export interface RatedItem {
  readonly windowStart: number;
  readonly windowEnd: number;
  /** May be negative; 0 only where a changed plan gives the same usage another amount. */
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

/** A line item to be added. */
export interface NewLineItem extends PricedKey {
  readonly plan: string;
  /** Null for a price of the period itself. */
  readonly meter: string | null;
  /** The group values the price is for. */
  readonly groups: Readonly<Record<string, string>>;
  readonly periodEnd: number;
  readonly currency: string;
  readonly catalogVersion: number;
  readonly item: RatedItem;
}

/** What the line items of a window say already. */
export interface WrittenWindow {
  readonly windowStart: number;
  readonly windowEnd: number;
  /** Sum over the window's items. */
  readonly quantity: Quantity;
  /** The highest one used. */
  readonly revision: number;
}

/** What the line items of one price in one period, and of one subject there, say already. */
export interface WrittenPrice {
  readonly windows: WrittenWindow[];
  readonly amount: Decimal;
}

/** By `pricedText`, then by subject. */
export type WrittenPrices = ReadonlyMap<string, ReadonlyMap<string, WrittenPrice>>;
