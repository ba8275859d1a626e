// Whom a rater has to look at although no window of theirs has closed, and from when on. There is one row a customer: a
// change of an account or of the catalog puts it there, or moves it forward; a rating puts what comes next in its
// place.
//
// Whoever writes one customer's row holds that customer's lock (`lockCustomers`), so that a rating can't delete what a
// change has written since the rating read it. Only a new version of the catalog is written without: of all customers,
// behind the version's publication. So a rating looks at the published version after it has saved its rows, and is
// given up where that is another one: either it finds the version, or its rows are there when the version marks them.
//
// Every statement takes rows in the order of their key, so that no two of them wait for each other.
import type { PoolClient } from 'pg';
import { type HeldShard, SHARDS } from '../../domain/accounts/shard.ts';
import { customerText, type TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import type { TenantsOfVersion } from '../../domain/catalog/tenant-versions.ts';
import { instant, nullable, type Queries, recordOf, selected, tableOf, text } from '../postgres/table-columns.ts';
import { tenantCondition } from '../postgres/tenant-condition.ts';

export const dueCustomerColumns = {
  tenant: text('tenant'),
  customer: text('customer'),
  dueAt: instant('due_at'),
};
const customerColumns = { tenant: dueCustomerColumns.tenant, customer: dueCustomerColumns.customer };
const nextDueColumns = { ...customerColumns, dueAt: nullable(dueCustomerColumns.dueAt) };
const lookedFromColumns = { ...customerColumns, lookedFrom: instant('looked_from') };

/** From when on a rater has to look at a customer, in milliseconds since the epoch. */
export interface DueCustomer extends TenantCustomer {
  readonly dueAt: number;
}

/** What comes next of a customer; null: nothing does that is known. */
export interface NextDue extends TenantCustomer {
  readonly dueAt: number | null;
  /** From when on it was looked at. What is due earlier has become so since, and stays. */
  readonly lookedFrom: number;
}

const EARLIER = 'ON CONFLICT (tenant, customer) DO UPDATE SET due_at = least(due.due_at, excluded.due_at)';

/** A customer that is due earlier stays so. The customers are locked. */
export async function markDue(queries: Queries, customers: readonly DueCustomer[]): Promise<void> {
  if (customers.length === 0) return;
  const marked = tableOf(dueCustomerColumns, customers, 'marked');
  await queries.query(
    `INSERT INTO tallyline.due_customers AS due (tenant, customer, due_at)
     SELECT tenant, customer, min(due_at) FROM ${marked.sql} GROUP BY tenant, customer ORDER BY tenant, customer
     ${EARLIER}`,
    marked.params,
  );
}

/** Those of the customers that were billed of a period that ends later are due then. They are locked. */
export async function markBilledDue(
  queries: Queries,
  customers: readonly TenantCustomer[],
  dueAt: number,
): Promise<void> {
  const sides = tableOf(customerColumns, customers, 'side', [new Date(dueAt)]);
  await queries.query(
    `INSERT INTO tallyline.due_customers AS due (tenant, customer, due_at)
     SELECT tenant, customer, $1 FROM ${sides.sql} WHERE EXISTS (SELECT FROM tallyline.billing_periods billed
       WHERE billed.tenant = side.tenant AND billed.customer = side.customer AND billed.period_end > $1)
     ORDER BY tenant, customer
     ${EARLIER}`,
    sides.params,
  );
}

/** Some customers, in the order of their keys. */
export interface CustomerPage {
  /** The last of the page before; null: from the first on. */
  readonly after: TenantCustomer | null;
  readonly customersMax: number;
}

/** The customers that a change of a plan may concern, of the tenants whose catalog changes. */
export interface ConcernedHolders {
  /**
   * Who has it at some time. Null: the default plan, of which nobody has a record; then whoever has a period of it that
   * ends after the instant.
   */
  readonly plan: string | null;
  readonly tenants: TenantsOfVersion;
}

/** Null: of all, and nothing has to be computed. */
const numbersOf = (shards: readonly HeldShard[]): number[] | null =>
  shards.length === SHARDS ? null : shards.map(({ shard }) => shard);
const ofShards = (alias: string, numbers: string): string =>
  `(${numbers}::smallint[] IS NULL OR tallyline.shard_of(${alias}tenant, ${alias}customer) = ANY(${numbers}))`;

/** Who has a plan at some time. */
const PLAN_HOLDERS = 'SELECT tenant, customer FROM tallyline.plan_holders WHERE plan = $7';
/** Who was billed by the default plan, in a period that goes on after the instant. */
const DEFAULT_PAYERS = `SELECT DISTINCT tenant, customer FROM tallyline.billing_periods
  WHERE subscription = '' AND period_end > $1`;

/** They are due from when on the change holds. Its version is published. Resolves to the last; null: nobody is left. */
export async function markHoldersDue(
  queries: Queries,
  { plan, tenants }: ConcernedHolders,
  shards: readonly HeldShard[],
  dueAt: number,
  { after, customersMax }: CustomerPage,
): Promise<TenantCustomer | null> {
  const ofTenants = tenantCondition(tenants, 'tenant', '$5');
  const { rows } = await queries.query(
    `WITH page AS (
       ${plan === null ? DEFAULT_PAYERS : PLAN_HOLDERS} AND ${ofTenants.sql} AND (tenant, customer) > ($2, $3)
         AND ${ofShards('', '$6')}
       ORDER BY tenant, customer LIMIT $4
     ), marked AS (
       INSERT INTO tallyline.due_customers AS due (tenant, customer, due_at)
       SELECT tenant, customer, $1 FROM page ORDER BY tenant, customer
       ${EARLIER}
     )
     SELECT ${selected(customerColumns, 'page')} FROM page ORDER BY page.tenant DESC, page.customer DESC LIMIT 1`,
    [
      ...[new Date(dueAt), after?.tenant ?? '', after?.customer ?? '', customersMax],
      ...[ofTenants.value, numbersOf(shards), ...(plan === null ? [] : [plan])],
    ],
  );
  return rows.length === 0 ? null : recordOf(customerColumns, rows[0]!);
}

/** Those of the shards that are due by an instant, longest first. */
export async function readDueCustomers(
  queries: Queries,
  shards: readonly HeldShard[],
  until: number,
  customersMax: number,
): Promise<DueCustomer[]> {
  const { rows } = await queries.query(
    `SELECT ${selected(dueCustomerColumns, 'due')} FROM tallyline.due_customers due
     WHERE due.due_at <= $1 AND ${ofShards('due.', '$3')}
     ORDER BY due.due_at, due.tenant, due.customer LIMIT $2`,
    [new Date(until), customersMax, numbersOf(shards)],
  );
  return rows.map((row) => recordOf(dueCustomerColumns, row));
}

/** In place of what was due. Each customer is named once, and locked. */
export async function saveDue(client: PoolClient, customers: readonly NextDue[]): Promise<void> {
  if (customers.length === 0) return;
  const looked = tableOf(lookedFromColumns, customers, 'looked');
  const { rows } = await client.query(
    `SELECT ${selected(customerColumns, 'due')} FROM ${looked.sql} JOIN tallyline.due_customers due USING (tenant, customer)
     WHERE due.due_at < looked.looked_from`,
    looked.params,
  );
  const earlier = new Set(rows.map((row) => customerText(recordOf(customerColumns, row))));
  await replaceDue(
    client,
    customers.filter((each) => !earlier.has(customerText(each))),
  );
}

async function replaceDue(client: PoolClient, customers: readonly NextDue[]): Promise<void> {
  if (customers.length === 0) return;
  const saved = tableOf(nextDueColumns, customers, 'saved');
  // What goes is taken in its turn too, and deleted when all rows are held.
  await client.query(
    `INSERT INTO tallyline.due_customers AS due (tenant, customer, due_at)
     SELECT tenant, customer, coalesce(saved.due_at, 'infinity')
     FROM ${saved.sql} LEFT JOIN tallyline.due_customers held USING (tenant, customer)
     WHERE saved.due_at IS NOT NULL OR held.due_at IS NOT NULL ORDER BY tenant, customer
     ON CONFLICT (tenant, customer) DO UPDATE SET due_at = excluded.due_at WHERE due.due_at <> excluded.due_at`,
    saved.params,
  );
  const gone = customers.filter(({ dueAt }) => dueAt === null);
  if (gone.length === 0) return;
  const wanted = tableOf(customerColumns, gone, 'gone');
  await client.query(
    `DELETE FROM tallyline.due_customers due USING ${wanted.sql}
     WHERE due.tenant = gone.tenant AND due.customer = gone.customer AND due.due_at = 'infinity'`,
    wanted.params,
  );
}
