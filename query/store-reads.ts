// The stores as a read of the API sees them: it asks, within what is left of its request's time, and writes nothing.
import type { QueryResultRow } from 'pg';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';

/** Postgres, within the budget of the request; throws problems (store-problems.ts). */
export interface BillingReads {
  query<Row extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<{ readonly rows: Row[] }>;
}

/** ClickHouse, within the budget of the request. */
export type UsageReads = Pick<ClickHouse, 'query'>;
