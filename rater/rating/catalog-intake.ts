// Takes a version of the catalog in: whomever it concerns is due from when on it holds. These are the customers that
// have one of the plans of which it says something else than the version before it, and nobody besides: a price that
// changes for a hundred customers costs a hundred, however many there are.
//
// They are marked page by page, each in a statement by itself. A rater that is gone in between has not moved the
// progress, so all of them are marked again; to be due is a minimum, and whoever was rated meanwhile finds nothing
// missing.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import type { RatingState } from '../store/rating-store.ts';

/** Marked in one statement. */
const CUSTOMERS_AT_ONCE = 10_000;

/** `history`: of all versions up to that one, or of more. */
export async function markConcerned(
  store: Pick<RatingState, 'markHoldersDue'>,
  history: CatalogHistory,
  version: number,
  dueAt: number,
  customersMax = CUSTOMERS_AT_ONCE,
): Promise<void> {
  for (const plan of plansOf(history, version)) {
    let after: TenantCustomer | null = null;
    do after = await store.markHoldersDue(plan, dueAt, { after, customersMax });
    while (after !== null);
  }
}

/** Null: the default plan's payers, of whom no record says that they have it. */
function plansOf(history: CatalogHistory, version: number): readonly (string | null)[] {
  const plans = history.plansChangedBy(version);
  const isOfDefault = history.defaultPlan.some(({ value }) => value !== null && plans.includes(value));
  return isOfDefault ? [...plans, null] : plans;
}
