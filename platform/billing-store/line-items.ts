// Line items in Postgres. Rows are only ever added.
import type { PoolClient } from 'pg';
import type { Holding } from '../../domain/accounts/assignments.ts';
import type { PeriodKey, PeriodStart, PricedKey } from '../../domain/billing/billing-period-terms.ts';
import type { ItemTerm, LineItemCause, LineItemKind, NewLineItem } from '../../domain/billing/line-item.ts';
import { lineItemId } from '../../domain/billing/line-item-key.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { formatQuantity, type Quantity } from '../../domain/number/quantity.ts';
import {
  type Column,
  decimal,
  instant,
  instantParameter,
  int,
  json,
  large,
  namesOf,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
  textOf,
  uuid,
} from '../postgres/table-columns.ts';
import { quantityFromStore } from '../usage-store/usage-query.ts';
import { periodKeyColumns, periodStartColumns } from './billing-periods.ts';
import { insertLedgerEntries } from './ledger-entries.ts';

export const quantity = (name: string): Column<Quantity> => ({
  ...{ name, type: 'numeric', isNullable: false },
  write: formatQuantity,
  read: (stored) => quantityFromStore(stored as string),
});

/** What a rating says of an item. */
const givenColumns = {
  id: uuid('id'),
  ...periodKeyColumns,
  plan: text('plan'),
  price: text('price'),
  /** Whose usage it is alone; '': that of all the customer's subjects together. */
  subject: text('subject'),
  /** Null for a price of the period itself. */
  meter: nullable(text('meter')),
  groups: json<Readonly<Record<string, string>>>('groups'),
  windowStart: instant('window_start'),
  windowEnd: instant('window_end'),
  /** Where its term begins: the stretch of the period in which one definition of the price holds. */
  termStart: instant('term_start'),
  /** As it stands there: an audit has to read what no rating could have written. */
  quantity: decimal('quantity'),
  amount: decimal('amount'),
  currency: text('currency'),
  kind: textOf<LineItemKind>('kind'),
  revision: int('revision'),
  cause: textOf<LineItemCause>('cause'),
  /** Null: by a price of the subscription's own. */
  catalogVersion: nullable(int('catalog_version')),
};
/** What an audit computes anew; the amount is the difference between the second and all amounts before. */
const derivationColumns = {
  cumulativeQuantity: quantity('cumulative_quantity'),
  cumulativeAmount: decimal('cumulative_amount'),
};
/** What its row gets by itself. `sequence` orders the rows for cursors. */
export const lineItemColumns = { ...givenColumns, createdAt: instant('created_at'), sequence: large('sequence') };

/** A row of tallyline.line_items. */
export type LineItem = RecordOf<typeof lineItemColumns>;

const SELECT_ITEMS = `SELECT ${selected(lineItemColumns, 'item')}`;
const itemOf = (row: Readonly<Record<string, unknown>>): LineItem => recordOf(lineItemColumns, row);

/** The items that some customers have in some stretches of time: those that lie in a stretch with a part of theirs. */
export interface ItemsOf {
  readonly holdings: readonly Holding[];
  /** Without those of one other subject alone; null: with all of them. */
  readonly subject: string | null;
}

/** SQL of a condition on `item`, whose parameters begin at `$first`, and these. */
function itemsOf(of: ItemsOf | null, first: number): { readonly sql: string; readonly params: unknown[] } {
  if (of === null) return { sql: 'true', params: [] };
  const { holdings, subject } = of;
  const bound = (time: number): string =>
    Number.isFinite(time) ? new Date(time).toISOString() : time < 0 ? '-infinity' : 'infinity';
  const [customers, starts, ends] = [
    holdings.map(({ customer }) => customer),
    holdings.map(({ from }) => bound(from)),
    holdings.map(({ to }) => bound(to)),
  ];
  const isAlways = starts.every((start) => start === '-infinity') && ends.every((end) => end === 'infinity');
  // By name first, which an index has.
  const named = `item.customer = ANY($${first}::text[])
    AND ($${first + 1}::text IS NULL OR item.subject IN ('', $${first + 1}))`;
  if (isAlways) return { sql: named, params: [customers, subject] };
  return {
    sql: `${named} AND EXISTS (
      SELECT FROM unnest($${first}::text[], $${first + 2}::timestamptz[], $${first + 3}::timestamptz[])
        AS held (customer, starts_at, ends_at)
      WHERE held.customer = item.customer AND item.window_start < held.ends_at AND item.window_end > held.starts_at)`,
    params: [customers, subject, starts, ends],
  };
}

export interface LineItemSelection {
  readonly tenant: string;
  /** Null: of whoever's. */
  readonly of: ItemsOf | null;
  /** Of the window start, inclusive and exclusive, in milliseconds since the epoch; null: no bound. */
  readonly from: number | null;
  readonly to: number | null;
  /** Only what comes after this place; null: from the first. */
  readonly after: Pick<LineItem, 'windowStart' | 'sequence'> | null;
  readonly rowsMax: number;
}

/** In order of window and then of writing. */
export async function readLineItems(queries: Queries, selection: LineItemSelection): Promise<LineItem[]> {
  const { tenant, of, from, to, after, rowsMax } = selection;
  const { sql, params } = itemsOf(of, 7);
  const { rows } = await queries.query(
    `${SELECT_ITEMS} FROM tallyline.line_items item
     WHERE tenant = $1
       AND ($2::timestamptz IS NULL OR window_start >= $2)
       AND ($3::timestamptz IS NULL OR window_start < $3)
       AND ($4::timestamptz IS NULL OR (window_start, sequence) > ($4, $5::bigint))
       AND ${sql}
     ORDER BY window_start, sequence
     LIMIT $6`,
    [
      ...[tenant, instantParameter(from), instantParameter(to)],
      ...[instantParameter(after?.windowStart ?? null), after?.sequence.toString() ?? null, rowsMax],
      ...params,
    ],
  );
  return rows.map(itemOf);
}

/**
 * Where the first window of these items starts; null: there is none. A window starts in its own period, so one of the
 * first period is the first.
 */
export async function readFirstItemWindow(queries: Queries, tenant: string, of: ItemsOf): Promise<number | null> {
  const { sql, params } = itemsOf(of, 2);
  const { rows } = await queries.query<{ first: Date | null }>(
    `SELECT min(window_start) AS first FROM tallyline.line_items item WHERE tenant = $1 AND ${sql} AND period_start =
       (SELECT min(period_start) FROM tallyline.line_items item WHERE tenant = $1 AND ${sql})`,
    [tenant, ...params],
  );
  return rows[0]?.first?.getTime() ?? null;
}

/**
 * Of the usage of some meters: the items whose window starts by `to` and ends after `from` (milliseconds). In order of
 * writing.
 */
export async function readLineItemsAcross(
  queries: Queries,
  tenant: string,
  of: ItemsOf,
  meters: readonly string[],
  { from, to }: { readonly from: number; readonly to: number },
): Promise<LineItem[]> {
  const { sql, params } = itemsOf(of, 5);
  const { rows } = await queries.query(
    `${SELECT_ITEMS} FROM tallyline.line_items item
     WHERE tenant = $1 AND meter = ANY($2) AND window_start <= $3 AND window_end > $4 AND ${sql} ORDER BY sequence`,
    [tenant, meters, new Date(to), new Date(from), ...params],
  );
  return rows.map(itemOf);
}

/** Null: there is none, of the tenant, or of the customer where one is named. */
export async function readLineItem(
  queries: Queries,
  tenant: string,
  id: string,
  customer: string | null,
): Promise<LineItem | null> {
  const { rows } = await queries.query(
    `${SELECT_ITEMS} FROM tallyline.line_items item
     WHERE id = $1 AND tenant = $2 AND ($3::text IS NULL OR customer = $3)`,
    [id, tenant, customer],
  );
  return rows[0] === undefined ? null : itemOf(rows[0]);
}

/** By id: the term's usage after each of these items, as the item was computed from it. */
export async function readCumulativeQuantities(
  queries: Queries,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Decimal>> {
  const { rows } = await queries.query<{ id: string; quantity: string }>(
    'SELECT id, cumulative_quantity AS quantity FROM tallyline.line_items WHERE id = ANY($1)',
    [ids],
  );
  return new Map(rows.map(({ id, quantity }) => [id, Decimal.parse(quantity)]));
}

/** All items of the periods that start so, in no order. Each start is named once. */
export async function readLineItemsOf(queries: Queries, starts: readonly PeriodStart[]): Promise<LineItem[]> {
  const wanted = tableOf(periodStartColumns, starts, 'wanted');
  const { rows } = await queries.query(
    `${SELECT_ITEMS} FROM ${wanted.sql} JOIN tallyline.line_items item USING (${namesOf(periodStartColumns)})`,
    wanted.params,
  );
  return rows.map(itemOf);
}

/** The periods of the newest line items: `itemsMax` or more of these. */
export async function readNewestPeriods(queries: Queries, itemsMax: number): Promise<PeriodKey[]> {
  const { rows: last } = await queries.query<{ last: string }>(
    `SELECT last_value AS last FROM pg_sequences
     WHERE schemaname || '.' || sequencename = pg_get_serial_sequence('tallyline.line_items', 'sequence')`,
  );
  const { rows } = await queries.query(
    `SELECT DISTINCT ${selected(periodKeyColumns, 'item')} FROM tallyline.line_items item WHERE sequence > $1 LIMIT $2`,
    [Number(last[0]?.last ?? 0) - itemsMax, itemsMax],
  );
  return rows.map((row) => recordOf(periodKeyColumns, row));
}

const itemTermColumns = {
  ...periodKeyColumns,
  plan: givenColumns.plan,
  price: givenColumns.price,
  subject: givenColumns.subject,
  termStart: givenColumns.termStart,
  meter: givenColumns.meter,
  groups: givenColumns.groups,
  currency: givenColumns.currency,
  catalogVersion: givenColumns.catalogVersion,
};
const pricedKeyColumns = {
  tenant: text('tenant'),
  customer: text('customer'),
  periodStart: instant('period_start'),
  price: text('price'),
  subject: text('subject'),
  subscription: text('subscription'),
  periodEnd: instant('period_end'),
  termStart: instant('term_start'),
};

/** What the newest item of each of these terms says of it; in any order. */
export async function readNewestItems(queries: Queries, terms: readonly PricedKey[]): Promise<ItemTerm[]> {
  const wanted = tableOf(pricedKeyColumns, terms, 'wanted');
  const { rows } = await queries.query(
    `SELECT ${selected(itemTermColumns, 'newest')} FROM ${wanted.sql} CROSS JOIN LATERAL (
       SELECT * FROM tallyline.line_items item
       WHERE (${namesOf(pricedKeyColumns, 'item')}) = (${namesOf(pricedKeyColumns, 'wanted')})
       ORDER BY item.sequence DESC LIMIT 1
     ) newest`,
    wanted.params,
  );
  return rows.map((row) => recordOf(itemTermColumns, row));
}

/** How many items there are, by why they were written. */
export async function countLineItems(queries: Queries): Promise<ReadonlyMap<LineItemCause, number>> {
  const { rows } = await queries.query<{ cause: LineItemCause; count: number }>(
    'SELECT cause, count(*)::int AS count FROM tallyline.line_items GROUP BY cause',
  );
  return new Map(rows.map(({ cause, count }) => [cause, count]));
}

/** What is an item's own. */
const ownColumns = {
  id: givenColumns.id,
  ...periodKeyColumns,
  subject: givenColumns.subject,
  termStart: givenColumns.termStart,
  windowStart: givenColumns.windowStart,
  windowEnd: givenColumns.windowEnd,
  revision: givenColumns.revision,
  quantity: quantity('quantity'),
  amount: givenColumns.amount,
  ...derivationColumns,
  /** The place of its label. */
  label: int('label'),
};
/** What many items of a rating say alike: it is written to Postgres once. */
const labelColumns = {
  plan: givenColumns.plan,
  price: givenColumns.price,
  meter: givenColumns.meter,
  groups: givenColumns.groups,
  currency: givenColumns.currency,
  kind: givenColumns.kind,
  cause: givenColumns.cause,
  catalogVersion: givenColumns.catalogVersion,
};
type OwnRow = RecordOf<typeof ownColumns>;
type Label = RecordOf<typeof labelColumns>;

/** The different labels of some items, each with its place from 1 on. */
class Labels {
  readonly all: Label[] = [];
  private readonly byPrice = new Map<string, { readonly label: Label; readonly place: number }[]>();

  placeOf({ plan, price, meter, groups, currency, catalogVersion, item: { kind, cause } }: NewLineItem): number {
    const known = this.byPrice.get(price);
    for (const { label, place } of known ?? []) {
      const isSame =
        label.groups === groups &&
        label.cause === cause &&
        label.kind === kind &&
        label.plan === plan &&
        label.catalogVersion === catalogVersion &&
        label.meter === meter &&
        label.currency === currency;
      if (isSame) return place;
    }
    const place = this.all.push({ plan, price, meter, groups, currency, kind, cause, catalogVersion });
    const added = { label: this.all[place - 1]!, place };
    if (known === undefined) this.byPrice.set(price, [added]);
    else known.push(added);
    return place;
  }
}

/** Field by field: two records of this size that are spread into one cost as much as all else that rating does. */
function ownRow(line: NewLineItem, label: number): OwnRow {
  const { tenant, customer, subscription, periodStart, periodEnd, price, subject, termStart, item } = line;
  const { windowStart, revision } = item;
  return {
    id: lineItemId({
      tenant,
      customer,
      subscription,
      periodStart,
      periodEnd,
      price,
      subject,
      termStart,
      windowStart,
      revision,
    }),
    tenant,
    customer,
    subscription,
    periodStart,
    periodEnd,
    subject,
    termStart,
    windowStart,
    windowEnd: item.windowEnd,
    revision,
    quantity: item.quantity,
    amount: item.amount,
    cumulativeQuantity: item.cumulativeQuantity,
    cumulativeAmount: item.cumulativeAmount,
    label,
  };
}

/** Postgres takes no message above 1 GB, and the columns of a statement are in memory as text. */
const STATEMENT_ITEMS_MAX = 10_000;

const { label: _label, ...storedOwnColumns } = ownColumns;
const STORED = `${namesOf(storedOwnColumns)}, ${namesOf(labelColumns)}`;

/**
 * Adds the items of a rating, each with its two ledger entries: the customer owes, the price has earned. One
 * transaction an item.
 */
export async function insertLineItems(
  client: PoolClient,
  lineItems: readonly NewLineItem[],
  rating: bigint,
): Promise<void> {
  for (let from = 0; from < lineItems.length; from += STATEMENT_ITEMS_MAX) {
    const some = lineItems.slice(from, from + STATEMENT_ITEMS_MAX);
    const labels = new Labels();
    const rows = some.map((line) => ownRow(line, labels.placeOf(line)));
    const items = tableOf(ownColumns, rows, 'item');
    const said = tableOf(labelColumns, labels.all, 'label', items.params);
    await client.query(
      `INSERT INTO tallyline.line_items (${STORED}, rating)
       SELECT ${namesOf(storedOwnColumns, 'item')}, ${namesOf(labelColumns, 'label')}, $${said.params.length + 1}::bigint
       FROM ${items.sql} JOIN ${said.sql} ON label.place = item.label ORDER BY item.place`,
      [...said.params, rating.toString()],
    );
    await insertLedgerEntries(
      client,
      some.map(({ price, currency }, i) => ({ ...rows[i]!, price, currency })),
    );
  }
}
