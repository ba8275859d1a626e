// Rates the billing periods of some subjects in one Postgres transaction.
//
// ClickHouse is read before the transaction, at a fixed vector of seals, and what was read counts only if every one of
// these seals is there afterwards: one that is taken back meanwhile leaves its chunk's rows in the middle of being
// written again. The transaction then locks the subjects and goes on only if nothing has moved since: the stored
// periods are as they were, none was rated at a later vector or watermark, or drawn by a newer catalog. What was read
// is therefore what is priced, however many raters there are.
//
// A step touches few windows of a long period, most often the hour that has just closed. What lies before the first of
// them was rated before and got no usage since, so it is read as one sum of usage and one of line items, and only from
// there on window by window. Where these sums differ after all, the batch is done again with every window of its
// periods.
import { periodText, pricedText, type RatedPeriod } from '../../domain/billing/billing-period-terms.ts';
import type { NewLineItem } from '../../domain/billing/line-item.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { isChargedByUsage, isPeriodDue } from '../../domain/pricing/period-due.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import { holdsAllSealsOf, type Seals } from '../../domain/sealing/seals.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import { assertWrittenBefore, periodItems } from '../core/period-items.ts';
import { type Detail, type PeriodTarget, periodTargets, type SubjectWork } from '../core/period-targets.ts';
import { type Contribution, RatingInvariantError } from '../core/rate.ts';
import { closedAsFarAs, isUnmoved, type RatingBasis } from '../core/rating-basis.ts';
import { readContributions, readPeriodsWithUsage, type UsageWanted } from '../store/period-usage.ts';
import type { RatingStore, RatingTransaction } from '../store/rating-store.ts';
import type { ChunkVerifier } from './chunk-verifier.ts';

export interface RatingStores {
  readonly store: RatingStore;
  readonly verifier: ChunkVerifier;
}

export type BatchOutcome =
  | { readonly outcome: 'rated'; readonly lineItems: readonly NewLineItem[] }
  /**
   * Another rater was here with later seals or a newer catalog, or is at it, ClickHouse was started anew, or a chunk is
   * being repaired: to be done again from a new reading.
   */
  | { readonly outcome: 'behind' }
  /** ClickHouse does not hold what was sealed. */
  | { readonly outcome: 'mismatch'; readonly mismatches: readonly SealMismatch[] };

export async function rateBatch(
  stores: RatingStores,
  stepBasis: RatingBasis,
  work: readonly SubjectWork[],
): Promise<BatchOutcome> {
  try {
    return await rateIn('touched', stores, stepBasis, work);
  } catch (error) {
    if (!(error instanceof RatingInvariantError)) throw error;
    // Of the windows before the first touched one only the sum was compared, and a sum does not say which window
    // differs. So all windows are compared one by one, and corrected where they are late; what still does not add up is
    // an error.
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
  const basis = closedAsFarAs(stepBasis, stored);
  const targets = periodTargets(detail, basis, work, stored);
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

/** By `pricedText`. */
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
    contributions.set(pricedText(target, slug), [
      { windowStart: target.periodStart, windowEnd: target.periodEnd, quantity: QUANTITY_ONE },
    ]);
  }
  return contributions;
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
    periodItems(target, lockedByKey.get(periodText(target)) ?? null, written, contributions),
  );
  const withItems = new Set(lineItems.map(periodText));
  // A period that never had anything to charge needs no row.
  const rated = targets.filter((target) => withItems.has(periodText(target)) || lockedByKey.has(periodText(target)));
  await transaction.saveRatedPeriods(
    rated.map((target) => ({
      ...target,
      timelineVersion: basis.book.revision,
      sealVector: basis.seals.vector,
      ratedWatermark: basis.watermark,
      closedUpTo: basis.closedUpTo,
    })),
  );
  await transaction.insertLineItems(lineItems, basis.seals.vector);
  return lineItems;
}
