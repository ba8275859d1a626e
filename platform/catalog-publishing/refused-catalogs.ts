// What of a catalog can't be applied by what the installation is, and not by what its catalogs said.
import type { Catalog, Price } from '../../domain/catalog/catalog.ts';
import type { Refusal } from '../../domain/catalog/catalog-diff.ts';
import { meaningFault, priceMeanings } from '../../domain/catalog/price-meaning.ts';
import { FIRST_RULE_SET, neededRuleSet } from '../../domain/metering/rule-set.ts';
import { ruleSetInForce } from '../event-log/topic-generation.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { type CatalogToRefuse, refusedMeanings } from './refused-meanings.ts';

export const refusedByState = async (db: Queries, of: CatalogToRefuse): Promise<Refusal[]> => [
  ...(await refusedMeanings(db, of)),
  ...(await refusedMeters(db, of.catalog)),
  ...(await refusedPrices(db, of.catalog, 'tenant' in of.tenants ? of.tenants.tenant : null)),
];

/**
 * The prices whose slugs mean something else in a subscription that has a price of its own. `tenant` null: the default,
 * which concerns the tenants without a catalog of their own.
 */
async function refusedPrices(db: Queries, { plans }: Catalog, tenant: string | null): Promise<Refusal[]> {
  const prices = plans.flatMap((plan) => plan.prices.map((price) => ({ plan: plan.slug, price })));
  const { rows } = await db.query<{ slug: string; price: Price }>(
    `SELECT DISTINCT own.key AS slug, own.value AS price
     FROM tallyline.subscription_records r, jsonb_path_query(r.record, '$.patches[*].patch.overrides') AS overrides,
       jsonb_each(overrides) AS own
     WHERE own.key = ANY($1) AND jsonb_typeof(own.value) = 'object' AND CASE WHEN $2::text IS NULL
       THEN NOT EXISTS (SELECT FROM tallyline.tenant_catalog_versions v WHERE v.tenant = r.tenant)
       ELSE r.tenant = $2 END`,
    [prices.map(({ price }) => price.slug), tenant],
  );
  const meanings = priceMeanings([{ slug: 'of a subscription of its own', prices: rows.map(({ price }) => price) }]);
  return prices.flatMap(({ plan, price }) => {
    const fault = meaningFault(price, meanings);
    return fault === null ? [] : [{ subject: `plan ${plan}, price ${price.slug}`, reason: fault }];
  });
}

/**
 * The meters that an owner of an earlier release would count by less than they say. Such an owner halts at a record
 * that is read by a rule set that it does not know, so the catalog has to wait until every partition is read by one.
 */
async function refusedMeters(db: Queries, { meters }: Catalog): Promise<Refusal[]> {
  const waiting = meters.filter((meter) => neededRuleSet(meter) > FIRST_RULE_SET);
  const inForce = waiting.length === 0 ? FIRST_RULE_SET : await ruleSetInForce(db);
  return waiting
    .filter((meter) => neededRuleSet(meter) > inForce)
    .map((meter) => ({
      subject: `meter ${meter.slug}`,
      reason: `has a filter or arithmetic, which takes rule set ${neededRuleSet(meter)}, and ${inForce} is in force: it changes within minutes once every aggregator runs this release; apply the file again then`,
    }));
}
