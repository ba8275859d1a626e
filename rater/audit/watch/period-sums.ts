// Billing periods with what all their line items come to, and whether the ledger has these as it should, as of one
// moment.
import type { Pool, PoolClient } from 'pg';
import { customerText, type PeriodStart, startText } from '../../../domain/billing/billing-period-terms.ts';
import { ledgerTransactionId } from '../../../domain/billing/line-item-key.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import type { CustomerSubscription } from '../../../domain/terms/customer-subscription.ts';
import { readSubscriptionsOfCustomers } from '../../../platform/account-store/subscriptions.ts';
import { type BilledPeriod, readBilledPeriods } from '../../../platform/billing-store/billed-periods.ts';
import { readLedgerSums } from '../../../platform/billing-store/ledger-entries.ts';
import { type LineItem, readLineItemsOf } from '../../../platform/billing-store/line-items.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';
import type { ChargedSum } from '../expected-terms.ts';

/** The periods of a customer that start at an instant: they are rated together, so what one was rated by all were. */
export interface StartSums extends BilledPeriod {
  /** What the customer is billed by. */
  readonly subscriptions: readonly CustomerSubscription[];
  readonly charged: readonly ChargedSum[];
  /** How many line items there are. */
  readonly items: number;
  /** Those of them that the ledger does not have as it should. */
  readonly misposted: readonly LedgerItem[];
}

/** A line item and what the ledger says of it. */
interface LedgerItem {
  readonly id: string;
  readonly transactionId: string;
  readonly amount: Decimal;
  /** Its entries on the customer's account. */
  readonly receivable: Decimal;
  /** All entries of its transaction. */
  readonly balance: Decimal;
}

/** Of those that were ever rated. Each start is named once. */
export function readStartSums(pool: Pool, starts: readonly PeriodStart[]): Promise<StartSums[]> {
  return inTransaction(
    pool,
    async (client) => {
      const periods = new Map((await readBilledPeriods(client, starts)).map((period) => [startText(period), period]));
      const customers = new Map([...periods.values()].map((period) => [customerText(period), period]));
      const records = await readSubscriptionsOfCustomers(client, [...customers.values()]);
      const subscriptions = groupBy(records, customerText);
      return inSlices([...periods.values()], async (slice) => {
        const items = await readItems(client, slice);
        return slice.map((period) => ({
          ...period,
          subscriptions: subscriptions.get(customerText(period)) ?? [],
          ...sumsOf(items.get(startText(period)) ?? []),
        }));
      });
    },
    { isolation: 'repeatable read' },
  );
}

/** With many prices, the line items of one month of one customer are tens of thousands. */
const ITEMS_AT_ONCE = 50_000;

/**
 * Reads the periods a slice at a time. How many items a period has shows only once they are read: a slice has as many
 * periods as would come to `ITEMS_AT_ONCE` if they had as many items as those before them had on average. The first is
 * one period.
 */
async function inSlices(
  periods: readonly BilledPeriod[],
  read: (slice: readonly BilledPeriod[]) => Promise<StartSums[]>,
): Promise<StartSums[]> {
  const all: StartSums[] = [];
  let itemsRead = 0;
  while (all.length < periods.length) {
    const size = Math.max(1, Math.floor((ITEMS_AT_ONCE * all.length) / Math.max(1, itemsRead)));
    const sums = await read(periods.slice(all.length, all.length + size));
    for (const { items } of sums) itemsRead += items;
    all.push(...sums);
  }
  return all;
}

type Item = LineItem & { readonly ledger: LedgerItem };

/** By start. */
async function readItems(client: PoolClient, starts: readonly PeriodStart[]): Promise<Map<string, Item[]>> {
  const lineItems = await readLineItemsOf(client, starts);
  const transactionIds = lineItems.map(ledgerTransactionId);
  const sums = await readLedgerSums(client, transactionIds);
  const items = lineItems.map((item, i): Item => {
    const transactionId = transactionIds[i]!;
    const sum = sums.get(transactionId);
    const ledger: LedgerItem = {
      id: item.id,
      transactionId,
      amount: item.amount,
      receivable: sum?.receivable ?? Decimal.zero,
      balance: sum?.balance ?? Decimal.zero,
    };
    return { ...item, ledger };
  });
  return groupBy(items, startText);
}

const isPosted = ({ amount, receivable, balance }: LedgerItem): boolean =>
  receivable.equals(amount) && balance.equals(Decimal.zero);

function sumsOf(items: readonly Item[]): Pick<StartSums, 'charged' | 'items' | 'misposted'> {
  const charged = new Map<string, ChargedSum>();
  for (const { price, subscription, periodEnd, termStart, subject, quantity, amount } of items) {
    const key = keyText(price, subscription, periodEnd, termStart, subject);
    const known = charged.get(key);
    charged.set(key, {
      ...{ price, subscription, periodEnd, termStart, subject },
      quantity: known === undefined ? quantity : known.quantity.plus(quantity),
      amount: known === undefined ? amount : known.amount.plus(amount),
    });
  }
  return {
    charged: [...charged.values()],
    items: items.length,
    misposted: items.map(({ ledger }) => ledger).filter((ledger) => !isPosted(ledger)),
  };
}
