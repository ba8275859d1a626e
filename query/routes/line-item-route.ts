// GET /v1/line-items: pages of what was charged, in order of window and then of writing.

import { holdingsOf } from '../../domain/accounts/assignments.ts';
import { NO_SUBSCRIPTION, POOLED } from '../../domain/billing/billing-period-terms.ts';
import { pageOf } from '../../domain/requests/cursor.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readAssignedSubject, readFirstSharing } from '../../platform/account-store/subject-assignments.ts';
import {
  type ItemsOf,
  type LineItem,
  readFirstItemWindow,
  readLineItems as readStored,
} from '../../platform/billing-store/line-items.ts';
import { encodeCursor, type LineItemsRequest, parseLineItemsRequest } from '../core/line-item-page.ts';
import { instantOrNull, type Read } from '../read.ts';
import type { BillingReads } from '../stores/store-reads.ts';
import { readZeroAmounts, type ZeroAmount } from './zero-amounts.ts';

/** Amounts and quantities in their shortest form. */
const lineItem = (item: LineItem, subject: string | null, zeroAmount: ZeroAmount | null) => ({
  id: item.id,
  customer: item.customer,
  subscription: item.subscription === NO_SUBSCRIPTION ? null : item.subscription,
  subject,
  plan: item.plan,
  price: item.price,
  meter: item.meter,
  groups: item.groups,
  windowStart: formatRfc3339(item.windowStart),
  windowEnd: formatRfc3339(item.windowEnd),
  periodStart: formatRfc3339(item.periodStart),
  periodEnd: formatRfc3339(item.periodEnd),
  termStart: formatRfc3339(item.termStart),
  catalogVersion: item.catalogVersion,
  quantity: item.quantity.toString(),
  amount: item.amount.toString(),
  zeroAmount,
  currency: item.currency,
  kind: item.kind,
  revision: item.revision,
  createdAt: formatRfc3339(item.createdAt),
});

/**
 * Whose usage an item is alone: of one subject, where the price is for each, or of a customer that had no other by
 * then. Null: it is of several.
 */
function subjectOf({ subject, customer, meter, windowStart, windowEnd }: LineItem, sharedFrom: number | undefined) {
  if (subject !== POOLED) return subject;
  // Usage is of subjects that were there before its window closed; the charge of a period is made at its start.
  return sharedFrom !== undefined && sharedFrom < (meter === null ? windowStart : windowEnd) ? null : customer;
}

/** Which items are asked for; null: all. Where a customer and a subject are named, those that both have. */
async function itemsAskedFor(
  pool: BillingReads,
  tenant: string,
  { customer, subject }: Pick<LineItemsRequest, 'customer' | 'subject'>,
): Promise<ItemsOf | null> {
  if (subject === null) {
    if (customer === null) return null;
    return { holdings: holdingsOf({ subject: customer, assignments: [] }), subject };
  }
  const holdings = holdingsOf(await readAssignedSubject(pool, tenant, subject));
  return { holdings: holdings.filter((held) => customer === null || held.customer === customer), subject };
}

/**
 * Of a subject whose items none are in the answer; null: it has some there, no one was named, or it is a later page.
 */
async function withoutItems(
  pool: BillingReads,
  tenant: string,
  { subject, after }: LineItemsRequest,
  of: ItemsOf | null,
  found: number,
) {
  if (found > 0 || subject === null || of === null || after !== null) return null;
  return [{ subject, firstSeen: instantOrNull(await readFirstItemWindow(pool, tenant, of)) }];
}

export const listLineItems: Read = async ({ pool, catalogs }, { tenant, parameters }) => {
  const request = parseLineItemsRequest(parameters);
  const { limit, from, to, after } = request;
  const of = await itemsAskedFor(pool, tenant, request);
  // One more than asked for tells whether there is a next page.
  const items = await readStored(pool, { tenant, of, from, to, after, rowsMax: limit + 1 });
  const { page, last } = pageOf(items, limit);
  const zeroAmounts = await readZeroAmounts(pool, catalogs, tenant, page);
  const customers = [...new Set(page.map(({ customer }) => customer))];
  const sharing = customers.length === 0 ? new Map() : await readFirstSharing(pool, tenant, customers);
  const withoutLineItems = await withoutItems(pool, tenant, request, of, page.length);
  return {
    ...(withoutLineItems !== null && { withoutLineItems }),
    data: page.map((item) =>
      lineItem(item, subjectOf(item, sharing.get(item.customer)), zeroAmounts.get(item.id) ?? null),
    ),
    nextCursor: last === undefined ? null : encodeCursor(request, last),
  };
};
