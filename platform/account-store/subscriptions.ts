// Subscriptions and their records. A record is a version of its subscription and a change of the account object; the
// three are written in one transaction, under the lock of its customer's subscriptions.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { groupBy, keyText } from '../../domain/composite-key.ts';
import type {
  CustomerSubscription,
  MadeSubscription,
  SubscriptionChange,
  UnnumberedRecord,
} from '../../domain/terms/customer-subscription.ts';
import type { SubscriptionOpening } from '../../domain/terms/subscription-history.ts';
import {
  bool,
  instant,
  int,
  json,
  namesOf,
  nullable,
  placeholders,
  type Queries,
  recordOf,
  selected,
  tableOf,
  text,
  valuesOf,
} from '../postgres/table-columns.ts';
import { type Author, appendChanges } from './account-changes.ts';

export const subscriptionColumns = {
  tenant: text('tenant'),
  id: text('id'),
  customer: text('customer'),
  version: int('version'),
  startsAt: instant('starts_at'),
  billedFrom: instant('billed_from'),
  anchor: nullable(instant('anchor')),
  timezone: text('timezone'),
  takesBegunWindow: bool('takes_begun_window'),
  madeFrom: json<unknown>('made_from'),
  createdAt: instant('created_at'),
  updatedAt: instant('updated_at'),
};
export const subscriptionRecordColumns = {
  tenant: text('tenant'),
  subscription: text('subscription'),
  sequence: int('sequence'),
  record: json<UnnumberedRecord>('record'),
  recordedAt: instant('recorded_at'),
};

const { madeFrom: _, ...openingColumns } = subscriptionColumns;

const SELECT_SUBSCRIPTIONS = `SELECT ${selected(openingColumns, 's')}, s.number FROM tallyline.subscriptions s`;

type Row = Readonly<Record<string, unknown>>;

function subscriptionOf(row: Row, records: readonly SubscriptionChange[]): CustomerSubscription {
  const { id, startsAt, billedFrom, anchor, timezone, takesBegunWindow, ...known } = recordOf(openingColumns, row);
  const grid = { anchor: anchor ?? ('calendar' as const), timezone };
  return { ...known, opening: { id, startsAt, billedFrom, takesBegunWindow, ...grid }, records };
}

const recordKeyColumns = { tenant: text('tenant'), subscription: text('subscription') };

/** The subscriptions with their records, in the order of the rows. */
async function withRecords(queries: Queries, rows: readonly Row[]): Promise<CustomerSubscription[]> {
  if (rows.length === 0) return [];
  const named = rows.map(({ tenant, id }) => ({ tenant: tenant as string, subscription: id as string }));
  const wanted = tableOf(recordKeyColumns, named, 'wanted');
  const { rows: found } = await queries.query(
    `SELECT ${selected(subscriptionRecordColumns, 'r')} FROM tallyline.subscription_records r
     JOIN ${wanted.sql} USING (tenant, subscription) ORDER BY wanted.place, r.sequence`,
    wanted.params,
  );
  const records = groupBy(
    found.map((row) => recordOf(subscriptionRecordColumns, row)),
    ({ tenant, subscription }) => keyText(tenant, subscription),
  );
  return rows.map((row, i) => {
    const { tenant, subscription } = named[i]!;
    const own = records.get(keyText(tenant, subscription)) ?? [];
    return subscriptionOf(
      row,
      own.map(({ record, sequence, recordedAt }): SubscriptionChange => ({ ...record, sequence, recordedAt })),
    );
  });
}

export async function readSubscription(queries: Queries, tenant: string, id: string): Promise<MadeSubscription | null> {
  const { rows } = await queries.query(
    `SELECT ${selected(subscriptionColumns, 's')} FROM tallyline.subscriptions s WHERE s.tenant = $1 AND s.id = $2`,
    [tenant, id],
  );
  const [subscription] = await withRecords(queries, rows);
  return subscription === undefined ? null : { ...subscription, madeFrom: rows[0]!.madeFrom };
}

/** Whose a subscription is, for ever. Null: there is none. */
export async function readSubscriber(queries: Queries, tenant: string, id: string): Promise<string | null> {
  const { rows } = await queries.query<{ customer: string }>(
    'SELECT customer FROM tallyline.subscriptions WHERE tenant = $1 AND id = $2',
    [tenant, id],
  );
  return rows[0]?.customer ?? null;
}

export interface SubscriptionSelection {
  readonly tenant: string;
  /** Null: of all customers. */
  readonly customer: string | null;
  /** Only those that were made after the one with this number. */
  readonly afterNumber: number;
  readonly rowsMax: number;
}

/** In the order in which they were made. */
export async function readSubscriptions(
  queries: Queries,
  { tenant, customer, afterNumber, rowsMax }: SubscriptionSelection,
): Promise<{ readonly subscription: CustomerSubscription; readonly number: number }[]> {
  const { rows } = await queries.query(
    `${SELECT_SUBSCRIPTIONS} WHERE s.tenant = $1 AND ($2::text IS NULL OR s.customer = $2) AND s.number > $3
     ORDER BY s.number LIMIT $4`,
    [tenant, customer, afterNumber, rowsMax],
  );
  const subscriptions = await withRecords(queries, rows);
  return subscriptions.map((subscription, i) => ({ subscription, number: Number(rows[i]!.number) }));
}

const customerNameColumns = { tenant: text('tenant'), customer: text('customer') };

/** All of these customers, each customer's in the order in which they were made. */
export async function readSubscriptionsOfCustomers(
  queries: Queries,
  customers: readonly TenantCustomer[],
): Promise<CustomerSubscription[]> {
  const wanted = tableOf(customerNameColumns, customers, 'wanted');
  // Where nobody has a subscription, nothing is looked for.
  const { rows } = await queries.query(
    `${SELECT_SUBSCRIPTIONS} JOIN ${wanted.sql} USING (tenant, customer)
     WHERE (SELECT EXISTS (SELECT FROM tallyline.subscriptions)) ORDER BY wanted.place, s.number`,
    wanted.params,
  );
  return withRecords(queries, rows);
}

/** Every customer's changes of subscriptions are made one after the other, since each has to fit to the others. */
const SUBSCRIBING_LOCK = 7_114;

/** Until the transaction ends: nothing of these subscriptions changes but by who holds it. */
export async function lockSubscribing(queries: Queries, tenant: string, customer: string): Promise<void> {
  await queries.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, hashtextextended($2, ${SUBSCRIBING_LOCK})))`, [
    tenant,
    customer,
  ]);
}

const changedTerms = (customer: string, opening: SubscriptionOpening, record: UnnumberedRecord) => {
  const { id: _, ...rest } = opening;
  return { customer, ...rest, record };
};

async function addRecord(
  queries: Queries,
  { tenant, actor }: Author,
  { customer, opening }: Pick<CustomerSubscription, 'customer' | 'opening'>,
  { sequence, record, recordedAt }: { sequence: number; record: UnnumberedRecord; recordedAt: number },
  reason: string | null,
): Promise<void> {
  const { id } = opening;
  await queries.query(
    `INSERT INTO tallyline.subscription_records (${namesOf(subscriptionRecordColumns)})
     VALUES (${placeholders(subscriptionRecordColumns)})`,
    valuesOf(subscriptionRecordColumns, { tenant, subscription: id, sequence, record, recordedAt }),
  );
  await appendChanges(queries, [
    {
      ...{ tenant, kind: 'subscription', id, version: sequence, actor, reason, recordedAt },
      ...{ after: changedTerms(customer, opening, record), personal: null },
    },
  ]);
}

export interface NewSubscription {
  readonly customer: string;
  readonly opening: SubscriptionOpening;
  readonly first: UnnumberedRecord;
  readonly madeFrom: unknown;
  readonly reason: string | null;
}

/** `now`: of Postgres. Null: there is one by this id. */
export async function makeSubscription(
  queries: Queries,
  author: Author,
  { customer, opening, first, madeFrom, reason }: NewSubscription,
  now: number,
): Promise<MadeSubscription | null> {
  const { tenant } = author;
  const { anchor, ...fields } = opening;
  const { rows } = await queries.query(
    `INSERT INTO tallyline.subscriptions (${namesOf(subscriptionColumns)}) VALUES (${placeholders(subscriptionColumns)})
     ON CONFLICT DO NOTHING RETURNING 1 AS made`,
    valuesOf(subscriptionColumns, {
      ...{ tenant, customer, version: 1, ...fields, anchor: anchor === 'calendar' ? null : anchor },
      ...{ madeFrom, createdAt: now, updatedAt: now },
    }),
  );
  if (rows.length === 0) return null;
  await addRecord(queries, author, { customer, opening }, { sequence: 1, record: first, recordedAt: now }, reason);
  const records = [{ ...first, sequence: 1, recordedAt: now }];
  return { tenant, customer, opening, records, version: 1, createdAt: now, updatedAt: now, madeFrom };
}

/** Adds a record. The customer's subscriptions are locked, and `now` is that of Postgres, taken under the lock. */
export async function appendRecord(
  queries: Queries,
  author: Author,
  locked: CustomerSubscription,
  record: UnnumberedRecord,
  { now, reason }: { readonly now: number; readonly reason: string | null },
): Promise<CustomerSubscription> {
  const sequence = locked.version + 1;
  const recordedAt = Math.max(now, locked.updatedAt);
  await queries.query(
    'UPDATE tallyline.subscriptions SET version = $3, updated_at = $4 WHERE tenant = $1 AND id = $2',
    [locked.tenant, locked.opening.id, sequence, new Date(recordedAt)],
  );
  await addRecord(queries, author, locked, { sequence, record, recordedAt }, reason);
  const records = [...locked.records, { ...record, sequence, recordedAt }];
  return { ...locked, records, version: sequence, updatedAt: recordedAt };
}
