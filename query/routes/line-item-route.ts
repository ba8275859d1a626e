// GET /v1/line-items: pages of what was charged, in order of window and then of writing.
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import {
  type LineItem,
  readFirstItemWindow,
  readLineItems as readStored,
} from '../../platform/billing-store/line-items.ts';
import { encodeCursor, type LineItemsRequest, parseLineItemsRequest } from '../core/line-item-page.ts';
import { instantOrNull, type Read } from '../read.ts';
import type { BillingReads } from '../stores/store-reads.ts';
import { readZeroAmounts, type ZeroAmount } from './zero-amounts.ts';

/** Amounts and quantities in their shortest form. */
const lineItem = (item: LineItem, zeroAmount: ZeroAmount | null) => ({
  id: item.id,
  subject: item.subject,
  plan: item.plan,
  price: item.price,
  meter: item.meter,
  groups: item.groups,
  windowStart: formatRfc3339(item.windowStart),
  windowEnd: formatRfc3339(item.windowEnd),
  periodStart: formatRfc3339(item.periodStart),
  periodEnd: formatRfc3339(item.periodEnd),
  quantity: item.quantity.toString(),
  amount: item.amount.toString(),
  zeroAmount,
  currency: item.currency,
  kind: item.kind,
  revision: item.revision,
  createdAt: formatRfc3339(item.createdAt),
});

/**
 * Of a subject whose items none are in the answer; null: it has some there, no one was named, or it is a later page.
 */
async function withoutItems(pool: BillingReads, tenant: string, request: LineItemsRequest, found: number) {
  const { subject, after } = request;
  if (found > 0 || subject === null || after !== null) return null;
  return [{ subject, firstSeen: instantOrNull(await readFirstItemWindow(pool, { tenant, subject })) }];
}

export const listLineItems: Read = async ({ pool, catalogs }, { tenant, parameters }) => {
  const request = parseLineItemsRequest(parameters);
  const { limit, ...selection } = request;
  // One more than asked for tells whether there is a next page.
  const items = await readStored(pool, { tenant, ...selection, rowsMax: limit + 1 });
  const page = items.slice(0, limit);
  const last = items.length > limit ? page.at(-1) : undefined;
  const zeroAmounts = await readZeroAmounts(pool, catalogs, page);
  const withoutLineItems = await withoutItems(pool, tenant, request, page.length);
  return {
    ...(withoutLineItems !== null && { withoutLineItems }),
    data: page.map((item) => lineItem(item, zeroAmounts.get(item.id) ?? null)),
    nextCursor: last === undefined ? null : encodeCursor(selection, last),
  };
};
