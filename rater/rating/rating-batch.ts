// Rates the billing periods of some subjects in one Postgres transaction.
//
// ClickHouse is read before the transaction, at a fixed vector of seals, and what was read counts only if every one of these
// seals is there afterwards: one that is taken back meanwhile leaves its chunk's rows in the middle of being written again. The
// transaction then locks the subjects and goes on only if nothing has moved since: the stored periods are as they were, none
// was rated at a later vector or watermark, or drawn by a newer catalog. What was read is therefore what is priced, however
// many raters there are.
//
// A step touches few windows of a long period, most often the hour that has just closed. What lies before the first of them
// was rated before and got no usage since, so it is read as one sum of usage and one of line items, and only from there on
// window by window. Where these sums differ after all, the batch is done again with every window of its periods.

import type { SubjectKey } from '../../domain/billing/billing-period-terms.ts';
import type { NewLineItem, WrittenPrice } from '../../domain/billing/line-item.ts';
import type { CatalogVersion } from '../../domain/catalog/catalog.ts';
import { pinnedPlan, subjectPeriodOf, subscriptionTimeline } from '../../domain/catalog/price-version.ts';
import { groupBy, keyText } from '../../domain/composite-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, QUANTITY_ONE, type Quantity } from '../../domain/number/quantity.ts';
import { isChargedByUsage, isPeriodDue, PERIOD_DUE_CAUSE } from '../../domain/pricing/period-due.ts';
import { amountOf, isUsagePrice } from '../../domain/pricing/prices.ts';
import type { RatedPeriod } from '../../platform/billing-store/billing-periods.ts';
import { covers } from '../../platform/usage-store/seal-vector.ts';
import type { ChunkMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import { holdsAllSealsOf, type Seals } from '../../platform/usage-store/seals.ts';
import { type PricedInPeriod, periodPrices } from '../core/period-prices.ts';
import { type Contribution, nothingWritten, RatingInvariantError, rate } from '../core/rate.ts';
import { type RatingTarget, ratingTargets, type SubjectTimeline } from '../core/rating-targets.ts';
import { contributionKey, readContributions, readPeriodsWithUsage, type UsageWanted } from '../store/period-usage.ts';
import type { RatingStore, RatingTransaction } from '../store/rating-store.ts';
import type { ChunkVerifier } from './chunk-verifier.ts';

export interface RatingStores {
  readonly store: RatingStore;
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
  /** Another rater was here with later seals or a newer catalog, or is at it, ClickHouse was started anew, or a chunk is being repaired: to be done again from a new reading. */
  | { readonly outcome: 'behind' }
  /** ClickHouse does not hold what was sealed. */
  | { readonly outcome: 'mismatch'; readonly mismatches: readonly ChunkMismatch[] };

interface PeriodTarget extends RatingTarget, SubjectKey {
  readonly prices: readonly PricedTarget[];
  /** Windows that start before are compared as one sum; milliseconds since the epoch, the period's start or later. */
  readonly detailFrom: number;
}
/** `isCharged`: false for a price the period has no more, whose line items have to cancel out. */
type PricedTarget = PricedInPeriod & { readonly isCharged: boolean };

/** Which windows are looked at one by one: from the first touched one of a period on, or all of them. */
type Detail = 'touched' | 'all';

export async function rateBatch(
  stores: RatingStores,
  stepBasis: RatingBasis,
  work: readonly SubjectWork[],
): Promise<BatchOutcome> {
  try {
    return await rateIn('touched', stores, stepBasis, work);
  } catch (error) {
    if (!(error instanceof RatingInvariantError)) throw error;
    // A sum does not say where it differs. What does not add up window by window is an error.
    return rateIn('all', stores, stepBasis, work);
  }
}

async function rateIn(
  detail: Detail,
  { store, verifier }: RatingStores,
  stepBasis: RatingBasis,
  work: readonly SubjectWork[],
): Promise<BatchOutcome> {
  const stored = await store.readBillingPeriods(work);
  const basis = { ...stepBasis, closedUpTo: Math.max(stepBasis.closedUpTo, closedUpToOf(stored)) };
  const targets = targetsOf(detail, basis, work, stored);
  if (targets.length === 0) return { outcome: 'rated', lineItems: [] };
  const mismatches = await verifier.verifySince(Math.min(...targets.map((target) => target.periodStart)));
  if (mismatches.length > 0) return { outcome: 'mismatch', mismatches };
  const contributions = await readTargetContributions(store, basis, targets);
  if (!(await isStillThere(store, verifier, basis.seals))) return { outcome: 'behind' };

  return store.inRating(async (transaction) => {
    const locked = await transaction.lockBillingPeriods(work);
    if (!isUnmoved(stored, locked, basis)) return { outcome: 'behind' };
    const lineItems = await write(transaction, basis, targets, locked, contributions);
    return { outcome: 'rated', lineItems };
  });
}

/** Asked after sealed rows were read and before they are used: whether what was read is what was verified. */
export async function isStillThere(store: RatingStore, verifier: ChunkVerifier, seals: Seals): Promise<boolean> {
  if (!(await verifier.isSameServer())) return false;
  // A chunk under repair has no seal to be compared with, and half of its rows.
  return holdsAllSealsOf(await store.readSeals(), seals);
}

/** A rater that allows less lateness may have closed windows of these periods already; what was closed stays closed. */
const closedUpToOf = (periods: readonly RatedPeriod[]): number =>
  periods.reduce((latest, period) => Math.max(latest, period.closedUpTo ?? latest), Number.NEGATIVE_INFINITY);

export function timelineOf(
  { versions }: Pick<RatingBasis, 'versions'>,
  { tenant, subject }: SubjectKey,
): SubjectTimeline {
  const { catalog } = versions.at(-1)!;
  return {
    periodAt: (time) => subjectPeriodOf(catalog, tenant, subject, time),
    subscriptionStarts: subscriptionTimeline(catalog, tenant, subject).map((subscription) => subscription.startsAt),
    pin: (plan, periodStart) => {
      const pinned = pinnedPlan(versions, plan, periodStart);
      if (pinned === null) throw new RangeError(`no catalog version has plan ${plan}`);
      return pinned.version;
    },
  };
}

const subjectText = (key: SubjectKey): string => keyText(key.tenant, key.subject);
const periodText = (key: SubjectKey & { readonly periodStart: number }): string =>
  keyText(key.tenant, key.subject, key.periodStart);

function targetsOf(
  detail: Detail,
  basis: RatingBasis,
  work: readonly SubjectWork[],
  stored: readonly RatedPeriod[],
): PeriodTarget[] {
  const storedBySubject = groupBy(stored, subjectText);
  return work.flatMap(({ tenant, subject, times }) => {
    const known = storedBySubject.get(keyText(tenant, subject)) ?? [];
    return ratingTargets(timelineOf(basis, { tenant, subject }), known, times).map((target) => {
      const before = known.find((period) => period.periodStart === target.periodStart);
      const prices = pricesOf(basis.versions, target, before);
      const isAsBefore = detail === 'touched' && before !== undefined && target.planChangedFrom === null;
      const detailFrom = isAsBefore ? firstTouched(target, times) : target.periodStart;
      return { ...target, tenant, subject, prices, detailFrom };
    });
  });
}

/** The period's start where nothing touched it: it is looked at for another reason. */
function firstTouched({ periodStart, periodEnd }: RatingTarget, times: Iterable<number>): number {
  let first = periodEnd;
  for (const time of times) if (time >= periodStart && time < first) first = time;
  return first === periodEnd ? periodStart : first;
}

function pricesOf(
  versions: readonly CatalogVersion[],
  target: RatingTarget,
  before: RatedPeriod | undefined,
): PricedTarget[] {
  const charged = periodPrices(versions, target).map((price) => ({ ...price, isCharged: true }));
  if (before === undefined || before.plan === target.plan) return charged;
  const kept = new Set(charged.map(({ price }) => price.slug));
  const dropped = periodPrices(versions, before).filter(({ price }) => !kept.has(price.slug));
  return [...charged, ...dropped.map((price) => ({ ...price, isCharged: false }))];
}

/** By `contributionKey`. */
async function readTargetContributions(
  store: RatingStore,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
): Promise<Map<string, Contribution[]>> {
  const open = targets.filter((target) => target.periodEnd > target.periodStart);
  const wanted: UsageWanted[] = [];
  const ofPeriods: { target: PeriodTarget; slug: string }[] = [];
  for (const target of open) {
    for (const { price, meter, isCharged } of target.prices) {
      if (!isCharged) continue;
      if (isUsagePrice(price)) wanted.push({ ...target, price, meter: meter! });
      else ofPeriods.push({ target, slug: price.slug });
    }
  }
  const contributions = await readContributions(store, wanted, basis);

  const byUsage = new Set(ofPeriods.map(({ target }) => target).filter(isChargedByUsage));
  const withUsage = await readPeriodsWithUsage(store, [...byUsage], basis.seals);
  for (const { target, slug } of ofPeriods) {
    if (!isPeriodDue(target, basis.watermark, withUsage.has(periodText(target)))) continue;
    contributions.set(contributionKey(target, slug), [
      { windowStart: target.periodStart, windowEnd: target.periodEnd, quantity: QUANTITY_ONE },
    ]);
  }
  return contributions;
}

/** True where the locked periods are those that were read, and were not rated later than this step's seals. */
function isUnmoved(read: readonly RatedPeriod[], locked: readonly RatedPeriod[], basis: RatingBasis): boolean {
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
      basis.watermark >= (period.ratedWatermark ?? basis.watermark) &&
      basis.closedUpTo >= (period.closedUpTo ?? basis.closedUpTo)
    );
  });
}

async function write(
  transaction: RatingTransaction,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
  locked: readonly RatedPeriod[],
  contributions: ReadonlyMap<string, Contribution[]>,
): Promise<NewLineItem[]> {
  const written = await transaction.readWrittenPrices(targets);
  for (const target of targets) assertWrittenBefore(target, written, contributions);
  const lockedByKey = new Map(locked.map((period) => [periodText(period), period]));
  const lineItems = targets.flatMap((target) =>
    lineItemsOf(target, lockedByKey.get(periodText(target)) ?? null, written, contributions),
  );
  const withItems = new Set(lineItems.map(periodText));
  // A period that never had anything to charge needs no row.
  const rated = targets.filter((target) => withItems.has(periodText(target)) || lockedByKey.has(periodText(target)));
  await transaction.saveRatedPeriods(
    rated.map((target) => ({
      ...target,
      timelineVersion: basis.versions.at(-1)!.version,
      sealVector: basis.seals.vector,
      ratedWatermark: basis.watermark,
      closedUpTo: basis.closedUpTo,
    })),
  );
  await transaction.insertLineItems(lineItems, basis.seals.vector);
  return lineItems;
}

/** Of every price, the usage before `detailFrom` is what its line items there say. Throws a `RatingInvariantError`. */
function assertWrittenBefore(
  target: PeriodTarget,
  written: ReadonlyMap<string, WrittenPrice>,
  contributions: ReadonlyMap<string, Contribution[]>,
): void {
  const sumOf = (windows: readonly { readonly windowStart: number; readonly quantity: Quantity }[] = []): Quantity =>
    windows.reduce((sum, window) => (window.windowStart < target.detailFrom ? sum + window.quantity : sum), 0n);
  for (const { price } of target.prices) {
    const key = contributionKey(target, price.slug);
    const used = sumOf(contributions.get(key));
    const billed = sumOf(written.get(key)?.windows);
    if (used === billed) continue;
    throw new RatingInvariantError(
      `price ${price.slug}, up to ${new Date(target.detailFrom).toISOString()}: the usage is ` +
        `${formatQuantity(used)}, the line items say ${formatQuantity(billed)}`,
    );
  }
}

function lineItemsOf(
  target: PeriodTarget,
  stored: RatedPeriod | null,
  written: ReadonlyMap<string, WrittenPrice>,
  contributions: ReadonlyMap<string, Contribution[]>,
): NewLineItem[] {
  const closedUpTo = stored?.closedUpTo ?? Number.NEGATIVE_INFINITY;
  return target.prices.flatMap(({ price, meter, plan, catalogVersion, currency }) => {
    const key = contributionKey(target, price.slug);
    const before = written.get(key);
    const isOfUsage = isUsagePrice(price);
    const items = rate({
      price: amountOf(price),
      contributions: contributions.get(key) ?? [],
      written: before?.windows ?? nothingWritten.written,
      writtenAmount: before?.amount ?? Decimal.zero,
      wasClosed: (windowEnd) => isOfUsage && windowEnd <= closedUpTo,
      planChangedFrom: isOfUsage ? target.planChangedFrom : target.periodStart,
      onTimeCause: isOfUsage ? 'window_closed' : PERIOD_DUE_CAUSE,
    });
    return items.map((item) => ({
      tenant: target.tenant,
      subject: target.subject,
      periodStart: target.periodStart,
      periodEnd: target.periodEnd,
      plan,
      price: price.slug,
      meter: meter?.slug ?? null,
      groups: isOfUsage ? price.match : {},
      currency,
      catalogVersion,
      item,
    }));
  });
}
