// Counts the windows that a step closes with usage which nothing prices (P3). A step looks once which group values its
// windows have at all, and nearly always the prices of a customer match each of them: then nothing is read. Where they
// don't, what is left is read as an `otherwise` price would be. Windows that closed before and get late usage are not
// counted again.

import type { HeldShard } from '../../domain/accounts/shard.ts';
import { customerText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { closedBefore } from '../../domain/billing/item-span.ts';
import type { Meter } from '../../domain/catalog/catalog.ts';
import { namedGroups } from '../../domain/metering/meter.ts';
import { atAllTimes, type Match } from '../../domain/pricing/taken-usage.ts';
import type { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import { type CustomerWork, timesOf } from '../../domain/rating/customer-work.ts';
import { isNoSpan, meterSpans } from '../../domain/rating/meter-spans.ts';
import type { RatingCatalog, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import { type GroupsInUse, LeftGroups, pricedMeters, unpricedIn } from '../../domain/rating/unpriced-usage.ts';
import { readCountedUsage, type UsageBasis } from '../../platform/charges/counted-usage.ts';
import type { RatingBasis } from '../core/rating-basis.ts';
import type { RatedUsage } from '../store/rating-store.ts';

/** Those of a meter that start at or after `from` and before `to`. */
interface ClosingSpan {
  readonly meter: Meter;
  readonly from: number;
  readonly to: number;
}

/** The windows that a step closes. */
export interface ClosingWindows {
  /** Of the meters that any plan of the tenant prices: what no plan prices is not meant to be paid for. */
  readonly spansOf: (tenant: string) => readonly ClosingSpan[];
  readonly groupsOf: (tenant: string) => GroupsInUse;
}

/** What a step rates by, and the windows that it closes; null: it closes none whose usage could be unpriced. */
export interface StepBasis extends RatingBasis {
  readonly closing: ClosingWindows | null;
  /** Of whose customers the step is, by their numbers: no other rater may hold one of them when a batch is written. */
  readonly shards: ReadonlyMap<number, HeldShard>;
}

/** Windows of a customer with usage that nothing prices. */
export interface UnpricedWindows extends TenantCustomer {
  readonly meter: string;
  readonly windows: number;
}

/** More group values than these are taken for any. */
const GROUPS_MAX = 10_000;

/** `from`, `to`: up to where windows were closed, and are by this step; null: none were. */
export async function readClosingWindows(
  store: Pick<RatedUsage, 'readGroupsInUse'>,
  catalogs: RatingCatalogs,
  from: number | null,
  to: number,
): Promise<ClosingWindows | null> {
  const closing = new Map<RatingCatalog, readonly ClosingSpan[]>();
  const spansIn = (catalog: RatingCatalog): readonly ClosingSpan[] => {
    const known = closing.get(catalog) ?? closingSpans(catalog, from, to);
    closing.set(catalog, known);
    return known;
  };
  const spans = meterSpans(
    catalogs,
    (meter, catalog) => spansIn(catalog).find((span) => span.meter === meter) ?? { from: 0, to: 0 },
  );
  if (isNoSpan(spans)) return null;
  const spansOf = (tenant: string): readonly ClosingSpan[] => spansIn(catalogs.of(tenant));
  const found = await store.readGroupsInUse({ spans, groupsMax: GROUPS_MAX });
  if (found === null)
    return { spansOf, groupsOf: (tenant) => new Map(spansOf(tenant).map(({ meter }) => [meter.slug, null])) };
  const byTenant = new Map<string, Map<string, Match[]>>();
  for (const { tenant, meter: slug, groupValues } of found) {
    const meter = spansOf(tenant).find((span) => span.meter.slug === slug)?.meter;
    // Another tenant's.
    if (meter === undefined) continue;
    const byMeter = byTenant.get(tenant) ?? new Map<string, Match[]>();
    byTenant.set(tenant, byMeter);
    byMeter.set(slug, [...(byMeter.get(slug) ?? []), namedGroups(meter, groupValues)]);
  }
  return { spansOf, groupsOf: (tenant) => byTenant.get(tenant) ?? new Map() };
}

function closingSpans({ newest, meters }: RatingCatalog, from: number | null, to: number): readonly ClosingSpan[] {
  const priced = pricedMeters(newest.plans);
  return [...meters.values()]
    .filter(({ slug }) => priced.has(slug))
    .map((meter) => ({ meter, from: from === null ? 0 : closedBefore(meter, from), to: closedBefore(meter, to) }))
    .filter((span) => span.from < span.to);
}

/** Of the customers of a batch. */
export async function countUnpriced(
  store: RatedUsage,
  { spansOf, groupsOf }: ClosingWindows,
  basis: UsageBasis,
  records: RecordsByCustomer,
  work: readonly CustomerWork[],
): Promise<UnpricedWindows[]> {
  const leftOf = new Map<string, LeftGroups>();
  const suspects = work.filter((each) => {
    const left = leftOf.get(each.tenant) ?? new LeftGroups(groupsOf(each.tenant));
    leftOf.set(each.tenant, left);
    const { terms } = records.of(each);
    for (const time of timesOf(each)) if (left.mayLeave(terms, time)) return true;
    return false;
  });
  const wanted = suspects.flatMap((each) =>
    spansOf(each.tenant).flatMap(({ meter, ...span }) => {
      const terms = unpricedIn(records.of(each).terms, meter.slug, span);
      if (terms.length === 0) return [];
      const counted = { terms, taken: atAllTimes(terms), isBySubject: false, byWindow: true, dimensions: [] };
      return [{ ...each, meter, counted, detailFrom: 0 }];
    }),
  );
  if (wanted.length === 0) return [];
  const usage = await readCountedUsage(store, wanted, basis);
  return wanted.flatMap(({ tenant, customer, meter, counted }) => {
    const windows = (usage.get(counted) ?? []).reduce((count, each) => count + each.windows.length, 0);
    return windows === 0 ? [] : [{ tenant, customer, meter: meter.slug, windows }];
  });
}

/** Of a step so far. */
export type UnpricedByCustomer = Map<string, UnpricedWindows[]>;

/**
 * What a batch has counted, in place of what was counted of its customers before: whoever shares a subject with a
 * customer that has moved is looked at again, and counted once all the same.
 */
export function tellUnpriced(unpriced: UnpricedByCustomer, counted: readonly UnpricedWindows[]): void {
  if (unpriced.size > 0) for (const each of counted) unpriced.delete(customerText(each));
  for (const each of counted) {
    const key = customerText(each);
    const known = unpriced.get(key);
    if (known === undefined) unpriced.set(key, [each]);
    else known.push(each);
  }
}
