// What a customer is charged without an act and with it, by the same code as the rater's and without a write.
import { Ownership } from '../domain/accounts/ownership.ts';
import type { TenantCustomer } from '../domain/billing/billing-period-terms.ts';
import { Problem, retryAfter } from '../domain/problem.ts';
import { billedBy } from '../domain/rating/billed-by.ts';
import { chargedAhead, plannedSteps } from '../domain/rating/charged-ahead.ts';
import type { RatingCatalog } from '../domain/rating/rating-catalog.ts';
import { invalidParameter } from '../domain/requests/parameters.ts';
import { holdsAllSealsOf } from '../domain/sealing/seals.ts';
import type { CustomerSubscription } from '../domain/terms/customer-subscription.ts';
import { readAssignmentsAround } from '../platform/account-store/subject-assignments.ts';
import { readBillingPeriods } from '../platform/billing-store/billing-periods.ts';
import { readProgressOf } from '../platform/billing-store/rater-progress.ts';
import { storedUsageReads } from '../platform/charges/stored-usage-reads.ts';
import { readCharges } from '../platform/charges/target-charges.ts';
import { readSeals } from '../platform/usage-store/seals.ts';
import type { AccountContext } from './account-route.ts';
import type { PreviewedCharges } from './core/subscriptions/preview-answer.ts';

/** Instants that are looked at. */
const STEPS_MAX = 120;

export interface PreviewWanted {
  readonly customer: TenantCustomer;
  /** All subscriptions of the customer. */
  readonly before: readonly CustomerSubscription[];
  readonly after: readonly CustomerSubscription[];
  /** From when on they differ, now, and how far to look; milliseconds since the epoch. */
  readonly from: number;
  readonly now: number;
  readonly until: number;
}

const tooFar = (): Problem =>
  invalidParameter('until', `more than ${STEPS_MAX} charges are due by then; ask for an earlier instant`);

/** What was read of usage may be of a chunk that was being counted again. */
const usageMoved = (): Problem =>
  new Problem('store_unavailable', 'Usage is being counted again. Send the same request again.', {
    headers: retryAfter(1),
  });

/** Throws a `Problem`. */
export async function readPreviewedCharges(
  { reads, usage }: Pick<AccountContext, 'reads' | 'usage'>,
  catalog: RatingCatalog,
  { customer, before, after, from, now, until }: PreviewWanted,
): Promise<PreviewedCharges> {
  const stored = await readBillingPeriods(reads, [customer]);
  const ownership = new Ownership(await readAssignmentsAround(reads, [customer]));
  const progress = await readProgressOf(reads, customer);
  const seals = await readSeals(reads);
  const closed = stored.reduce((latest, each) => Math.max(latest, each.closedUpTo ?? 0), progress.closedUpTo ?? 0);
  const whose = { ...customer, subjects: ownership.subjectsOf(customer) };
  const [was, is] = [before, after].map((subscriptions) => {
    const by = billedBy(catalog.history, subscriptions);
    const steps = plannedSteps(by, whose, stored, { from, now, until }, STEPS_MAX);
    if (steps === null) throw tooFar();
    return steps;
  });
  const targets = [...was!, ...is!].flatMap((step) => step.targets);
  const basis = { seals, closedUpTo: closed, catalogs: { of: () => catalog } };
  const charges = await readCharges(storedUsageReads(usage), basis, targets);
  if (!holdsAllSealsOf(await readSeals(reads), seals)) throw usageMoved();
  const read = new Map(charges.map((each) => [each.target, each]));
  const sides = { before: chargedAhead(was!, read), after: chargedAhead(is!, read) };
  return { ...sides, currency: catalog.newest.currency, until, usageUpTo: closed === 0 ? null : closed };
}
