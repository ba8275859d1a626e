// Customers as they are now. Whatever writes one appends the change in the same transaction, under the customer's lock;
// personal fields come in and go out in plain, and are stored encrypted.
import {
  type Customer,
  type CustomerFields,
  HIERARCHY_DEPTH_MAX,
  type LastingFields,
  type PaidBy,
  type PersonalFields,
} from '../../domain/accounts/customer.ts';
import { wordsOf } from '../../domain/accounts/search-words.ts';
import {
  bytes,
  instant,
  int,
  namesOf,
  nullable,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  small,
  tableOf,
  text,
  textOf,
} from '../postgres/table-columns.ts';
import { type Author, appendChanges } from './account-changes.ts';
import type { CustomerKey, Vault, WrappedKey } from './vault.ts';

export const newCustomerColumns = {
  tenant: text('tenant'),
  id: text('id'),
  shard: small('shard'),
  version: int('version'),
  entity: text('entity'),
  currency: nullable(text('currency')),
  timezone: nullable(text('timezone')),
  parent: nullable(text('parent')),
  paidBy: textOf<PaidBy>('paid_by'),
  personal: nullable(bytes('personal')),
};
export const customerColumns = {
  ...newCustomerColumns,
  createdAt: instant('created_at'),
  updatedAt: instant('updated_at'),
  archivedAt: nullable(instant('archived_at')),
  erasedAt: nullable(instant('erased_at')),
};
export const customerKeyColumns = {
  tenant: text('tenant'),
  customer: text('customer'),
  wrappedKey: bytes('wrapped_key'),
  wrappedBy: text('wrapped_by'),
};
export const wordColumns = { tenant: text('tenant'), word: bytes('word'), customer: text('customer') };

const FROM_CUSTOMERS = `FROM tallyline.customers c
  LEFT JOIN tallyline.customer_keys k ON k.tenant = c.tenant AND k.customer = c.id`;
const SELECT_CUSTOMERS = `SELECT ${selected(customerColumns, 'c')}, c.number,
  k.wrapped_key AS "wrappedKey", k.wrapped_by AS "wrappedBy" ${FROM_CUSTOMERS}`;

/** What is written with a change beside what changed. */
interface ChangeNote {
  readonly reason: string | null;
}

export interface NewCustomer extends ChangeNote {
  readonly id: string;
  readonly fields: CustomerFields;
}

/** A customer whose row this transaction holds. */
export interface LockedCustomer {
  readonly customer: Customer;
  /** Null: it was erased. */
  readonly key: CustomerKey | null;
  readonly wrappedBy: string | null;
}

type Row = Readonly<Record<string, unknown>>;

/** As it was joined to a row; null: it was deleted. */
export const wrappedKeyOf = (row: Row): WrappedKey | null =>
  row.wrappedKey === null ? null : { wrappedKey: row.wrappedKey as Buffer, wrappedBy: row.wrappedBy as string };

/** The personal fields of a version as they were stored; null once the customer's key is gone. */
export function openPersonal(
  vault: Vault,
  name: { readonly tenant: string; readonly id: string; readonly version: number },
  wrapped: WrappedKey | null,
  sealed: Buffer | null,
): PersonalFields | null {
  if (wrapped === null || sealed === null) return null;
  const customer = { tenant: name.tenant, customer: name.id };
  return vault.open(customer, name.version, vault.unwrap(customer, wrapped), sealed) as PersonalFields;
}

function customerOf(vault: Vault, row: Row): Customer {
  const { shard: _, personal, ...known } = recordOf(customerColumns, row);
  return { ...known, personal: openPersonal(vault, known, wrappedKeyOf(row), personal) };
}

export async function readCustomer(
  queries: Queries,
  vault: Vault,
  tenant: string,
  id: string,
): Promise<Customer | null> {
  const { rows } = await queries.query(`${SELECT_CUSTOMERS} WHERE c.tenant = $1 AND c.id = $2`, [tenant, id]);
  return rows.length === 0 ? null : customerOf(vault, rows[0]!);
}

/** Those that there are, by id. */
export async function readCustomersNamed(
  queries: Queries,
  vault: Vault,
  tenant: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Customer>> {
  const { rows } = await queries.query(`${SELECT_CUSTOMERS} WHERE c.tenant = $1 AND c.id = ANY($2::text[])`, [
    tenant,
    ids,
  ]);
  return new Map(rows.map((row) => customerOf(vault, row)).map((customer) => [customer.id, customer]));
}

export interface CustomerSelection {
  readonly tenant: string;
  /** Only those with all of these words; null: all. */
  readonly words: readonly string[] | null;
  /** Only those that were made after the one with this number. */
  readonly afterNumber: number;
  readonly rowsMax: number;
}

/** In the order in which they were made. */
export async function readCustomers(
  queries: Queries,
  vault: Vault,
  { tenant, words, afterNumber, rowsMax }: CustomerSelection,
): Promise<readonly { readonly customer: Customer; readonly number: number }[]> {
  const forms = (words ?? []).map((word) => vault.wordForms(tenant, word));
  const withWords = forms.map(
    (_, i) => ` AND c.id IN (SELECT w.customer FROM tallyline.customer_words w
        WHERE w.tenant = $1 AND w.word = ANY($${i + 4}::bytea[]))`,
  );
  const { rows } = await queries.query(
    `${SELECT_CUSTOMERS} WHERE c.tenant = $1 AND c.number > 0 AND c.number > $2${withWords.join('')} ORDER BY c.number LIMIT $3`,
    [tenant, afterNumber, rowsMax, ...forms],
  );
  return rows.map((row) => ({ customer: customerOf(vault, row), number: Number(row.number) }));
}

/** Locks it until the transaction ends; others may still refer to it. Null: there is none. */
export async function lockCustomer(
  queries: Queries,
  vault: Vault,
  tenant: string,
  id: string,
): Promise<LockedCustomer | null> {
  const { rows } = await queries.query(`${SELECT_CUSTOMERS} WHERE c.tenant = $1 AND c.id = $2 FOR NO KEY UPDATE OF c`, [
    tenant,
    id,
  ]);
  const [row] = rows;
  if (row === undefined) return null;
  const wrapped = wrappedKeyOf(row);
  return {
    customer: customerOf(vault, row),
    key: wrapped === null ? null : vault.unwrap({ tenant, customer: id }, wrapped),
    wrappedBy: wrapped?.wrappedBy ?? null,
  };
}

/** What the change log says of a customer beside its personal fields. */
export const changedTerms = (
  { currency, timezone, entity, parent, paidBy }: LastingFields,
  archivedAt: number | null,
  erasedAt: number | null,
) => ({ currency, timezone, entity, parent, paidBy, archivedAt, erasedAt });

/** By which it is found, as they are stored. */
export const wordsStored = (vault: Vault, tenant: string, { id, fields }: Pick<NewCustomer, 'id' | 'fields'>) =>
  wordsOf(fields.personal).map((word) => ({ tenant, word: vault.word(tenant, word), customer: id }));

async function insertWords(queries: Queries, vault: Vault, tenant: string, of: NewCustomer): Promise<void> {
  const rows = wordsStored(vault, tenant, of);
  if (rows.length === 0) return;
  const added = tableOf(wordColumns, rows, 'added');
  const names = namesOf(wordColumns);
  await queries.query(
    `INSERT INTO tallyline.customer_words (${names}) SELECT ${names} FROM ${added.sql} ORDER BY place`,
    added.params,
  );
}

/** The clock of Postgres, and never before the change before: what the newest row says holds from its instant on. */
const NEXT_CHANGE = 'greatest(clock.now, updated_at)';

interface Update {
  readonly set: string;
  readonly values: readonly unknown[];
}

/** Writes the next version; returns when. `$1` and `$2` of `set` are the tenant and the id. */
async function update(queries: Queries, { tenant, id }: Customer, { set, values }: Update): Promise<number> {
  const { rows } = await queries.query<{ now: Date }>(
    `UPDATE tallyline.customers SET version = version + 1, updated_at = ${NEXT_CHANGE}, ${set}
     FROM (SELECT date_trunc('milliseconds', clock_timestamp()) AS now) AS clock WHERE tenant = $1 AND id = $2 RETURNING updated_at AS now`,
    [tenant, id, ...values],
  );
  return rows[0]!.now.getTime();
}

async function deleteWords(queries: Queries, { tenant, id }: Customer): Promise<void> {
  await queries.query('DELETE FROM tallyline.customer_words WHERE tenant = $1 AND customer = $2', [tenant, id]);
}

/** It is not erased. Its key and words are stored anew, so that they come to be by the newest installation key. */
export async function replaceCustomer(
  queries: Queries,
  vault: Vault,
  { actor }: Author,
  { customer, key, wrappedBy }: LockedCustomer,
  { id, fields, reason }: NewCustomer,
): Promise<Customer> {
  const { tenant, archivedAt, createdAt } = customer;
  if (key === null) throw new Error(`customer ${id} is erased and can't be replaced`);
  const version = customer.version + 1;
  const name = { tenant, customer: id };
  const { personal, ...terms } = fields;
  const sealed = vault.seal(name, version, key, personal);
  const now = await update(queries, customer, {
    set: 'entity = $3, currency = $4, timezone = $5, parent = $6, paid_by = $7, personal = $8',
    values: [terms.entity, terms.currency, terms.timezone, terms.parent, terms.paidBy, sealed],
  });
  if (wrappedBy !== vault.keyIds[0]) {
    const { wrappedKey, wrappedBy: by } = vault.wrap(name, key);
    await queries.query(
      'UPDATE tallyline.customer_keys SET wrapped_key = $3, wrapped_by = $4 WHERE tenant = $1 AND customer = $2',
      [tenant, id, wrappedKey, by],
    );
  }
  await deleteWords(queries, customer);
  await insertWords(queries, vault, tenant, { id, fields, reason });
  const after = changedTerms(fields, archivedAt, null);
  const change = { tenant, kind: 'customer' as const, id, version, actor, reason, recordedAt: now };
  await appendChanges(queries, [{ ...change, after, personal: sealed }]);
  return { tenant, id, version, ...fields, createdAt, updatedAt: now, archivedAt, erasedAt: null };
}

/** It is neither archived nor erased. */
export async function archiveCustomer(
  queries: Queries,
  vault: Vault,
  { actor }: Author,
  { customer, key }: LockedCustomer,
  reason: string | null,
): Promise<Customer> {
  const { tenant, id, personal } = customer;
  if (key === null) throw new Error(`customer ${id} is erased and can't be archived`);
  const version = customer.version + 1;
  // Encrypted anew, as its version is a part of what it is encrypted for.
  const sealed = vault.seal({ tenant, customer: id }, version, key, personal);
  const set = `archived_at = ${NEXT_CHANGE}, personal = $3`;
  const now = await update(queries, customer, { set, values: [sealed] });
  const change = { tenant, kind: 'customer' as const, id, version, actor, reason, recordedAt: now };
  await appendChanges(queries, [{ ...change, after: changedTerms(customer, now, null), personal: sealed }]);
  return { ...customer, version, updatedAt: now, archivedAt: now };
}

/**
 * Forgets the person: the customer's key and words go, and with the key everything that was encrypted by it. It is not
 * erased yet.
 */
export async function eraseCustomer(
  queries: Queries,
  { actor }: Author,
  { customer }: LockedCustomer,
  reason: string | null,
): Promise<Customer> {
  const { tenant, id } = customer;
  const version = customer.version + 1;
  const set = `archived_at = coalesce(archived_at, ${NEXT_CHANGE}), erased_at = ${NEXT_CHANGE}, personal = NULL`;
  const now = await update(queries, customer, { set, values: [] });
  await queries.query('DELETE FROM tallyline.customer_keys WHERE tenant = $1 AND customer = $2', [tenant, id]);
  await deleteWords(queries, customer);
  const archivedAt = customer.archivedAt ?? now;
  const change = { tenant, kind: 'customer' as const, id, version, actor, reason, recordedAt: now };
  await appendChanges(queries, [{ ...change, after: changedTerms(customer, archivedAt, now), personal: null }]);
  return { ...customer, version, personal: null, updatedAt: now, archivedAt, erasedAt: now };
}

/** Customers of one tenant, by which none can be above itself. */
const HIERARCHY_LOCK = 7_113;

/** Until the transaction ends: taken before any row is. Those that only add customers may do so together. */
export async function lockHierarchy(queries: Queries, tenant: string, mode: 'adding' | 'moving'): Promise<void> {
  const lock = mode === 'adding' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock';
  await queries.query(`SELECT ${lock}(hashtextextended($1, ${HIERARCHY_LOCK}))`, [tenant]);
}

interface Above {
  /** From the parent itself up to the top. */
  readonly ids: readonly string[];
  readonly isActive: boolean;
}

async function readAbove(
  queries: Queries,
  tenant: string,
  parents: readonly string[],
): Promise<ReadonlyMap<string, Above>> {
  const { rows } = await queries.query<{ start: string; ids: string[]; isActive: boolean }>(
    `WITH RECURSIVE above AS (
       SELECT id AS start, ARRAY[id] AS ids, parent, archived_at IS NULL AS active FROM tallyline.customers
       WHERE tenant = $1 AND id = ANY($2::text[])
       UNION ALL
       SELECT above.start, above.ids || c.id, c.parent, above.active FROM above
       JOIN tallyline.customers c ON c.tenant = $1 AND c.id = above.parent WHERE cardinality(above.ids) <= $3
     )
     SELECT DISTINCT ON (start) start, ids, active AS "isActive" FROM above ORDER BY start, cardinality(ids) DESC`,
    [tenant, parents, HIERARCHY_DEPTH_MAX],
  );
  return new Map(rows.map(({ start, ids, isActive }) => [start, { ids, isActive }]));
}

/** How many there are from a customer down to the deepest below it, itself included. */
async function readDepthBelow(queries: Queries, tenant: string, id: string): Promise<number> {
  const { rows } = await queries.query<{ depth: number }>(
    `WITH RECURSIVE below AS (
       SELECT $2::text AS id, 1 AS depth
       UNION ALL
       SELECT c.id, below.depth + 1 FROM below
       JOIN tallyline.customers c ON c.tenant = $1 AND c.parent = below.id WHERE below.depth <= $3
     )
     SELECT max(depth) AS depth FROM below`,
    [tenant, id, HIERARCHY_DEPTH_MAX],
  );
  return rows[0]!.depth;
}

const TOO_DEEP = `have at most ${HIERARCHY_DEPTH_MAX - 1} customers above it and below it together`;

/**
 * Why customers can't have the parents that they name, by id, in words that follow "must". The hierarchy is locked.
 * `isNew`: they are not there yet, so none is above another but in the order in which they are given.
 */
export async function parentFaults(
  queries: Queries,
  tenant: string,
  wanted: readonly Pick<NewCustomer, 'id' | 'fields'>[],
  { isNew }: { readonly isNew: boolean },
): Promise<ReadonlyMap<string, string>> {
  const faults = new Map<string, string>();
  const parents = [...new Set(wanted.flatMap(({ fields }) => fields.parent ?? []))];
  if (parents.length === 0) return faults;
  const above = await readAbove(queries, tenant, parents);
  const depths = new Map([...above].map(([id, { ids }]) => [id, ids.length]));
  for (const { id, fields } of wanted) {
    const { parent } = fields;
    const depth = parent === null ? 0 : depths.get(parent);
    if (parent === id) faults.set(id, 'be another customer');
    else if (depth === undefined) faults.set(id, 'be a customer that there is');
    else if (parent !== null && above.get(parent)?.isActive === false) faults.set(id, 'not be archived');
    else if (parent !== null && above.get(parent)?.ids.includes(id) === true) faults.set(id, 'not belong to it');
    else {
      const below = isNew || parent === null ? 1 : await readDepthBelow(queries, tenant, id);
      if (depth + below > HIERARCHY_DEPTH_MAX) faults.set(id, TOO_DEEP);
      else if (isNew && !depths.has(id)) depths.set(id, depth + 1);
    }
  }
  return faults;
}

const { archivedAt, erasedAt, currency, timezone } = customerColumns;
const sharedColumns = { id: customerColumns.id, archivedAt, erasedAt, currency, timezone };

/** What others must know of a customer that they are to refer to. */
export type SharedCustomer = RecordOf<typeof sharedColumns>;

/** Those that there are, by id; they stay so until the transaction ends. */
export async function shareCustomers(
  queries: Queries,
  tenant: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, SharedCustomer>> {
  const { rows } = await queries.query(
    `SELECT ${selected(sharedColumns, 'c')} FROM tallyline.customers c WHERE c.tenant = $1 AND c.id = ANY($2::text[])
     ORDER BY c.id FOR SHARE`,
    [tenant, ids],
  );
  return new Map(rows.map((row) => recordOf(sharedColumns, row)).map((customer) => [customer.id, customer]));
}
