// Rates the billing periods of some customers in one Postgres transaction.
//
// ClickHouse is read before the transaction, at a fixed vector of seals, and what was read counts only if every one of
// these seals is there afterwards: one that is taken back meanwhile leaves its chunk's rows in the middle of being
// written again. The transaction then locks the customers and goes on only if nothing has moved since: the stored
// periods are as they were, none was rated at a later vector or watermark, or drawn by a newer catalog. What was read
// is therefore what is priced, however many raters there are.
//
// Whose the subjects are is read again under these locks, which whoever assigns a subject takes as well. A customer
// that has got or lost one since is not rated, and its work goes back to the step: its windows may be somebody else's
// now.
//
// A step touches few windows of a long period, most often the hour that has just closed. What lies before the first of
// them was rated before and got no usage since, so it is read as one sum of usage and one of line items, and only from
// there on window by window. Where these sums differ after all, the batch is done again with every window of its
// periods.
import { Ownership } from '../../domain/accounts/ownership.ts';
import {
  customerText,
  POOLED,
  periodText,
  pricedText,
  type RatedPeriod,
} from '../../domain/billing/billing-period-terms.ts';
import type { NewLineItem } from '../../domain/billing/line-item.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { isChargedByUsage, isPeriodDue } from '../../domain/pricing/period-due.ts';
import { isUsagePrice } from '../../domain/pricing/prices.ts';
import { holdsAllSealsOf, type Seals } from '../../domain/sealing/seals.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import type { CustomerWork } from '../core/customer-work.ts';
import { assertWrittenBefore, type Contributions, periodItems } from '../core/period-items.ts';
import { type Detail, type PeriodTarget, periodTargets } from '../core/period-targets.ts';
import { RatingInvariantError } from '../core/rate.ts';
import { closedAsFarAs, isUnmoved, type RatingBasis } from '../core/rating-basis.ts';
import { readContributions, readPeriodsWithUsage, type UsageWanted } from '../store/period-usage.ts';
import type { RatingStore, RatingTransaction } from '../store/rating-store.ts';
import type { ChunkVerifier } from './chunk-verifier.ts';

export interface RatingStores {
  readonly store: RatingStore;
  readonly verifier: ChunkVerifier;
}

export type BatchOutcome =
  | {
      readonly outcome: 'rated';
      readonly lineItems: readonly NewLineItem[];
      /** Not rated: what their subjects are has changed since the work was put together. */
      readonly moved: readonly CustomerWork[];
    }
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
  work: readonly CustomerWork[],
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
  work: readonly CustomerWork[],
): Promise<BatchOutcome> {
  const stored = await store.readBillingPeriods(work);
  const basis = closedAsFarAs(stepBasis, stored);
  const targets = periodTargets(detail, basis, work, stored);
  if (targets.length > 0) {
    const mismatches = await verifier.verifySince(Math.min(...targets.map((target) => target.periodStart)));
    if (mismatches.length > 0) return { outcome: 'mismatch', mismatches };
  }
  const contributions = await readTargetContributions(store, basis, targets);
  if (targets.length > 0 && !(await isStillThere(store, verifier, basis.seals))) return { outcome: 'behind' };

  return store.inRating(async (transaction) => {
    const locked = await transaction.lockBillingPeriods(work);
    if (!isUnmoved(stored, locked, basis)) return { outcome: 'behind' };
    // Also of customers that nothing is to be billed to: their windows may be those of one that pays by now.
    const moved = movedSince(work, new Ownership(await transaction.readAssignmentsAround(work)));
    const left = new Set(moved.map(customerText));
    const lineItems = await write(
      transaction,
      basis,
      targets.filter((target) => !left.has(customerText(target))),
      locked,
      contributions,
    );
    return { outcome: 'rated', lineItems, moved };
  });
}

const movedSince = (work: readonly CustomerWork[], ownership: Ownership): CustomerWork[] =>
  ownership.isEmpty && work.every(isOwnSubject)
    ? []
    : work.filter((each) => JSON.stringify(each.subjects) !== JSON.stringify(ownership.subjectsOf(each)));

const isOwnSubject = ({ subjects }: CustomerWork): boolean =>
  subjects.length === 1 && subjects[0]!.assignments.length === 0;

/** Asked after sealed rows were read and before they are used: whether what was read is what was verified. */
export async function isStillThere(store: RatingStore, verifier: ChunkVerifier, seals: Seals): Promise<boolean> {
  if (!(await verifier.isSameServer())) return false;
  // A chunk under repair has no seal to be compared with, and half of its rows.
  return holdsAllSealsOf(await store.readSeals(), seals);
}

async function readTargetContributions(
  store: RatingStore,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
): Promise<Contributions> {
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
  const withUsage = await readPeriodsWithUsage(store, [...byUsage], basis.meters, basis);
  for (const { target, slug } of ofPeriods) {
    if (!isPeriodDue(target, basis.watermark, withUsage.has(periodText(target)))) continue;
    const charge = { windowStart: target.periodStart, windowEnd: target.periodEnd, quantity: QUANTITY_ONE };
    contributions.set(pricedText(target, slug), new Map([[POOLED, [charge]]]));
  }
  return contributions;
}

async function write(
  transaction: RatingTransaction,
  basis: RatingBasis,
  targets: readonly PeriodTarget[],
  locked: readonly RatedPeriod[],
  contributions: Contributions,
): Promise<NewLineItem[]> {
  if (targets.length === 0) return [];
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
