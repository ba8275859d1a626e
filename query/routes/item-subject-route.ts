// GET /v1/line-item-subjects: what each subject cost of line items (G4): an attribution, shared by what the subjects
// used. The amounts of an item's rows add up to the item's.
//
// What an item is of is read by the seals that its rating read, so items of one rating are read together, and an answer
// looks at so many ratings at most: it may have fewer rows than asked for, and a cursor all the same.
import { Ownership } from '../../domain/accounts/ownership.ts';
import { attributed } from '../../domain/billing/attribution.ts';
import type { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { Problem } from '../../domain/problem.ts';
import { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import { ALWAYS } from '../../domain/rating/window-span.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readAssignmentsAround } from '../../platform/account-store/subject-assignments.ts';
import { readSubscriptionsOfCustomers } from '../../platform/account-store/subscriptions.ts';
import { readRatedViews } from '../../platform/billing-store/item-ratings.ts';
import { type LineItem, readLineItem, readLineItems } from '../../platform/billing-store/line-items.ts';
import { itemBefore, onlySubject, readItemSubjects, type SharedItem } from '../../platform/charges/item-subjects.ts';
import { storedUsageReads } from '../../platform/charges/stored-usage-reads.ts';
import { readSeals } from '../../platform/usage-store/seals.ts';
import {
  type ItemSubjectPlace,
  type ItemSubjectsRequest,
  itemSubjectCursor,
  parseItemSubjectsRequest,
} from '../core/item-subject-page.ts';
import { csvLines, jsonLines } from '../core/row-lines.ts';
import type { QueryContext, Read, StreamedRead } from '../read.ts';

/** Items that are looked at together, of so many ratings and of so many subjects at most. */
const ITEMS_AT_ONCE = 200;
const VIEWS_AT_ONCE = 20;
const SUBJECTS_AT_ONCE = 20_000;

interface Row {
  readonly lineItem: string;
  readonly customer: string;
  readonly price: string;
  readonly windowStart: string;
  readonly windowEnd: string;
  /** Null: of nobody's usage, such as a fee. */
  readonly subject: string | null;
  readonly quantity: string;
  readonly amount: string;
  readonly currency: string;
}

interface PlacedRow {
  readonly row: Row;
  readonly place: ItemSubjectPlace;
}

const rowOf = (item: LineItem, subject: string | null, quantity: string, amount: Decimal): PlacedRow => ({
  row: {
    ...{ lineItem: item.id, customer: item.customer, price: item.price },
    ...{ windowStart: formatRfc3339(item.windowStart), windowEnd: formatRfc3339(item.windowEnd) },
    ...{ subject, quantity, amount: amount.toString(), currency: item.currency },
  },
  place: { windowStart: item.windowStart, sequence: item.sequence, subject },
});

async function readItems(
  { pool }: QueryContext,
  tenant: string,
  { lineItem, customer, from, to }: ItemSubjectsRequest,
  after: ItemSubjectPlace | null,
): Promise<LineItem[]> {
  if (lineItem !== null) {
    const item = await readLineItem(pool, tenant, lineItem, customer);
    if (item === null) throw new Problem('not_found', `There is no line item ${JSON.stringify(lineItem)}.`);
    const isBehind = after !== null && after.subject === null;
    return isBehind ? [] : [item];
  }
  const of = { holdings: [{ customer: customer!, ...ALWAYS }], subject: null };
  // The item of a subject that a page ended at is looked at again.
  const behind =
    after === null ? null : { ...after, sequence: after.subject === null ? after.sequence : after.sequence - 1n };
  return readLineItems(pool, { tenant, of, from, to, after: behind, rowsMax: ITEMS_AT_ONCE });
}

/** The rows of some items from the first on, and how many items these are. */
async function rowsOf(
  context: QueryContext,
  tenant: string,
  items: readonly LineItem[],
): Promise<{ readonly rows: readonly PlacedRow[]; readonly items: number }> {
  const { pool, clickhouse, catalogs } = context;
  const catalog = await catalogs.published(tenant);
  const customers = [...new Set(items.map(({ customer }) => customer))].map((customer) => ({ tenant, customer }));
  const ownership = new Ownership(await readAssignmentsAround(pool, customers));
  const subjectsOf = (item: LineItem) => ownership.subjectsOf(item);
  const isShared = (item: LineItem): boolean => item.meter !== null && onlySubject(item, subjectsOf(item)) === null;
  const shared = items.filter(isShared);
  const views = await readRatedViews(pool, tenant, [...shared, ...shared.flatMap((item) => itemBefore(item) ?? [])]);
  // As many as are of few ratings and subjects.
  const looked = new Set<string>();
  let subjects = 0;
  const known: SharedItem[] = [];
  let count = 0;
  for (const item of items) {
    if (isShared(item)) {
      const earlier = itemBefore(item);
      const at = views.get(item.id)!;
      const before = earlier === null ? null : (views.get(earlier.id) ?? null);
      for (const view of before === null ? [at] : [at, before]) looked.add(JSON.stringify(view));
      subjects += subjectsOf(item).length;
      if ((looked.size > VIEWS_AT_ONCE || subjects > SUBJECTS_AT_ONCE) && count > 0) break;
      known.push({ item, meter: catalog.meters.get(item.meter!)!, subjects: subjectsOf(item), at, before });
    }
    count += 1;
  }
  const subscriptions = await readSubscriptionsOfCustomers(pool, customers);
  const records = new RecordsByCustomer({ of: () => catalog }, subscriptions);
  const seals = known.length === 0 ? null : await readSeals(pool);
  const used = seals === null ? [] : await readItemSubjects(storedUsageReads(clickhouse), records, seals, known);
  const usedBy = new Map(known.map(({ item }, i) => [item, used[i]!]));
  const rows = items.slice(0, count).flatMap((item): PlacedRow[] => {
    const parts = attributed(item.amount, usedBy.get(item) ?? []);
    if (parts !== null)
      return parts.map(({ subject, quantity, amount }) => rowOf(item, subject, formatQuantity(quantity), amount));
    const only = item.meter === null ? null : onlySubject(item, subjectsOf(item));
    return [rowOf(item, only, item.quantity.toString(), item.amount)];
  });
  return { rows, items: count };
}

/** Item by item, behind a place: some rows, and the place behind which there may be more; null: there are none. */
async function* lookedAt(context: QueryContext, tenant: string, request: ItemSubjectsRequest) {
  let after = request.after;
  for (;;) {
    const items = await readItems(context, tenant, request, after);
    if (items.length === 0) return;
    const { rows, items: count } = await rowsOf(context, tenant, items);
    const isBehind = ({ place }: PlacedRow): boolean =>
      after?.subject === null || after === null || place.sequence !== after.sequence || place.subject! > after.subject;
    const behind = rows.filter(isBehind);
    const last = items[count - 1]!;
    const isMore = request.lineItem === null && (count < items.length || items.length === ITEMS_AT_ONCE);
    after = { windowStart: last.windowStart, sequence: last.sequence, subject: null };
    yield { rows: behind, next: isMore ? after : null };
    if (!isMore) return;
  }
}

export const listItemSubjects: Read = async (context, { tenant, parameters }) => {
  const request = parseItemSubjectsRequest(parameters);
  for await (const { rows, next } of lookedAt(context, tenant, request)) {
    const page = rows.slice(0, request.limit);
    const last = rows.length > request.limit ? page.at(-1)!.place : next;
    return { data: page.map(({ row }) => row), nextCursor: last === null ? null : itemSubjectCursor(request, last) };
  }
  return { data: [], nextCursor: null };
};

export const streamItemSubjects: StreamedRead = async (context, { tenant, parameters }, form) => {
  for (const name of ['limit', 'cursor'] as const) {
    if (parameters[name] === undefined) continue;
    throw new Problem('invalid_parameter', `${name}: only of an answer in JSON; a stream has all rows`);
  }
  const request = parseItemSubjectsRequest(parameters);
  async function* rows() {
    for await (const { rows: some } of lookedAt(context, tenant, request)) yield some.map(({ row }) => row);
  }
  if (form === 'ndjson') return jsonLines({ lineItem: request.lineItem, customer: request.customer }, rows());
  const columns = ['lineItem', 'customer', 'price', 'windowStart', 'windowEnd', 'subject', 'quantity', 'amount'];
  return csvLines([...columns, 'currency'], rows(), (row) => [
    ...[row.lineItem, row.customer, row.price, row.windowStart, row.windowEnd],
    ...[row.subject ?? '', row.quantity, row.amount, row.currency],
  ]);
};
