// GET /v1/line-items: pages of what was charged, in order of window and then of writing.
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import { type LineItem, readLineItems as readStored } from '../platform/billing-store/line-items.ts';
import { encodeCursor, parseLineItemsRequest } from './core/line-item-page.ts';
import type { Read } from './read.ts';
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

export const listLineItems: Read = async ({ pool, catalogs }, { tenant, parameters }) => {
  const { limit, ...selection } = parseLineItemsRequest(parameters);
  // One more than asked for tells whether there is a next page.
  const items = await readStored(pool, { tenant, ...selection, rowsMax: limit + 1 });
  const page = items.slice(0, limit);
  const last = items.length > limit ? page.at(-1) : undefined;
  const zeroAmounts = await readZeroAmounts(pool, catalogs, page);
  return {
    data: page.map((item) => lineItem(item, zeroAmounts.get(item.id) ?? null)),
    nextCursor: last === undefined ? null : encodeCursor(selection, last),
  };
};
