// Why a line item of usage has the amount 0: it is free, or what was charged before pays for it too. The price says
// which, as the catalog version defines it that the item was computed by.
import { priceOfItem } from '../../domain/pricing/price-of-item.ts';
import { isFree } from '../../domain/pricing/prices.ts';
import { type LineItem, readCumulativeQuantities } from '../../platform/billing-store/line-items.ts';
import type { Catalogs } from '../stores/catalogs.ts';
import type { BillingReads } from '../stores/store-reads.ts';

export type ZeroAmount = 'free' | 'already_paid';

/**
 * By the item's id; an item with an amount, or without a quantity, has no entry, and neither has one by a price of the
 * subscription's own, which no catalog says.
 */
export async function readZeroAmounts(
  pool: BillingReads,
  catalogs: Catalogs,
  tenant: string,
  items: readonly LineItem[],
): Promise<ReadonlyMap<string, ZeroAmount>> {
  const reasons = new Map<string, ZeroAmount>();
  const zeros = items.flatMap(({ catalogVersion: version, amount, quantity, ...item }) =>
    version !== null && amount.isZero && !quantity.isZero ? [{ ...item, version }] : [],
  );
  if (zeros.length === 0) return reasons;
  const ids = zeros.map(({ id }) => id);
  const cumulative = await readCumulativeQuantities(pool, ids);
  for (const { id, plan, price, version, windowStart } of zeros) {
    const { plans } = await catalogs.at(tenant, version);
    const definition = priceOfItem(plans.find(({ slug }) => slug === plan)?.prices ?? [], price, windowStart);
    const quantity = cumulative.get(id);
    if (definition === null || quantity === undefined) {
      throw new Error(`catalog version ${version} has no price ${price} of plan ${plan}, which line item ${id} names`);
    }
    reasons.set(id, isFree(definition, quantity) ? 'free' : 'already_paid');
  }
  return reasons;
}
