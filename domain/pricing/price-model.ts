// What a price model is: everything that is known of it stands in one file of this folder, and its row in `prices.ts`.
// A model prices usage, or the billing period itself. It knows its own fields; those that all prices have are read
// around it.
//
// The amount of a usage price is that of a period's cumulative quantity, from nothing else: no model knows what was
// written before, so the same usage has the same price whenever and in whatever order it became known.

import type { Field } from '../fields/catalog-fields.ts';
import type { JsonSchema, Terms } from '../fields/definition-form.ts';
import type { Meter } from '../metering/meter.ts';
import type { Decimal } from '../number/decimal.ts';
import type { AroundPrice } from './around/around-price.ts';
import type { PriceChoices } from './price-choices.ts';

/** What every price has. Amounts are decimal text in the catalog's currency. */
export interface PriceFields extends PriceChoices {
  /** The same in every version of the catalog: it names the price. */
  readonly slug: string;
  readonly model: string;
}

export interface UsagePriceFields extends PriceFields, AroundPrice {
  readonly meter: string;
  /** Only usage with these group values; empty for all. */
  readonly match: Readonly<Record<string, string>>;
  /** Whether each subject of the customer has a quantity of its own. Absent: all of them have one together. */
  readonly per?: 'subject';
  /** Takes, of what it matches, only what no other price of any active subscription of the customer matches (P3). */
  readonly otherwise?: true;
  /** Charges what it matches beside whatever else charges it, and takes nothing from other prices (P3). */
  readonly overlap?: true;
}

/** The meters of the catalog by slug; null for one whose definition is itself in error. */
export type KnownMeters = ReadonlyMap<string, Meter | null>;

/** What a price is read against: its own meter, and its `match`, are null where they are in error. */
export interface PriceContext {
  readonly meters: KnownMeters;
  readonly meter: Meter | null;
  readonly match: Readonly<Record<string, string>> | null;
}

interface Model<Own> {
  /** Of each field of its own. For editors: the reader decides. */
  readonly schema: Readonly<Record<keyof Own & string, JsonSchema>>;
  /** Of these, those that may be left out. */
  readonly optional?: readonly (keyof Own & string)[];
  /** Null after it has said at the field what is wrong. */
  read(fields: Readonly<Record<keyof Own & string, Field>>, context: PriceContext): Own | null;
  /** Of its own fields. */
  terms(price: Own): Terms;
}

/** The fields that only this model has. */
type OwnFields<Price extends PriceFields> = Omit<Price, keyof UsagePriceFields>;

export interface UsageModel<Price extends UsagePriceFields> extends Model<OwnFields<Price>> {
  /** The exact amount for the whole of a period's usage so far; 0 for none. */
  amount(cumulative: Decimal, price: OwnFields<Price>): Decimal;
  /**
   * Of usage that added nothing to the amount, and after which the period's stands at `cumulative`. True: it costs
   * nothing. False: what was charged before it pays for it too.
   */
  isFree(cumulative: Decimal, price: OwnFields<Price>): boolean;
  /**
   * Where the price changes within a period and chooses nothing else. True: what was used before stays in the tiers and
   * at its price (`carry`). False: the period's amount is shared (T6).
   */
  carries(price: OwnFields<Price>): boolean;
}

export interface PeriodModel<Price extends PriceFields> extends Model<OwnFields<Price>> {
  /** The exact amount for one period. */
  amount(price: OwnFields<Price>): Decimal;
}
