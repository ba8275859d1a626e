// Rates the billing periods of some subjects in one Postgres transaction.
//
// ClickHouse is read before the transaction, at a fixed vector of seals. The transaction then locks the subjects and goes on
// only if nothing has moved since: the stored periods are as they were, none was rated at a later vector or watermark,
// or drawn by a newer catalog. What was read is therefore what is priced, however many raters there are.
import type { Pool, PoolClient } from 'pg';
import type { CatalogVersion } from '../domain/catalog.ts';
import { Decimal } from '../domain/decimal.ts';
import { pinnedPlan, subjectPeriodOf, subscriptionTimeline } from '../domain/price-version.ts';
import { QUANTITY_ONE } from '../domain/quantity.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { inTransaction } from '../platform/postgres/pool.ts';
import { covers } from '../platform/usage-store/seal-vector.ts';
import type { ChunkMismatch } from '../platform/usage-store/sealed-chunks.ts';
import type { Seals } from '../platform/usage-store/seals.ts';
import {
  type BillingPeriod,
  lockBillingPeriods,
  readBillingPeriods,
  type SubjectKey,
  saveRatedPeriods,
} from './billing-period-store.ts';
import type { ChunkVerifier } from './chunk-verifier.ts';
import { amountOf, type PeriodPrice, periodPrices } from './core/period-prices.ts';
import { type Contribution, nothingWritten, rate } from './core/rate.ts';
import { type RatingTarget, ratingTargets, type SubjectTimeline } from './core/rating-targets.ts';
import { groupBy, keyText } from './keys.ts';
import { insertLineItems, type NewLineItem, readWrittenPrices, type WrittenPrice } from './line-item-store.ts';
import { contributionKey, readContributions, readPeriodsWithUsage, type UsageWanted } from './period-usage.ts';

export interface RatingStores {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly verifier: ChunkVerifier;
}

/** What a step rates by: the same for all its batches. */
export interface RatingBasis {
  readonly seals: Seals;
  readonly watermark: number;
  /** Ascending; the last is the newest. */
  readonly versions: readonly CatalogVersion[];
  /** Windows that end by then are closed; milliseconds since the epoch, and never less than at an earlier step. */
  readonly closedUpTo: number;
}

export interface SubjectWork extends SubjectKey {
  /** Instants (window starts, period starts) for which something may be due. */
  readonly times: Iterable<number>;
}

export type BatchOutcome =
  | { readonly outcome: 'rated'; readonly lineItems: readonly NewLineItem[] }
  /** Another rater was here with later seals or a newer catalog, or is at it: to be done again from a new reading of the seals. */
  | { readonly outcome: 'behind' }
  /** ClickHouse does not hold what was sealed. */
  | { readonly outcome: 'mismatch'; readonly mismatches: readonly ChunkMismatch[] };

type PeriodTarget = RatingTarget & SubjectKey & { readonly prices: readonly PricedTarget[] };
/** `isCharged`: false for a price the period has no more, whose line items have to cancel out. */
type PricedTarget = PeriodPrice & { readonly isCharged: boolean };

export async function rateBatch(
  stores: RatingStores,
  basis: RatingBasis,
  work: readonly SubjectWork[],
): Promise<BatchOutcome> {
  const stored = await readBillingPeriods(stores.pool, work);
  const targets = targetsOf(basis, work, stored);
  if (targets.length === 0) return { outcome: 'rated', lineItems: [] };
  const mismatches = await stores.verifier.verifySince(Math.min(...targets.map((target) => target.periodStart)));
  if (mismatches.length > 0) return { outcome: 'mismatch', mismatches };
  const contributions = await readTargetContributions(stores.clickhouse, basis, targets);

  return inTransaction(stores.pool, async (client) => {
    const locked = await lockBillingPeriods(client, work);
    if (!isUnmoved(stored, locked, basis)) return { outcome: 'behind' };
    const lineItems = await write(client, basis, targets, locked, contributions);
    return { outcome: 'rated', lineItems };
  });
}

function timelineOf(basis: RatingBasis, { tenant, subject }: SubjectKey): SubjectTimeline {
  const { catalog } = basis.versions.at(-1)!;
  return {
    periodAt: (time) => subjectPeriodOf(catalog, tenant, subject, time),
    subscriptionStarts: subscriptionTimeline(catalog, tenant, subject).map((subscription) => subscription.startsAt),
    pin: (plan, periodStart) => {
      const pinned = pinnedPlan(basis.versions, plan, periodStart);
      if (pinned === null) throw new RangeError(`no catalog version has plan ${plan}`);
      return pinned.version;
    },
  };
}

const subjectText = (key: SubjectKey): string => keyText(key.tenant, key.subject);
const periodText = (key: SubjectKey & { readonly periodStart: number }): string =>
  keyText(key.tenant, key.subject, key.periodStart);

function targetsOf(basis: RatingBasis, work: readonly SubjectWork[], stored: readonly BillingPeriod[]): PeriodTarget[] {
  const storedBySubject = groupBy(stored, subjectText);
  return work.flatMap(({ tenant, subject, times }) => {
    const known = storedBySubject.get(keyText(tenant, subject)) ?? [];
    return ratingTargets(timelineOf(basis, { tenant, subject }), known, times).map((target) => {
      const before = known.find((period) => period.periodStart === target.periodStart);
      return { ...target, tenant, subject, prices: pricesOf(basis.versions, target, before) };
    });
  });
}

function pricesOf(
  versions: readonly CatalogVersion[],
  target: RatingTarget,
  before: BillingPeriod | undefined,
): PricedTarget[] {
  const charged = periodPrices(versions, target).map((price) => ({ ...price, isCharged: true }));
  if (before === undefined || before.plan === target.plan) return charged;
  const kept = new Set(charged.map(({ price }) => price.slug));
  const dropped = periodPrices(versions, before).filter(({ price }) => !kept.has(price.slug));
  return [...charged, ...dropped.map((price) => ({ ...price, isCharged: false }))];
}

/** By `contributionKey`. */
async function readTargetContributions(
  clickhouse: ClickHouse,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
): Promise<Map<string, Contribution[]>> {
  const open = targets.filter((target) => target.periodEnd > target.periodStart);
  const wanted: UsageWanted[] = [];
  const flat: { target: PeriodTarget; slug: string }[] = [];
  for (const target of open) {
    for (const { price, meter, isCharged } of target.prices) {
      if (!isCharged) continue;
      if (price.model === 'flat') flat.push({ target, slug: price.slug });
      else wanted.push({ ...target, price, meter: meter! });
    }
  }
  const contributions = await readContributions(clickhouse, wanted, basis);

  // A subscription is charged its flat price when its period starts; the default plan once there is usage.
  const byDefault = new Set(flat.map(({ target }) => target).filter((target) => target.subscriptionStart === null));
  const withUsage = await readPeriodsWithUsage(clickhouse, [...byDefault], basis.seals);
  for (const { target, slug } of flat) {
    const isDue =
      basis.watermark >= target.periodStart && (target.subscriptionStart !== null || withUsage.has(periodText(target)));
    if (!isDue) continue;
    contributions.set(contributionKey(target, slug), [
      { windowStart: target.periodStart, windowEnd: target.periodEnd, quantity: QUANTITY_ONE },
    ]);
  }
  return contributions;
}

/** True where the locked periods are those that were read, and were not rated later than this step's seals. */
function isUnmoved(read: readonly BillingPeriod[], locked: readonly BillingPeriod[], basis: RatingBasis): boolean {
  if (read.length !== locked.length) return false;
  const newest = basis.versions.at(-1)!.version;
  const readByKey = new Map(read.map((period) => [periodText(period), period]));
  return locked.every((period) => {
    const known = readByKey.get(periodText(period));
    return (
      known !== undefined &&
      known.periodEnd === period.periodEnd &&
      known.plan === period.plan &&
      known.catalogVersion === period.catalogVersion &&
      period.timelineVersion <= newest &&
      covers(basis.seals.vector, period.sealVector) &&
      basis.watermark >= (period.ratedWatermark ?? basis.watermark)
    );
  });
}

async function write(
  client: PoolClient,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
  locked: readonly BillingPeriod[],
  contributions: ReadonlyMap<string, Contribution[]>,
): Promise<NewLineItem[]> {
  const written = await readWrittenPrices(client, targets);
  const lockedByKey = new Map(locked.map((period) => [periodText(period), period]));
  const lineItems = targets.flatMap((target) =>
    lineItemsOf(target, lockedByKey.get(periodText(target)) ?? null, written, contributions),
  );
  const withItems = new Set(lineItems.map(periodText));
  // A period that never had anything to charge needs no row.
  const rated = targets.filter((target) => withItems.has(periodText(target)) || lockedByKey.has(periodText(target)));
  await saveRatedPeriods(
    client,
    rated.map((target) => ({
      ...target,
      timelineVersion: basis.versions.at(-1)!.version,
      sealVector: basis.seals.vector,
      ratedWatermark: basis.watermark,
      closedUpTo: basis.closedUpTo,
    })),
  );
  await insertLineItems(client, lineItems, basis.seals.vector);
  return lineItems;
}

function lineItemsOf(
  target: PeriodTarget,
  stored: BillingPeriod | null,
  written: ReadonlyMap<string, WrittenPrice>,
  contributions: ReadonlyMap<string, Contribution[]>,
): NewLineItem[] {
  const closedUpTo = stored?.closedUpTo ?? Number.NEGATIVE_INFINITY;
  return target.prices.flatMap(({ price, meter, plan, catalogVersion, currency }) => {
    const key = contributionKey(target, price.slug);
    const before = written.get(key);
    const isFlat = price.model === 'flat';
    const items = rate({
      price: amountOf(price),
      contributions: contributions.get(key) ?? [],
      written: before?.windows ?? nothingWritten.written,
      writtenAmount: before?.amount ?? Decimal.zero,
      wasClosed: (windowEnd) => !isFlat && windowEnd <= closedUpTo,
      planChangedFrom: isFlat ? target.periodStart : target.planChangedFrom,
      onTimeCause: isFlat ? 'period_started' : 'window_closed',
    });
    return items.map((item) => ({
      tenant: target.tenant,
      subject: target.subject,
      periodStart: target.periodStart,
      periodEnd: target.periodEnd,
      plan,
      price: price.slug,
      meter: meter?.slug ?? null,
      groups: price.model === 'flat' ? {} : price.match,
      currency,
      catalogVersion,
      item,
    }));
  });
}
