// What a price's slug means: usage of one meter, or a fee. It means the same in every plan and for ever, since whoever
// changes the plan, or the catalog, goes on with what the slug has counted (T5). So does what the name of a part means.
import { partsOf } from '../pricing/parts.ts';
import { isUsagePrice, type Price } from '../pricing/prices.ts';
import type { Plan } from './catalog.ts';

interface PriceMeaning {
  readonly plan: string;
  /** Null: a fee. */
  readonly meter: string | null;
}

const meterOf = (price: Price): string | null => (isUsagePrice(price) ? price.meter : null);

const meaningText = (meter: string | null): string => (meter === null ? 'a fee' : `of meter ${JSON.stringify(meter)}`);

/** By slug; of several, the last one's. */
export const priceMeanings = (plans: readonly Pick<Plan, 'slug' | 'prices'>[]): Map<string, PriceMeaning> =>
  new Map(
    plans.flatMap(({ slug: plan, prices }) =>
      prices.flatMap(partsOf).map((part): [string, PriceMeaning] => [part.slug, { plan, meter: meterOf(part) }]),
    ),
  );

/** Why a price can't mean what it says, or a part of it can't; null: it can. `known`: what slugs mean already. */
export function meaningFault(price: Price, known: ReadonlyMap<string, PriceMeaning>): string | null {
  for (const part of partsOf(price)) {
    const fault = partFault(part, known.get(part.slug));
    if (fault !== null)
      return part === price || part.slug === price.slug ? fault : `has a part ${part.slug} that ${fault}`;
  }
  return null;
}

function partFault(price: Price, known: PriceMeaning | undefined): string | null {
  if (known === undefined || known.meter === meterOf(price)) return null;
  return (
    `can't be ${meaningText(meterOf(price))}: it is ${meaningText(known.meter)} in plan ${known.plan}, and a slug means ` +
    'the same in every plan and for ever; give the new price a slug of its own'
  );
}
