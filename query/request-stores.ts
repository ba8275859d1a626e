// The stores as one request has them: every call takes from the request's budget, and is aborted when that is spent or
// the client is gone. What many requests share (freshness, the catalog, the ends of the log) is read under a budget of
// its own, and each of them waits for it no longer than its own allows.
import type { Pool } from 'pg';
import { type RequestBudget, withinBudget } from '../platform/calls/request-budget.ts';
import { shareReading } from '../platform/calls/shared-reading.ts';
import type { StoreName } from '../platform/calls/store-watch.ts';
import { publishedVersion, tenantVersions } from '../platform/catalog-store.ts';
import { requestTerms } from '../platform/clickhouse/call-terms.ts';
import type { ClickHouse } from '../platform/clickhouse/click-house.ts';
import { statementWithin } from '../platform/postgres/pool.ts';
import { inFence } from '../platform/postgres/tenant-fence.ts';
import type { QueryContext } from './read.ts';
import { createCatalogs } from './stores/catalogs.ts';
import { readFreshness } from './stores/freshness.ts';
import { fromPostgres } from './stores/store-problems.ts';
import type { BillingReads } from './stores/store-reads.ts';

export interface QueryStores {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly eventLog: QueryContext['eventLog'];
  readonly readTimeoutMs: number;
  readonly readMemoryBytesMax: number;
  /** Whether the user of Postgres sees the money of the tenant alone that its transaction names. */
  readonly isFenced: boolean;
}

type Shared = Pick<QueryContext, 'freshnessWithin' | 'catalogs' | 'eventLog'>;
type RequestStores = Shared & Pick<QueryContext, 'pool' | 'clickhouse'>;

const waitFor = <Result>(
  budget: RequestBudget,
  stores: StoreName | readonly StoreName[],
  work: () => Promise<Result>,
): Promise<Result> => {
  const waiting = budget.within(stores, work);
  // A request may end before it needs what it asked for.
  waiting.catch(() => {});
  return waiting;
};

/** `tenant`: whose transaction each statement is to be; null: it needs none of its own. */
const billingReads = (pool: Pool, budget: RequestBudget, tenant: string | null): BillingReads => ({
  query: (text, values) =>
    fromPostgres(() =>
      waitFor(budget, 'Postgres', () => {
        const statement = statementWithin(budget, text, values);
        return tenant === null ? pool.query(statement) : inFence(pool, tenant, statement);
      }),
    ),
});

function usageReads(
  { clickhouse, readMemoryBytesMax: memoryBytesMax }: QueryStores,
  budget: RequestBudget,
): QueryContext['clickhouse'] {
  const { signal } = budget;
  const terms = () => requestTerms({ leftMs: budget.leftMs, signal, memoryBytesMax });
  return {
    query: (sql, params) => waitFor(budget, 'ClickHouse', () => clickhouse.query(sql, params, terms())),
    async *stream(sql, params) {
      const rows = clickhouse.stream(sql, params, terms())[Symbol.asyncIterator]();
      try {
        for (;;) {
          const some = await budget.within('ClickHouse', () => rows.next());
          if (some.done === true) return;
          yield some.value;
        }
      } finally {
        await rows.return?.();
      }
    },
  };
}

/** Resolves for each request to what its read is given. */
export function openRequestStores(
  stores: QueryStores,
): (budget: RequestBudget, tenant: string | null) => RequestStores {
  const { pool, clickhouse, eventLog, readTimeoutMs, isFenced } = stores;
  const clock = (): number => performance.now();
  const shared = <Value>(read: (budget: RequestBudget) => Promise<Value>) =>
    shareReading(() => withinBudget(readTimeoutMs, read), clock);
  const freshness = shared((budget) =>
    readFreshness(
      billingReads(pool, budget, null),
      {
        // Small, and wanted by every read: it waits for none of them.
        query: (sql, params) =>
          budget.within('ClickHouse', () => clickhouse.query(sql, params, { signal: budget.signal })),
      },
      eventLog,
    ),
  );
  const sharedOfPostgres = <Value>(read: () => Promise<Value>) => {
    const reading = shared((budget) => fromPostgres(() => budget.within('Postgres', read)));
    return () => reading(0);
  };
  const catalogs = createCatalogs(
    sharedOfPostgres(() => publishedVersion(pool)),
    sharedOfPostgres(() => tenantVersions(pool)),
  );
  const bounds = shared((budget) => budget.within('the event log', () => eventLog.bounds()));
  return (budget, tenant) => ({
    pool: billingReads(pool, budget, isFenced ? tenant : null),
    clickhouse: usageReads(stores, budget),
    freshnessWithin: (ageMaxMs) => waitFor(budget, ['Postgres', 'ClickHouse'], () => freshness(ageMaxMs)),
    catalogs: {
      published: (whose) => waitFor(budget, 'Postgres', () => catalogs.published(whose)),
      at: (whose, version) => waitFor(budget, 'Postgres', () => catalogs.at(whose, version)),
    },
    eventLog: {
      topicId: eventLog.topicId,
      partitions: eventLog.partitions,
      bounds: () => waitFor(budget, 'the event log', () => bounds(0)),
    },
  });
}
