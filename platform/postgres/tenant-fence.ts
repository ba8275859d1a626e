// A second fence between tenants: for a user with the role `tallyline_query` the tables of money have the rows of the
// tenant alone that a transaction names (schemas/postgres/roles.sql), whatever its statements forget to say. Who owns
// the tables, or has another role, sees all of them.
import type pg from 'pg';
import { inTransaction } from './pool.ts';
import type { Queries } from './table-columns.ts';

/** Whether it is so for the user of these connections. */
export async function isFenced(queries: Queries): Promise<boolean> {
  const { rows } = await queries.query<{ fenced: boolean }>(
    `SELECT row_security_active('tallyline.line_items') AND EXISTS (
       SELECT FROM pg_roles WHERE rolname = 'tallyline_query' AND pg_has_role(oid, 'USAGE')) AS fenced`,
  );
  return rows[0]!.fenced;
}

/** Throws where some rows would be missing: whoever adds them up would come to another sum. */
export async function assertUnfenced(queries: Queries): Promise<void> {
  if (!(await isFenced(queries))) return;
  throw new Error(
    'this user of Postgres has the role tallyline_query, which shows the line items of one tenant at a time: ' +
      'take that role away from it, or use another user',
  );
}

/** Settings of a transaction, for as long as it lasts. */
export const ofTenant = (tenant: string) => ({ 'tallyline.tenant': tenant });

/** One statement, which finds rows of this tenant alone. */
export const inFence = <Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  tenant: string,
  statement: pg.QueryConfig,
): Promise<{ readonly rows: Row[] }> =>
  inTransaction(pool, (client) => client.query<Row>(statement), { settings: ofTenant(tenant) });
