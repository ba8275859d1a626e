// Meters that a catalog gives another meaning than their slugs have had (docs/inside/meters-in-time.md, M7): refused
// unless nothing was counted by the earlier one, and nothing can be any more. What is asked, and in which order, is the
// table there: first whether anything can still be counted, then whether anything was.
import type { Catalog, CatalogVersion } from '../../domain/catalog/catalog.ts';
import type { Refusal } from '../../domain/catalog/catalog-diff.ts';
import { keepingWidths, type NewMeaning, newMeanings } from '../../domain/catalog/meter-meaning.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { partsOf } from '../../domain/pricing/parts.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { isRecountedNow } from '../recount-store/recounts.ts';
import { hasRows } from '../usage-store/group-subjects.ts';

export interface CatalogToRefuse {
  readonly catalog: Catalog;
  /** Those that its tenant, or the default, has had, ascending. */
  readonly versions: readonly CatalogVersion[];
  readonly tenants: TenantsOfVersion;
  /** Null: it can't be asked. */
  readonly usage: Pick<ClickHouse, 'query'> | null;
}

export async function refusedMeanings(db: Queries, of: CatalogToRefuse): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  const history = of.versions.map(({ catalog }) => catalog);
  for (const meaning of newMeanings(history, of.catalog)) {
    const why = await obstacle(db, of, meaning);
    if (why === null) continue;
    const { meter, changed } = meaning;
    refusals.push({
      subject: `meter ${meter.slug}`,
      reason: `can't change (${changed.join(', ')}): ${why}${keepingWidths(meaning)}`,
    });
  }
  return refusals;
}

const OTHER_SLUG = 'give the new meter a slug of its own';

/** Null: there is none. */
async function obstacle(db: Queries, of: CatalogToRefuse, meaning: NewMeaning): Promise<string | null> {
  const { versions, usage, tenants } = of;
  const { slug } = meaning.meter;
  if (meaning.concernsPrices && (await isPriced(db, of, slug)))
    return `prices were made of it, which its windows and dimensions are part of; ${OTHER_SLUG}`;
  const waiting = await stillCounting(db, versions, slug);
  if (usage === null) return `whether usage was counted by it can't be asked: ClickHouse is not known; ${OTHER_SLUG}`;
  // The last: what was still being counted is stored by then.
  if (await hasRows(usage, { tenants, meter: slug })) return `usage was counted by it; ${OTHER_SLUG}`;
  return waiting;
}

/** Why usage may still be counted by what the slug meant last; null: none can. */
async function stillCounting(db: Queries, versions: readonly CatalogVersion[], slug: string): Promise<string | null> {
  const last = versions.findLastIndex(({ catalog }) => catalog.meters.some((meter) => meter.slug === slug));
  const without = versions[last + 1];
  if (without === undefined) {
    return `nothing was counted by it, but may be until this is in force: apply a catalog without it first, and then this; or ${OTHER_SLUG}`;
  }
  if (!(await isSealedBy(db, without.version)))
    return `not every partition of the event log has met version ${without.version}, which is without it; apply this again in a minute`;
  if (await isRecountedNow(db, slug)) return 'a recount of it is under way; apply this again when it is done';
  return null;
}

/** Whether all partitions have sealed a chunk in which a version is in force. */
async function isSealedBy(db: Queries, version: number): Promise<boolean> {
  const { rows } = await db.query<{ is_sealed: boolean }>(
    `SELECT count(progress.partition) = made.partitions AND min(progress.catalog_version) >= $1 AS is_sealed
     FROM tallyline.topic_generations made LEFT JOIN tallyline.partition_progress progress USING (generation)
     WHERE made.generation = (SELECT max(generation) FROM tallyline.topic_generations) GROUP BY made.partitions`,
    [version],
  );
  return rows[0]?.is_sealed ?? false;
}

/** Whether a price was ever of the meter, in a version or in a subscription of its own. */
async function isPriced(db: Queries, { versions, tenants }: CatalogToRefuse, slug: string): Promise<boolean> {
  const prices = versions.flatMap(({ catalog }) => catalog.plans.flatMap((plan) => plan.prices.flatMap(partsOf)));
  if (prices.some((price) => isUsagePrice(price) && price.meter === slug)) return true;
  const { rows } = await db.query(
    `SELECT FROM tallyline.subscription_records r, jsonb_path_query(r.record, '$.patches[*].patch.overrides') AS overrides,
       jsonb_each(overrides) AS own
     WHERE jsonb_typeof(own.value) = 'object' AND ($1 IN (own.value->>'meter', own.value->'fee'->>'meter')
         OR EXISTS (SELECT FROM jsonb_each_text(own.value->'meters') AS meter WHERE meter.value = $1))
       AND CASE WHEN $2::text IS NULL THEN r.tenant <> ALL($3::text[]) ELSE r.tenant = $2 END LIMIT 1`,
    [slug, 'tenant' in tenants ? tenants.tenant : null, 'except' in tenants ? tenants.except : []],
  );
  return rows.length > 0;
}
