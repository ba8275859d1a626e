// What the line items of each term of each price come to.
import { type PeriodStart, startText, termText } from '../../domain/billing/billing-period-terms.ts';
import { EARLIER, type WrittenPrices, type WrittenTerm } from '../../domain/billing/line-item.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import {
  decimal,
  instant,
  int,
  namesOf,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
} from '../postgres/table-columns.ts';
import { type PeriodScope, scopeParams } from './billed-periods.ts';
import { periodKeyColumns, periodStartColumns } from './billing-periods.ts';
import { quantity } from './line-items.ts';

/** The periods of a customer that start at an instant, whose line items are read. */
export interface WrittenSelection extends PeriodStart {
  /** A term's items of usage whose windows start before are read as those of one window. Milliseconds. */
  readonly detailFrom: number;
}

const wantedColumns = { ...periodStartColumns, detailFrom: instant('detail_from') };
const termColumns = {
  price: text('price'),
  subject: text('subject'),
  subscription: text('subscription'),
  periodEnd: instant('period_end'),
  termStart: instant('term_start'),
};
const windowColumns = {
  ...termColumns,
  windowStart: nullable(instant('window_start')),
  lastStart: instant('last_start'),
  windowEnd: instant('window_end'),
  quantity: quantity('quantity'),
  amount: decimal('amount'),
  revision: int('revision'),
};

const SUMS = `max(item.window_start) AS last_start, max(item.window_end) AS window_end, sum(item.quantity) AS quantity,
  sum(item.amount) AS amount, max(item.revision) AS revision`;
const TERM = namesOf(termColumns, 'item');
const OF_START = `(${namesOf(periodStartColumns, 'item')}) = (${namesOf(periodStartColumns, 'wanted')})`;

/** By `startText`; one without items is absent, and so is a price. */
export async function readWrittenPrices(
  queries: Queries,
  starts: readonly WrittenSelection[],
): Promise<ReadonlyMap<string, WrittenPrices>> {
  const wanted = tableOf(wantedColumns, starts, 'wanted');
  const { rows } = await queries.query(
    // A start at a time, by the unique key: joined as a whole, all line items there are would look cheaper to read.
    `SELECT ${selected(periodStartColumns, 'wanted')}, ${selected(windowColumns, 'written')}
     FROM ${wanted.sql}
     CROSS JOIN LATERAL (
       SELECT ${TERM}, NULL::timestamptz AS window_start, ${SUMS}
       FROM tallyline.line_items item
       WHERE ${OF_START} AND item.meter IS NOT NULL AND item.window_start < wanted.detail_from
       GROUP BY ${TERM}
       UNION ALL
       SELECT ${TERM}, item.window_start, ${SUMS}
       FROM tallyline.line_items item
       WHERE ${OF_START} AND (item.meter IS NULL OR item.window_start >= wanted.detail_from)
       GROUP BY ${TERM}, item.window_start
     ) written`,
    wanted.params,
  );
  const written = new Map<string, Map<string, Map<string, WrittenTerm>>>();
  for (const row of rows) {
    const { price, subject, subscription, periodEnd, termStart, amount, ...window } = recordOf(windowColumns, row);
    const key = startText(recordOf(periodStartColumns, row));
    const prices = written.get(key) ?? new Map<string, Map<string, WrittenTerm>>();
    written.set(key, prices);
    const terms = prices.get(price) ?? new Map<string, WrittenTerm>();
    prices.set(price, terms);
    const term = { subscription, periodEnd, termStart, subject };
    const known = terms.get(termText(term));
    const windows = known?.windows ?? [];
    windows.push({ ...window, windowStart: window.windowStart ?? EARLIER });
    terms.set(termText(term), { ...term, windows, amount: (known?.amount ?? Decimal.zero).plus(amount) });
  }
  return written;
}

const sumColumns = {
  ...periodKeyColumns,
  price: text('price'),
  subject: text('subject'),
  termStart: instant('term_start'),
  amount: decimal('amount'),
  quantity: decimal('quantity'),
};

/** What was charged in a term of a price, of one subject where the price is for each. */
export type PriceSum = RecordOf<typeof sumColumns>;

const PRICED = `${namesOf(periodKeyColumns, 'item')}, item.price, item.subject, item.term_start`;

export async function readPriceSums(queries: Queries, scope: PeriodScope): Promise<PriceSum[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(sumColumns, 'sums')} FROM (
       SELECT ${PRICED}, sum(item.amount) AS amount, sum(item.quantity) AS quantity
       FROM tallyline.line_items item
       WHERE ($1::text IS NULL OR item.tenant = $1)
         AND ($2::timestamptz IS NULL OR item.period_start >= $2)
         AND ($3::timestamptz IS NULL OR item.period_end <= $3)
       GROUP BY ${PRICED}
     ) sums`,
    scopeParams(scope),
  );
  return rows.map((row) => recordOf(sumColumns, row));
}
