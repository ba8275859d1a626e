// Subscriptions and their records. A record is a version of its subscription and a change of the account object, and
// makes its customer due; all of it is written in one transaction, under the lock of its customer (`lockCustomers`). So
// a customer's changes are made one after the other, and each can be held against the others (P3) and against what was
// rated.
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { groupBy, keyText } from '../../domain/composite-key.ts';
import {
  type CustomerSubscription,
  grownBy,
  type MadeSubscription,
  type NewSubscription,
  type SubscriptionChange,
  type UnnumberedRecord,
} from '../../domain/terms/customer-subscription.ts';
import { billsFrom } from '../../domain/terms/record-rules.ts';
import type { SubscriptionOpening } from '../../domain/terms/subscription-history.ts';
import { type CustomerPage, markDue } from '../billing-store/due-customers.ts';
import { readClosingOf } from '../billing-store/rater-progress.ts';
import {
  AddedTables,
  bool,
  instant,
  int,
  json,
  namesOf,
  nullable,
  placeholders,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
  valuesOf,
} from '../postgres/table-columns.ts';
import { tenantCondition } from '../postgres/tenant-condition.ts';
import { type AccountChange, type Author, accountChangeColumns, appendChanges } from './account-changes.ts';

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

/** Those that there are, by id. */
export async function readSubscriptionsNamed(
  queries: Queries,
  tenant: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, MadeSubscription>> {
  const { rows } = await queries.query(
    `SELECT ${selected(subscriptionColumns, 's')} FROM tallyline.subscriptions s
     WHERE s.tenant = $1 AND s.id = ANY($2::text[])`,
    [tenant, ids],
  );
  const found = await withRecords(queries, rows);
  return new Map(found.map((each, i) => [each.opening.id, { ...each, madeFrom: rows[i]!.madeFrom }]));
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
  readonly tenants: TenantsOfVersion;
  /** Null: of all customers. */
  readonly customer: string | null;
  /** Only those that were made after the one with this number. */
  readonly afterNumber: number;
  readonly rowsMax: number;
}

/** In the order in which they were made. */
export async function readSubscriptions(
  queries: Queries,
  { tenants, customer, afterNumber, rowsMax }: SubscriptionSelection,
): Promise<{ readonly subscription: CustomerSubscription; readonly number: number }[]> {
  const { sql, value } = tenantCondition(tenants, 's.tenant', '$1');
  const { rows } = await queries.query(
    `${SELECT_SUBSCRIPTIONS} WHERE ${sql}
       AND ($2::text IS NULL OR s.customer = $2) AND s.number > 0 AND s.number > $3 ORDER BY s.number LIMIT $4`,
    [value, customer, afterNumber, rowsMax],
  );
  const subscriptions = await withRecords(queries, rows);
  return subscriptions.map((subscription, i) => ({ subscription, number: Number(rows[i]!.number) }));
}

/** All there are, of a tenant or of every one; each customer's in the order in which they were made. */
export async function readAllSubscriptions(queries: Queries, tenant: string | null): Promise<CustomerSubscription[]> {
  const { rows } = await queries.query(
    `${SELECT_SUBSCRIPTIONS} WHERE $1::text IS NULL OR s.tenant = $1 ORDER BY s.tenant, s.customer, s.number`,
    [tenant],
  );
  return withRecords(queries, rows);
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

const recordCountColumns = { ...customerNameColumns, records: int('records') };

/** How many records the subscriptions of a customer have: they are only ever added. */
export type RecordCount = RecordOf<typeof recordCountColumns>;

/** Of those that have a subscription. A subscription's version is the number of its newest record. */
export async function readRecordCounts(queries: Queries, customers: readonly TenantCustomer[]): Promise<RecordCount[]> {
  const wanted = tableOf(customerNameColumns, customers, 'wanted');
  const { rows } = await queries.query(
    `SELECT s.tenant, s.customer, sum(s.version)::int AS records
     FROM tallyline.subscriptions s JOIN ${wanted.sql} USING (tenant, customer)
     WHERE (SELECT EXISTS (SELECT FROM tallyline.subscriptions)) GROUP BY s.tenant, s.customer`,
    wanted.params,
  );
  return rows.map((row) => recordOf(recordCountColumns, row));
}

/** Customers that were ever subscribed to more than one, in the order of their names, after one of them. */
export async function readSeveralSubscribers(
  queries: Queries,
  tenants: TenantsOfVersion,
  { after, customersMax }: CustomerPage,
): Promise<TenantCustomer[]> {
  const { sql, value } = tenantCondition(tenants, 'tenant', '$1');
  const { rows } = await queries.query<{ tenant: string; customer: string }>(
    `SELECT tenant, customer FROM tallyline.subscriptions WHERE ${sql} AND (tenant, customer) > ($2, $3)
     GROUP BY tenant, customer HAVING count(*) > 1 ORDER BY tenant, customer LIMIT $4`,
    [value, after?.tenant ?? '', after?.customer ?? '', customersMax],
  );
  return rows;
}

const changedTerms = (customer: string, opening: SubscriptionOpening, record: UnnumberedRecord) => {
  const { id: _, ...rest } = opening;
  return { customer, ...rest, record };
};

/** A record of a subscription that is there, and who is billed by it. */
interface AddedRecord extends Pick<CustomerSubscription, 'customer' | 'opening'> {
  readonly sequence: number;
  readonly record: UnnumberedRecord;
  readonly recordedAt: number;
  readonly reason: string | null;
}

export const planHolderColumns = { plan: text('plan'), tenant: text('tenant'), customer: text('customer') };

/** Whoever is to have a plan by one of these records, and was not to have it before. */
async function addPlanHolders(queries: Queries, tenant: string, added: readonly AddedRecord[]): Promise<void> {
  const holders = added.flatMap(({ customer, record }) =>
    'patches' in record
      ? record.patches.flatMap(({ patch: { plan } }) => (plan === undefined ? [] : { plan, tenant, customer }))
      : [],
  );
  if (holders.length === 0) return;
  const held = tableOf(planHolderColumns, holders, 'held');
  const names = namesOf(planHolderColumns);
  // In the order of the key, so that no two of these wait for each other.
  await queries.query(
    `INSERT INTO tallyline.plan_holders (${names}) SELECT DISTINCT ${names} FROM ${held.sql} ORDER BY ${names}
     ON CONFLICT DO NOTHING`,
    held.params,
  );
}

const recordRowOf = (tenant: string, { opening, ...each }: AddedRecord) => ({
  ...{ tenant, subscription: opening.id },
  ...each,
});

/** A record is a change of the account. */
const changeOf = (
  { tenant, actor }: Author,
  { customer, opening, sequence, record, recordedAt, reason }: AddedRecord,
): AccountChange => ({
  ...{ tenant, kind: 'subscription', id: opening.id, version: sequence, actor, reason, recordedAt },
  ...{ after: changedTerms(customer, opening, record), personal: null },
});

/** Whoever is billed by a record has its plan, and is due from when on it holds. */
async function followRecords(queries: Queries, tenant: string, added: readonly AddedRecord[]): Promise<void> {
  await addPlanHolders(queries, tenant, added);
  const { ratedUpTo } = await readClosingOf(
    queries,
    added.map(({ customer }) => ({ tenant, customer })),
  );
  await markDue(
    queries,
    added.map(({ customer, opening, record, recordedAt }) => ({
      ...{ tenant, customer, dueAt: billsFrom(opening, record, { recordedAt, ratedUpTo }) },
    })),
  );
}

const SUBSCRIPTION = namesOf(subscriptionColumns);
const RECORD = namesOf(subscriptionRecordColumns);
const CHANGE = namesOf(accountChangeColumns);

/**
 * Makes those of which there is none by their id, and returns them by id; ids are given once. Their customers are
 * locked, and `now` is that of Postgres, taken under the locks.
 */
export async function makeSubscriptions(
  queries: Queries,
  author: Author,
  wanted: readonly NewSubscription[],
  now: number,
): Promise<ReadonlyMap<string, CustomerSubscription>> {
  if (wanted.length === 0) return new Map();
  const { tenant } = author;
  const times = { createdAt: now, updatedAt: now };
  const prepared = wanted.map(({ customer, opening: { anchor, ...fields }, records, madeFrom }) => ({
    ...{ tenant, customer, version: records.length, ...fields, anchor: anchor === 'calendar' ? null : anchor },
    ...{ madeFrom, ...times },
  }));
  const added = wanted.flatMap(({ customer, opening, records, reason }) =>
    records.map((record, i): AddedRecord => ({ customer, opening, sequence: i + 1, record, recordedAt: now, reason })),
  );
  const tables = new AddedTables();
  const subscriptionsSql = tables.add(subscriptionColumns, prepared);
  const recordsSql = tables.add(
    subscriptionRecordColumns,
    added.map((each) => recordRowOf(tenant, each)),
  );
  const changesSql = tables.add(
    accountChangeColumns,
    added.map((each) => changeOf(author, each)),
  );
  const { rows } = await queries.query<{ id: string }>(
    `WITH made AS (
       INSERT INTO tallyline.subscriptions (${SUBSCRIPTION}) SELECT ${SUBSCRIPTION} FROM ${subscriptionsSql} ORDER BY place
       ON CONFLICT DO NOTHING RETURNING id AS made_id
     ), made_records AS (
       INSERT INTO tallyline.subscription_records (${RECORD})
       SELECT ${RECORD} FROM ${recordsSql} JOIN made ON made_id = subscription ORDER BY place
     ), made_changes AS (
       INSERT INTO tallyline.account_changes (${CHANGE})
       SELECT ${CHANGE} FROM ${changesSql} JOIN made ON made_id = id ORDER BY place
     )
     SELECT made_id AS id FROM made`,
    tables.params,
  );
  const ids = new Set(rows.map(({ id }) => id));
  const made = wanted.filter(({ opening }) => ids.has(opening.id));
  if (made.length === 0) return new Map();
  await followRecords(
    queries,
    tenant,
    added.filter(({ opening }) => ids.has(opening.id)),
  );
  return new Map(
    made.map(({ customer, opening, records }): [string, CustomerSubscription] => {
      const nothing = { tenant, customer, opening, records: [], version: 0, ...times };
      return [opening.id, grownBy(nothing, records, now)];
    }),
  );
}

/** Adds a record. The customer is locked, and `now` is that of Postgres, taken under the lock. */
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
  const { customer, opening } = locked;
  const added = { customer, opening, sequence, record, recordedAt, reason };
  await queries.query(
    `INSERT INTO tallyline.subscription_records (${RECORD}) VALUES (${placeholders(subscriptionRecordColumns)})`,
    valuesOf(subscriptionRecordColumns, recordRowOf(locked.tenant, added)),
  );
  await appendChanges(queries, [changeOf(author, added)]);
  await followRecords(queries, locked.tenant, [added]);
  return grownBy(locked, [record], recordedAt);
}
