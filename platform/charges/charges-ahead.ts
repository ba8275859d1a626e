// What customers are charged from now on by one account of their records and by another, by the same code as the
// rater's and without a write: without an act and with it, or by the catalog that holds and by a candidate.
import { Ownership } from '../../domain/accounts/ownership.ts';
import { customerText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { groupBy } from '../../domain/composite-key.ts';
import { Problem, retryAfter } from '../../domain/problem.ts';
import type { BilledBy } from '../../domain/rating/billed-by.ts';
import { type ChargesSide, chargedAhead, type PlannedStep, plannedSteps } from '../../domain/rating/charged-ahead.ts';
import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { holdsAllSealsOf } from '../../domain/sealing/seals.ts';
import { readAssignmentsAround } from '../account-store/subject-assignments.ts';
import { readBillingPeriods } from '../billing-store/billing-periods.ts';
import { readProgressOf } from '../billing-store/rater-progress.ts';
import type { ClickHouse } from '../clickhouse/click-house.ts';
import type { Queries } from '../postgres/table-columns.ts';
import { readSeals } from '../usage-store/seals.ts';
import { storedUsageReads } from './stored-usage-reads.ts';
import { readCharges } from './target-charges.ts';

/** Instants that are looked at. */
export const STEPS_MAX = 120;

export interface AheadWanted extends TenantCustomer {
  /** What it is billed by: before and after. */
  readonly sides: readonly [BilledBy, BilledBy];
  /** From when on they differ, now, and how far to look; milliseconds since the epoch. */
  readonly from: number;
  readonly now: number;
  readonly until: number;
}

/** Before and after. */
export type ChargesAhead = readonly [ChargesSide, ChargesSide];

/** What was read of usage may be of a chunk that was being counted again. */
const usageMoved = (): Problem =>
  new Problem('store_unavailable', 'Usage is being counted again. Send the same request again.', {
    headers: retryAfter(1),
  });

/**
 * In the order in which they are wanted; null of one that has more than `STEPS_MAX` instants to be looked at.
 * `catalog`: by its meters usage is read. `usageUpTo`: usage of windows that end by then is in it; null: none was
 * closed yet. Throws a `Problem` where usage moves meanwhile.
 */
export async function readChargesAhead(
  reads: Queries,
  usage: Pick<ClickHouse, 'query'>,
  catalog: RatingCatalog,
  wanted: readonly AheadWanted[],
): Promise<{ readonly charges: readonly (ChargesAhead | null)[]; readonly usageUpTo: number | null }> {
  if (wanted.length === 0) return { charges: [], usageUpTo: null };
  const stored = await readBillingPeriods(reads, wanted);
  const ownership = new Ownership(await readAssignmentsAround(reads, wanted));
  const progress = await readProgressOf(reads, wanted);
  const seals = await readSeals(reads);
  const closed = stored.reduce((latest, each) => Math.max(latest, each.closedUpTo ?? 0), progress.closedUpTo ?? 0);
  const storedOf = groupBy(stored, customerText);
  const planned = wanted.map(({ sides, from, now, until, ...customer }) => {
    const whose = { ...customer, subjects: ownership.subjectsOf(customer) };
    const known = storedOf.get(customerText(customer)) ?? [];
    return sides.map((by) => plannedSteps(by, whose, known, { from, now, until }, STEPS_MAX));
  });
  const isWhole = (steps: readonly (PlannedStep[] | null)[]): steps is PlannedStep[][] =>
    steps.every((each) => each !== null);
  const targets = planned.filter(isWhole).flatMap((sides) => sides.flat().flatMap((step) => step.targets));
  const basis = { seals, closedUpTo: closed, catalogs: { of: () => catalog } };
  const charges = await readCharges(storedUsageReads(usage), basis, targets);
  if (!holdsAllSealsOf(await readSeals(reads), seals)) throw usageMoved();
  const read = new Map(charges.map((each) => [each.target, each]));
  return {
    charges: planned.map((sides) =>
      isWhole(sides) ? [chargedAhead(sides[0]!, read), chargedAhead(sides[1]!, read)] : null,
    ),
    usageUpTo: closed === 0 ? null : closed,
  };
}
