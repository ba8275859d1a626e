// Makes customers: each with its key, the words by which it is found and its first change, in one statement. So a
// request pays one round trip for all of it, and an import one for hundreds.
import type { Customer } from '../../domain/accounts/customer.ts';
import { shardOf } from '../../domain/accounts/shard.ts';
import { AddedTables, namesOf, type Queries } from '../postgres/table-columns.ts';
import { type Author, accountChangeColumns } from './account-changes.ts';
import {
  changedTerms,
  customerKeyColumns,
  type NewCustomer,
  newCustomerColumns,
  wordColumns,
  wordsStored,
} from './customers.ts';
import type { Vault } from './vault.ts';

// When a customer was made, Postgres says.
const { recordedAt: _, ...changeColumns } = accountChangeColumns;

const CUSTOMER = namesOf(newCustomerColumns);
const KEY = namesOf(customerKeyColumns);
const WORD = namesOf(wordColumns);
const CHANGE = namesOf(changeColumns);

/**
 * Makes those that are not there yet, each with its change, and returns them by id. Ids are given once. Their parents
 * were looked at (`parentFaults`).
 */
export async function makeCustomers(
  queries: Queries,
  vault: Vault,
  { tenant, actor }: Author,
  wanted: readonly NewCustomer[],
): Promise<ReadonlyMap<string, Customer>> {
  const prepared = wanted.map(({ id, fields, reason }) => {
    const name = { tenant, customer: id };
    const { key, ...wrapped } = vault.createKey(name);
    const { personal: plain, ...terms } = fields;
    const personal = vault.seal(name, 1, key, plain);
    return {
      customer: { tenant, id, shard: shardOf(tenant, id), version: 1, ...terms, personal },
      key: { ...name, ...wrapped },
      change: {
        ...{ tenant, kind: 'customer' as const, id, version: 1, actor, reason, personal },
        after: changedTerms(fields, null, null),
      },
    };
  });
  const words = wanted.flatMap((each) => wordsStored(vault, tenant, each));
  const tables = new AddedTables();
  const customersSql = tables.add(
    newCustomerColumns,
    prepared.map(({ customer }) => customer),
  );
  const keysSql = tables.add(
    customerKeyColumns,
    prepared.map(({ key }) => key),
  );
  const wordsSql = tables.add(wordColumns, words);
  const changesSql = tables.add(
    changeColumns,
    prepared.map(({ change }) => change),
  );
  const { rows } = await queries.query<{ id: string; now: Date }>(
    `WITH made AS (
       INSERT INTO tallyline.customers (${CUSTOMER}, created_at, updated_at)
       SELECT ${CUSTOMER}, now, now FROM ${customersSql}, date_trunc('milliseconds', clock_timestamp()) AS now
       ORDER BY place ON CONFLICT DO NOTHING RETURNING id AS made_id, created_at AS made_at
     ), made_keys AS (
       INSERT INTO tallyline.customer_keys (${KEY})
       SELECT ${KEY} FROM ${keysSql} JOIN made ON made_id = customer ORDER BY place
     ), made_words AS (
       INSERT INTO tallyline.customer_words (${WORD})
       SELECT ${WORD} FROM ${wordsSql} JOIN made ON made_id = customer ORDER BY place
     ), made_changes AS (
       INSERT INTO tallyline.account_changes (${CHANGE}, recorded_at)
       SELECT ${CHANGE}, made_at FROM ${changesSql} JOIN made ON made_id = id ORDER BY place
     )
     SELECT made_id AS id, made_at AS now FROM made`,
    tables.params,
  );
  const madeAt = new Map(rows.map(({ id, now }) => [id, now.getTime()]));
  return new Map(
    wanted.flatMap(({ id, fields }): [string, Customer][] => {
      const at = madeAt.get(id);
      if (at === undefined) return [];
      const times = { createdAt: at, updatedAt: at, archivedAt: null, erasedAt: null };
      return [[id, { tenant, id, version: 1, ...fields, ...times }]];
    }),
  );
}
