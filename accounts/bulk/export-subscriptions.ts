// All subscriptions of a tenant, as a file that `import subscriptions` takes: in the order of their making, each with
// what was changed of it.
import { readSubscriptions, type SubscriptionSelection } from '../../platform/account-store/subscriptions.ts';
import type { Queries } from '../../platform/postgres/table-columns.ts';
import { subscriptionRowOf } from '../core/subscriptions/subscription-rows.ts';

const PAGE_ROWS = 1_000;

/** Lines of NDJSON without their ends. */
export async function* exportedSubscriptions(queries: Queries, tenant: string): AsyncGenerator<string> {
  const selection: SubscriptionSelection = { tenants: { tenant }, customer: null, afterNumber: 0, rowsMax: PAGE_ROWS };
  for (let afterNumber = 0; ; ) {
    const page = await readSubscriptions(queries, { ...selection, afterNumber });
    for (const { subscription } of page) yield JSON.stringify(subscriptionRowOf(subscription));
    if (page.length < PAGE_ROWS) return;
    afterNumber = page.at(-1)!.number;
  }
}
