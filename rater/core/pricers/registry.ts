// The price models by name. A model without a pricer does not compile.
import type { Price } from '../../../domain/catalog.ts';
import type { Decimal } from '../../../domain/decimal.ts';
import { flat } from './flat.ts';
import { graduated } from './graduated.ts';
import { packaged } from './package.ts';
import { perUnit } from './per-unit.ts';
import type { PriceModel, Pricer } from './pricer.ts';
import { volume } from './volume.ts';

const pricers: { readonly [Model in PriceModel]: Pricer<Model> } = {
  per_unit: perUnit,
  graduated,
  volume,
  package: packaged,
  flat,
};

/** The exact amount for a period's cumulative usage, in the catalog's currency. Pure; never rounds. */
export function price(cumulative: Decimal, of: Price): Decimal {
  // The registry's type pairs each model with its pricer; only the compiler can't follow a pairing through an index.
  const pricer = pricers[of.model] as (cumulative: Decimal, of: Price) => Decimal;
  return pricer(cumulative, of);
}
