// The stores as a read of the API sees them: it asks, within what is left of its request's time, and writes nothing.
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { Queries } from '../../platform/postgres/table-columns.ts';

/** Postgres, within the budget of the request; throws problems (store-problems.ts). */
export type BillingReads = Queries;

/** ClickHouse, within the budget of the request. */
export type UsageReads = Pick<ClickHouse, 'query'>;
