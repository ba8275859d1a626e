// Rates some customers in one Postgres transaction.
//
// ClickHouse is read before the transaction, at a fixed vector of seals, and what was read counts only if every one of
// these seals is there afterwards: one that is taken back meanwhile leaves its chunk's rows in the middle of being
// written again. The transaction then locks the customers and goes on only if nothing has moved since: the stored
// periods are as they were, none was rated at a later vector or watermark, or by a newer catalog. What was read is
// therefore what is priced, however many raters there are. Before all else it locks the shards of its step: none of
// them can be taken while it lasts, and where one was taken before, nothing is written.
//
// What a customer is billed by, the records of its subscriptions and whose its subjects are, is read again under these
// locks, which whoever changes one of them takes as well. A customer whose records or subjects have changed since is
// not rated, and its work goes back to the step.
//
// A step touches few windows of a long period, most often the hour that has just closed. What lies before the first of
// them was rated before and got no usage since, so it is read as one sum of usage and one of line items a term, and
// only from there on window by window. Where these sums differ after all, or a term is no more, the batch is done again
// with every window of its periods.
import { Ownership } from '../../domain/accounts/ownership.ts';
import {
  customerText,
  type PeriodOfRecords,
  periodText,
  type RatedPeriod,
  startText,
  type TenantCustomer,
} from '../../domain/billing/billing-period-terms.ts';
import type { NewLineItem, WrittenPrices } from '../../domain/billing/line-item.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { type BilledBy, nextDueOf } from '../../domain/rating/billed-by.ts';
import { changedBy, RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import type { CustomerWork } from '../../domain/rating/customer-work.ts';
import { type Detail, type PeriodTarget, periodTargets } from '../../domain/rating/period-targets.ts';
import { ratedTerms } from '../../domain/rating/rated-terms.ts';
import { nextMoveDue } from '../../domain/rating/subject-moves.ts';
import { holdsAllSealsOf, type Seals } from '../../domain/sealing/seals.ts';
import type { DueCustomer, NextDue } from '../../platform/billing-store/due-customers.ts';
import { readCharges, type TargetCharges } from '../../platform/charges/target-charges.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import { RatingInvariantError } from '../core/rate.ts';
import { closedAsFarAs, isUnmoved, type RatingBasis } from '../core/rating-basis.ts';
import { goneTerms, termItems } from '../core/term-items.ts';
import type { RatingStore, RatingTransaction } from '../store/rating-store.ts';
import type { ChunkVerifier } from './chunk-verifier.ts';
import { countUnpriced, type StepBasis, type UnpricedWindows } from './unpriced-count.ts';

export interface RatingStores {
  readonly store: RatingStore;
  readonly verifier: ChunkVerifier;
}

export type BatchOutcome =
  | {
      readonly outcome: 'rated';
      readonly lineItems: readonly NewLineItem[];
      /** Not rated: what they are billed by, or their subjects, have changed since the work was put together. */
      readonly moved: readonly CustomerWork[];
      /** Of those that are rated. */
      readonly unpriced: readonly UnpricedWindows[];
    }
  /**
   * Another rater has taken a shard, was here with later seals or a newer catalog, or is at it, ClickHouse was started
   * anew, or a chunk is being repaired: to be done again from a new reading.
   */
  | { readonly outcome: 'behind' }
  /** ClickHouse does not hold what was sealed. */
  | { readonly outcome: 'mismatch'; readonly mismatches: readonly SealMismatch[] };

/** What was written is not to be kept. */
class Behind extends Error {}

export async function rateBatch(
  stores: RatingStores,
  basis: StepBasis,
  work: readonly CustomerWork[],
): Promise<BatchOutcome> {
  try {
    return await rateTouched(stores, basis, work);
  } catch (error) {
    if (error instanceof Behind) return { outcome: 'behind' };
    throw error;
  }
}

async function rateTouched(
  stores: RatingStores,
  basis: StepBasis,
  work: readonly CustomerWork[],
): Promise<BatchOutcome> {
  try {
    return await rateIn('touched', stores, basis, work);
  } catch (error) {
    if (!(error instanceof RatingInvariantError)) throw error;
    // Of the windows before the first touched one only the sum was compared, and a sum does not say which window
    // differs. So all windows are compared one by one, and corrected where they are late; what still does not add up is
    // an error.
    return rateIn('all', stores, basis, work);
  }
}

async function rateIn(
  detail: Detail,
  { store, verifier }: RatingStores,
  stepBasis: StepBasis,
  work: readonly CustomerWork[],
): Promise<BatchOutcome> {
  const stored = await store.readBillingPeriods(work);
  const subscriptions = await store.readSubscriptions(work);
  const basis = { ...closedAsFarAs(stepBasis, stored), closing: stepBasis.closing };
  const shards = [...stepBasis.shards.values()];
  const records = new RecordsByCustomer(basis.catalogs, subscriptions);
  const targets = periodTargets(detail, basis, records, work, stored);
  const since = earliestOf(targets);
  if (Number.isFinite(since)) {
    const mismatches = await verifier.verifySince(since);
    if (mismatches.length > 0) return { outcome: 'mismatch', mismatches };
  }
  const charges = await readCharges(store, basis, targets);
  const { closing } = basis;
  const unpriced = closing === null ? [] : await countUnpriced(store, closing, basis, records, work);
  if (Number.isFinite(since) && !(await isStillThere(store, verifier, basis.seals))) return { outcome: 'behind' };

  return store.inRating(async (transaction) => {
    await transaction.lockShards(shards);
    if (!(await transaction.areHeld(shards))) return { outcome: 'behind' };
    const locked = await transaction.lockBillingPeriods(work);
    if (!isUnmoved(stored, locked, basis)) return { outcome: 'behind' };
    // Also of customers that nothing is to be billed to: their windows may be those of one that pays by now.
    const ownership = new Ownership(await transaction.readAssignmentsAround(work));
    const isChanged = changedBy(records, await transaction.readRecordCounts(work));
    const moved = work.filter((each) => isChanged(each) || hasOtherSubjects(each, ownership));
    const left = new Set(moved.map(customerText));
    const isRated = (customer: TenantCustomer): boolean => left.size === 0 || !left.has(customerText(customer));
    const lineItems = await write(
      transaction,
      basis,
      records,
      charges.filter(({ target }) => isRated(target)),
      locked,
    );
    await saveNextDue(transaction, basis, records, work.filter(isRated));
    return { outcome: 'rated', lineItems, moved, unpriced: unpriced.filter(isRated) };
  });
}

/** Where the first window starts whose usage is read; infinite: none is. */
const earliestOf = (targets: readonly PeriodTarget[]): number =>
  Math.min(
    ...targets.map(({ usage, fees }) =>
      Math.min(
        ...usage.map(({ windows }) => windows.from),
        ...fees.flatMap(({ isByUsage, from }) => (isByUsage ? from : [])),
      ),
    ),
  );

const hasOtherSubjects = (work: CustomerWork, ownership: Ownership): boolean =>
  !(ownership.isEmpty && isOwnSubject(work)) &&
  JSON.stringify(work.subjects) !== JSON.stringify(ownership.subjectsOf(work));

const isOwnSubject = ({ subjects }: CustomerWork): boolean =>
  subjects.length === 1 && subjects[0]!.assignments.length === 0;

/** Asked after sealed rows were read and before they are used: whether what was read is what was verified. */
export async function isStillThere(store: RatingStore, verifier: ChunkVerifier, seals: Seals): Promise<boolean> {
  if (!(await verifier.isSameServer())) return false;
  // A chunk under repair has no seal to be compared with, and half of its rows.
  return holdsAllSealsOf(await store.readSeals(), seals);
}

async function write(
  transaction: RatingTransaction,
  basis: RatingBasis,
  records: RecordsByCustomer,
  charges: readonly TargetCharges[],
  locked: readonly RatedPeriod[],
): Promise<NewLineItem[]> {
  if (charges.length === 0) return [];
  const { catalogs, seals, watermark, closedUpTo } = basis;
  const targets = charges.map(({ target }) => target);
  const written = await transaction.readWrittenPrices(targets);
  const stored = new Map(locked.map((period) => [periodText(period), period]));
  const rated = charges.map(({ target, usage, fees }) => {
    const terms = ratedTerms(target, usage, fees, catalogs.of(target.tenant));
    const ofTarget = written.size === 0 ? undefined : written.get(startText(target));
    const before = ofTarget ?? NOTHING_WRITTEN;
    return { target, terms, before, gone: goneTerms(target, terms, before) };
  });
  const goneKeys = rated.flatMap(({ gone }) => gone);
  const gone = goneKeys.length === 0 ? [] : await transaction.readNewestItems(goneKeys);
  const goneByStart = groupBy(gone, startText);
  const lineItems: NewLineItem[] = [];
  const periods = new RatedPeriods(locked);
  for (const { target, terms, before } of rated) {
    const by = records.of(target).records;
    const ofTarget = gone.length === 0 ? [] : (goneByStart.get(startText(target)) ?? []);
    const items = termItems(terms, ofTarget, {
      catalog: catalogs.of(target.tenant),
      records: by,
      stored,
      written: before,
    });
    for (const item of items) lineItems.push(item);
    periods.add(target, items, by);
  }
  // A period that was never rated has nothing to charge and no row: nothing is written of it.
  if (periods.rated.length === 0) return lineItems;
  const rating = await transaction.saveRating({
    ...{ catalogVersion: catalogs.version, sealVector: seals.vector, ratedWatermark: watermark, closedUpTo },
  });
  await transaction.saveRatedPeriods(periods.rated, rating);
  await transaction.insertLineItems(lineItems, rating);
  return lineItems;
}

const NOTHING_WRITTEN: WrittenPrices = new Map();

/** What the rated periods are now. One that never had anything to charge needs no row. */
class RatedPeriods {
  readonly rated: PeriodOfRecords[] = [];
  /** By start. */
  private readonly locked: ReadonlyMap<string, readonly RatedPeriod[]>;

  constructor(locked: readonly RatedPeriod[]) {
    this.locked = groupBy(locked, startText);
  }

  /** Each start once. */
  add(target: PeriodTarget, items: readonly NewLineItem[], records: number): void {
    const known = this.locked.size === 0 ? [] : (this.locked.get(startText(target)) ?? []);
    const first = this.rated.length;
    for (const { tenant, customer, subscription, periodStart, periodEnd } of [...known, ...items]) {
      let isThere = false;
      for (let i = first; i < this.rated.length && !isThere; i++) {
        const each = this.rated[i]!;
        isThere = each.periodEnd === periodEnd && each.subscription === subscription;
      }
      if (!isThere) this.rated.push({ tenant, customer, subscription, periodStart, periodEnd, records });
    }
  }
}

/**
 * What comes next of the customers that were due, of those without a subscription whom only their usage makes payers of
 * the default plan's fees, and of those whose subjects will move. Rejects with `Behind`.
 */
async function saveNextDue(
  transaction: RatingTransaction,
  { watermark, closedUpTo, catalogs }: RatingBasis,
  records: RecordsByCustomer,
  work: readonly CustomerWork[],
): Promise<void> {
  // Of whoever has no subscription it is the same.
  const found = new Map<BilledBy, number | null>();
  const nextOf = (by: BilledBy): number | null => {
    const known = found.get(by);
    const dueAt = known === undefined ? nextDueOf(by, { watermark, closedUpTo }) : known;
    found.set(by, dueAt);
    return dueAt;
  };
  const next: NextDue[] = [];
  const payers: DueCustomer[] = [];
  for (const each of work) {
    const { tenant, customer, dueFrom } = each;
    const by = records.of({ tenant, customer });
    const move = isOwnSubject(each) ? null : nextMoveDue(by, each, { closedUpTo, watermark });
    if (dueFrom !== null) next.push({ tenant, customer, dueAt: earlier(nextOf(by), move), lookedFrom: dueFrom });
    else {
      const dueAt = earlier(by.records === 0 ? nextOf(by) : null, move);
      if (dueAt !== null) payers.push({ tenant, customer, dueAt });
    }
  }
  if (next.length + payers.length === 0) return;
  await transaction.saveDue(next);
  // These may be due earlier, by what this step has not looked at.
  await transaction.markDue(payers);
  // A newer version has marked these customers, or will once their rows are free (due-customers.ts).
  if ((await transaction.readPublishedVersion()) !== catalogs.version) throw new Behind();
}

const earlier = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? (one ?? other) : Math.min(one, other);
