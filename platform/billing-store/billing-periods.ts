// The rows that say which billing periods of a customer were rated, by which records, and which rating was their last.
import type { PoolClient } from 'pg';
import type { PeriodOfRecords, RatedPeriod, TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import {
  instant,
  int,
  large,
  namesOf,
  type Queries,
  recordOf,
  selected,
  tableOf,
  text,
} from '../postgres/table-columns.ts';
import { readRatings } from './ratings.ts';

const customerColumns = { tenant: text('tenant'), customer: text('customer') };
export const periodStartColumns = { ...customerColumns, periodStart: instant('period_start') };
export const periodKeyColumns = {
  ...periodStartColumns,
  subscription: text('subscription'),
  periodEnd: instant('period_end'),
};
const lastRatingColumns = { records: int('records'), rating: large('rating') };
export const billingPeriodColumns = { ...periodKeyColumns, ...lastRatingColumns };

const SELECT_PERIODS = `SELECT ${selected(billingPeriodColumns, 'period')} FROM tallyline.billing_periods period`;

/** Most have the same few ratings, which are read once. */
async function ratedPeriods(
  queries: Queries,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<RatedPeriod[]> {
  const periods = rows.map((row) => recordOf(billingPeriodColumns, row));
  const ratings = await readRatings(
    queries,
    periods.map(({ rating }) => rating),
  );
  return periods.map(({ rating: id, tenant, customer, subscription, periodStart, periodEnd, records }) => {
    const { catalogVersion, sealVector, ratedWatermark, closedUpTo } = ratings.get(id)!;
    return {
      tenant,
      customer,
      subscription,
      periodStart,
      periodEnd,
      records,
      catalogVersion,
      sealVector,
      ratedWatermark,
      closedUpTo,
    };
  });
}

/** All periods of the customers, as they are now. */
export async function readBillingPeriods(
  queries: Queries,
  customers: readonly TenantCustomer[],
): Promise<RatedPeriod[]> {
  const wanted = tableOf(customerColumns, customers, 'wanted');
  const { rows } = await queries.query(`${SELECT_PERIODS} JOIN ${wanted.sql} USING (tenant, customer)`, wanted.params);
  return ratedPeriods(queries, rows);
}

/**
 * Locks the customers until the transaction ends, those without any row too: whose subjects move, and whose money is
 * written, while it lasts. Taken in order of the key, so that two transactions never wait for each other.
 */
export async function lockCustomers(queries: Queries, customers: readonly TenantCustomer[]): Promise<void> {
  const wanted = tableOf(customerColumns, customers, 'wanted');
  await queries.query(
    `SELECT pg_advisory_xact_lock(key) FROM (
       SELECT DISTINCT hashtextextended(tenant, hashtextextended(customer, 7110)) AS key FROM ${wanted.sql} ORDER BY key
     ) AS keys`,
    wanted.params,
  );
}

/**
 * Locks the customers until the transaction ends, then reads all their periods. The lock covers the periods that do not
 * exist yet as well: two raters could else each add the same one.
 */
export async function lockBillingPeriods(
  client: PoolClient,
  customers: readonly TenantCustomer[],
): Promise<RatedPeriod[]> {
  await lockCustomers(client, customers);
  const wanted = tableOf(customerColumns, customers, 'wanted');
  const { rows } = await client.query(
    `${SELECT_PERIODS} JOIN ${wanted.sql} USING (tenant, customer)
     ORDER BY ${namesOf(periodKeyColumns, 'period')} FOR UPDATE OF period`,
    wanted.params,
  );
  return ratedPeriods(client, rows);
}

const SET_RATED = Object.values(lastRatingColumns)
  .map(({ name }) => `${name} = EXCLUDED.${name}`)
  .join(', ');

/** Adds the periods that were rated, or moves them on. */
export async function saveRatedPeriods(
  client: PoolClient,
  periods: readonly PeriodOfRecords[],
  rating: bigint,
): Promise<void> {
  if (periods.length === 0) return;
  const rated = tableOf(
    billingPeriodColumns,
    periods.map(({ tenant, customer, subscription, periodStart, periodEnd, records }) => ({
      tenant,
      customer,
      subscription,
      periodStart,
      periodEnd,
      records,
      rating,
    })),
    'rated',
  );
  await client.query(
    `INSERT INTO tallyline.billing_periods AS period (${namesOf(billingPeriodColumns)})
     SELECT ${namesOf(billingPeriodColumns, 'rated')} FROM ${rated.sql}
     ON CONFLICT (${namesOf(periodKeyColumns)}) DO UPDATE SET ${SET_RATED}`,
    rated.params,
  );
}
