// Billing periods with what all their line items come to, and whether the ledger has these as it should, as of one
// moment.
import type { Pool, PoolClient } from 'pg';
import { type PeriodKey, periodText } from '../../../domain/billing/billing-period-terms.ts';
import { ledgerTransactionId } from '../../../domain/billing/line-item-key.ts';
import { groupBy } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { type BilledPeriod, readBilledPeriods } from '../../../platform/billing-store/billed-periods.ts';
import { readLedgerSums } from '../../../platform/billing-store/ledger-entries.ts';
import { type LineItem, readLineItemsOf } from '../../../platform/billing-store/line-items.ts';
import { inTransaction } from '../../../platform/postgres/pool.ts';

export interface PeriodSums extends BilledPeriod {
  /** By price, then by subject (`POOLED` for those of all together). */
  readonly written: ReadonlyMap<string, ReadonlyMap<string, WrittenSum>>;
  /** How many line items there are. */
  readonly items: number;
  /** Those of them that the ledger does not have as it should. */
  readonly misposted: readonly LedgerItem[];
}

interface WrittenSum {
  readonly quantity: Decimal;
  readonly amount: Decimal;
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

export function readPeriodSums(pool: Pool, keys: readonly PeriodKey[]): Promise<PeriodSums[]> {
  return inTransaction(
    pool,
    async (client) => {
      const periods = await readBilledPeriods(client, keys);
      return inSlices(periods, async (slice) => {
        const items = await readItems(client, slice);
        return slice.map((period) => sumsOf(period, items.get(periodText(period)) ?? []));
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
  read: (slice: readonly BilledPeriod[]) => Promise<PeriodSums[]>,
): Promise<PeriodSums[]> {
  const all: PeriodSums[] = [];
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

/** By period. */
async function readItems(client: PoolClient, periods: readonly PeriodKey[]): Promise<Map<string, Item[]>> {
  const lineItems = await readLineItemsOf(client, periods);
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
  return groupBy(items, periodText);
}

const isPosted = ({ amount, receivable, balance }: LedgerItem): boolean =>
  receivable.equals(amount) && balance.equals(Decimal.zero);

function sumsOf(period: BilledPeriod, items: readonly Item[]): PeriodSums {
  const written = new Map<string, Map<string, WrittenSum>>();
  for (const { price, subject, quantity, amount } of items) {
    const bySubject = written.get(price) ?? new Map<string, WrittenSum>();
    const sum = bySubject.get(subject) ?? { quantity: Decimal.zero, amount: Decimal.zero };
    written.set(
      price,
      bySubject.set(subject, { quantity: sum.quantity.plus(quantity), amount: sum.amount.plus(amount) }),
    );
  }
  return {
    ...period,
    written,
    items: items.length,
    misposted: items.map(({ ledger }) => ledger).filter((ledger) => !isPosted(ledger)),
  };
}
