// What every price model promises: the amount for a period's cumulative usage, from nothing else. No model knows what
// was written before, so the same usage has the same price whenever and in whatever order it became known.
import type { Price } from '../../../domain/catalog.ts';
import type { Decimal } from '../../../domain/decimal.ts';

export type PriceModel = Price['model'];
export type PriceOf<Model extends PriceModel> = Extract<Price, { model: Model }>;

/** The amount, in the catalog's currency, for the whole of a period's usage so far. */
export type Pricer<Model extends PriceModel> = (cumulative: Decimal, price: PriceOf<Model>) => Decimal;
