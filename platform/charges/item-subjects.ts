// How much of a line item's quantity each subject of its customer used (G4): what the subject adds to the item's
// windows by the seals that the item's rating read, less what it added by those of the item before it. Whose the
// subjects are, and which prices hold, is as it is known now.
import { type AssignedSubject, holdingsOf } from '../../domain/accounts/assignments.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { SubjectQuantity } from '../../domain/billing/attribution.ts';
import { POOLED } from '../../domain/billing/billing-period-terms.ts';
import { lineItemId } from '../../domain/billing/line-item-key.ts';
import { groupBy } from '../../domain/composite-key.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import type { Quantity } from '../../domain/number/quantity.ts';
import { atAllTimes } from '../../domain/pricing/taken-usage.ts';
import type { BilledBy } from '../../domain/rating/billed-by.ts';
import { addedAcross } from '../../domain/rating/contributions.ts';
import type { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import { subscriptionOf } from '../../domain/rating/period-targets.ts';
import { countedTerms } from '../../domain/rating/term-usage.ts';
import type { WindowSpan } from '../../domain/rating/window-span.ts';
import type { RatedView } from '../billing-store/item-ratings.ts';
import type { LineItem } from '../billing-store/line-items.ts';
import type { SealedBy } from '../usage-store/sealed-rows.ts';
import { type CountedTime, readCountedUsage, type UsageWanted } from './counted-usage.ts';
import type { RatedUsageReads } from './rated-usage-reads.ts';

/** An item of usage of several subjects, and what is known of it. */
export interface SharedItem {
  readonly item: LineItem;
  readonly meter: Meter;
  /** Whatever is the customer's subject at some time. */
  readonly subjects: readonly AssignedSubject[];
  readonly at: RatedView;
  /** Of the item before it of the same windows; null: there is none. */
  readonly before: RatedView | null;
}

/** The key of the item of the same windows that was written before; null: it is the first. */
export function itemBefore(item: LineItem): { readonly id: string; readonly periodStart: number } | null {
  if (item.revision === 0) return null;
  return { id: lineItemId({ ...item, revision: item.revision - 1 }), periodStart: item.periodStart };
}

/** Whose usage an item is alone; null: of several subjects, or of nobody's. */
export function onlySubject(item: LineItem, subjects: readonly AssignedSubject[]): string | null {
  if (item.subject !== POOLED) return item.subject;
  let only: string | null = null;
  for (const subject of subjects) {
    if (!holdingsOf(subject).some(({ customer, from, to }) => customer === item.customer && from < to)) continue;
    if (only !== null) return null;
    only = subject.subject;
  }
  return only;
}

/** A mean of several subjects is of what each adds to its sum. */
const sharedMeter = (meter: Meter): Meter =>
  aggregationRules(meter.aggregation).isMean ? { ...meter, aggregation: 'sum', across: 'sum' } : meter;

/**
 * The time that has to be read of an item: of what adds up its own windows, else all that counts together with them.
 */
function countedFor(by: Pick<BilledBy, 'terms'>, of: SharedItem): CountedTime {
  const counted = countedWith(by, of);
  const { quantity, windowStart: from, windowEnd: to } = of.item;
  const isByItself = aggregationRules(of.meter.aggregation).isSum && !quantity.isZero;
  return isByItself ? { ...counted, terms: [{ from, to }] } : counted;
}

/**
 * The terms that count together with the item's, and what they take; what the item says where it has no term any more.
 */
function countedWith({ terms }: Pick<BilledBy, 'terms'>, { item }: SharedItem): CountedTime {
  for (const line of terms.usageLines) {
    if (line.slug !== item.price) continue;
    for (const period of terms.usagePeriodsFrom(line, item.periodStart)) {
      if (period.period.end !== item.periodEnd) continue;
      const counted = countedTerms(period).find((each) =>
        each.terms.some((term) => term.from === item.termStart && subscriptionOf(term) === item.subscription),
      );
      if (counted !== undefined) return { ...counted, isBySubject: true, byWindow: true, dimensions: [] };
    }
  }
  const span: WindowSpan = { from: item.termStart, to: Math.max(item.periodEnd, item.windowEnd) };
  const taken = atAllTimes([{ ...span, match: item.groups, leftOut: [] }]);
  return { terms: [span], taken, isBySubject: true, byWindow: true, dimensions: [] };
}

interface Added {
  /** With the item's windows, and up to their end. */
  readonly own: Map<string, Quantity>;
  readonly all: Map<string, Quantity>;
}

const plus = (sums: Map<string, Quantity>, subject: string, quantity: Quantity): void => {
  sums.set(subject, (sums.get(subject) ?? 0n) + quantity);
};

/**
 * By item, what each subject had added by the views; of items whose views are the same in as few reads as there are
 * meters.
 */
async function addedBy(
  store: RatedUsageReads,
  records: RecordsByCustomer,
  seals: SealedBy,
  views: readonly { readonly of: SharedItem; readonly view: RatedView }[],
): Promise<Map<SharedItem, Added>> {
  const found = new Map<SharedItem, Added>();
  for (const alike of groupBy(views, ({ view }) => JSON.stringify(view)).values()) {
    const { vector, closedUpTo } = alike[0]!.view;
    const basis = { seals: { ...seals, vector }, closedUpTo: closedUpTo ?? Number.MAX_SAFE_INTEGER };
    const wanted = alike.map(({ of }): UsageWanted & { readonly of: SharedItem } => {
      const { item, subjects } = of;
      const { tenant, customer, windowStart } = item;
      return {
        of,
        tenant,
        customer,
        subjects,
        meter: sharedMeter(of.meter),
        counted: countedFor(records.of(item), of),
        detailFrom: windowStart,
      };
    });
    const usage = await readCountedUsage(store, wanted, basis);
    for (const { of, meter, counted } of wanted) {
      const added: Added = { own: new Map(), all: new Map() };
      for (const subject of usage.get(counted) ?? []) {
        for (const each of addedAcross(meter, counted.terms, [subject], true)) {
          if (each.windowStart >= of.item.windowEnd) continue;
          plus(added.all, subject.subject, each.quantity);
          if (each.windowStart >= of.item.windowStart) plus(added.own, subject.subject, each.quantity);
        }
      }
      found.set(of, added);
    }
  }
  return found;
}

/**
 * In the order of the items. Where the item is of nobody's usage, as where the same usage costs something else, each
 * has what it used in the term so far.
 */
export async function readItemSubjects(
  store: RatedUsageReads,
  records: RecordsByCustomer,
  seals: SealedBy,
  items: readonly SharedItem[],
): Promise<SubjectQuantity[][]> {
  const now = await addedBy(
    store,
    records,
    seals,
    items.map((of) => ({ of, view: of.at })),
  );
  const earlier = items.flatMap((of) => (of.before === null ? [] : [{ of, view: of.before }]));
  const before = await addedBy(store, records, seals, earlier);
  return items.map((of) => {
    const { own, all } = now.get(of)!;
    const used = new Map(own);
    for (const [subject, quantity] of before.get(of)?.own ?? []) plus(used, subject, -quantity);
    const isOfSomebody = [...used.values()].some((quantity) => quantity !== 0n);
    return [...(isOfSomebody ? used : all)].map(([subject, quantity]) => ({ subject, quantity }));
  });
}
