// What the line items of each price in each billing period come to.
import { type PeriodKey, pricedText } from '../../domain/billing/billing-period-terms.ts';
import type { WrittenPrice, WrittenPrices } from '../../domain/billing/line-item.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import {
  decimal,
  instant,
  int,
  namesOf,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
} from '../postgres/table-columns.ts';
import { type PeriodScope, scopeParams } from './billed-periods.ts';
import { periodKeyColumns } from './billing-periods.ts';
import { quantity } from './line-items.ts';

/** A period whose line items are read. */
export interface PeriodDetail extends PeriodKey {
  /**
   * The items of windows that start before are read as those of one window, which starts with the period. Milliseconds.
   */
  readonly detailFrom: number;
}

const detailColumns = { ...periodKeyColumns, detailFrom: instant('detail_from') };
const windowColumns = {
  price: text('price'),
  subject: text('subject'),
  windowStart: instant('window_start'),
  windowEnd: instant('window_end'),
  quantity: quantity('quantity'),
  amount: decimal('amount'),
  revision: int('revision'),
};

const SUMS = `max(item.window_end) AS window_end, sum(item.quantity) AS quantity, sum(item.amount) AS amount,
  max(item.revision) AS revision`;
const OF_PERIOD = `(${namesOf(periodKeyColumns, 'item')}) = (${namesOf(periodKeyColumns, 'wanted')})`;

/** A price without items is absent. */
export async function readWrittenPrices(queries: Queries, periods: readonly PeriodDetail[]): Promise<WrittenPrices> {
  const wanted = tableOf(detailColumns, periods, 'wanted');
  const { rows } = await queries.query(
    // A period at a time, by the unique key: joined as a whole, all line items there are would look cheaper to read.
    `SELECT ${selected(periodKeyColumns, 'wanted')}, ${selected(windowColumns, 'written')}
     FROM ${wanted.sql}
     CROSS JOIN LATERAL (
       SELECT item.price, item.subject, wanted.period_start AS window_start, ${SUMS}
       FROM tallyline.line_items item WHERE ${OF_PERIOD} AND item.window_start < wanted.detail_from
       GROUP BY item.price, item.subject
       UNION ALL
       SELECT item.price, item.subject, item.window_start, ${SUMS}
       FROM tallyline.line_items item WHERE ${OF_PERIOD} AND item.window_start >= wanted.detail_from
       GROUP BY item.price, item.subject, item.window_start
     ) written`,
    wanted.params,
  );
  const prices = new Map<string, Map<string, WrittenPrice>>();
  for (const row of rows) {
    const { price, subject, amount, ...window } = recordOf(windowColumns, row);
    const key = pricedText(recordOf(periodKeyColumns, row), price);
    const bySubject = prices.get(key) ?? new Map<string, WrittenPrice>();
    prices.set(key, bySubject);
    const known = bySubject.get(subject);
    const windows = known?.windows ?? [];
    windows.push(window);
    bySubject.set(subject, { windows, amount: (known?.amount ?? Decimal.zero).plus(amount) });
  }
  return prices;
}

const sumColumns = {
  ...periodKeyColumns,
  price: text('price'),
  subject: text('subject'),
  amount: decimal('amount'),
  quantity: decimal('quantity'),
};

/** What was charged in a period by a price, of one subject where the price is for each. */
export type PriceSum = RecordOf<typeof sumColumns>;

const PRICED = `${namesOf(periodKeyColumns, 'item')}, item.price, item.subject`;

/** Items whose period is missing count, whatever the bounds of the scope are. */
export async function readPriceSums(queries: Queries, scope: PeriodScope): Promise<PriceSum[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(sumColumns, 'sums')} FROM (
       SELECT ${PRICED}, sum(item.amount) AS amount, sum(item.quantity) AS quantity
       FROM tallyline.line_items item LEFT JOIN tallyline.billing_periods period USING (${namesOf(periodKeyColumns)})
       WHERE ($1::text IS NULL OR item.tenant = $1)
         AND ($2::timestamptz IS NULL OR item.period_start >= $2)
         AND ($3::timestamptz IS NULL OR coalesce(period.period_end, item.period_start) <= $3)
       GROUP BY ${PRICED}
     ) sums`,
    scopeParams(scope),
  );
  return rows.map((row) => recordOf(sumColumns, row));
}
