// The stores as one request has them. Every call takes from the request's time; what is begun and not committed when
// that is spent, or when the client is gone, is rolled back. A failure that passes by itself is a 503 that says when to
// come back; a commit whose answer was lost may have been done, and the same request then finds that it was.
import type { Pool, PoolClient } from 'pg';
import { Problem, retryAfter } from '../domain/problem.ts';
import type { AccountKind } from '../platform/account-store/account-changes.ts';
import { BudgetSpent, ClientGone, type RequestBudget } from '../platform/calls/request-budget.ts';
import { applyCatalog, CatalogConflict, CatalogMoved } from '../platform/catalog-publishing/apply-catalog.ts';
import { requestTerms } from '../platform/clickhouse/call-terms.ts';
import { type ClickHouse, ClickHouseError } from '../platform/clickhouse/click-house.ts';
import { type EventLog, EventLogError } from '../platform/event-log/event-log.ts';
import { inTransaction, statementWithin } from '../platform/postgres/pool.ts';
import { statementName } from '../platform/postgres/statement-names.ts';
import type { Queries } from '../platform/postgres/table-columns.ts';
import { ofTenant } from '../platform/postgres/tenant-fence.ts';
import { isTransientPostgresError } from '../platform/postgres/transient.ts';
import type { AccountContext } from './account-route.ts';
import { versionMismatch } from './core/request-headers.ts';

const RETRY_AFTER_S = 1;

const unavailable = (cause: unknown): Problem =>
  new Problem(
    'store_unavailable',
    'A store gave no answer. Send the same request again: whatever was done of it is not done twice.',
    { headers: retryAfter(RETRY_AFTER_S), cause },
  );

/** What Postgres failed with, as a client is told; what stands for a fault of ours stays as it is. */
const postgresProblem = (error: unknown): unknown => (isTransientPostgresError(error) ? unavailable(error) : error);

/** The time of a request was spent, or nobody waits for its answer. */
export const outOfTime = (error: unknown): unknown =>
  error instanceof BudgetSpent || error instanceof ClientGone ? unavailable(error) : error;

async function fromPostgres<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw postgresProblem(error);
  }
}

interface ManagedStores {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly log: () => Promise<EventLog>;
  readonly readMemoryBytesMax: number;
}

async function fromClickHouse<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    // What is damaged is counted again before it can be read.
    if (error instanceof ClickHouseError && (error.retriable || error.damaged !== null)) throw unavailable(error);
    throw error;
  }
}

/** Of what is left of a request's time: for another catalog that is being published. */
const LOCK_SHARE = 1 / 2;
const LOCK_NOT_AVAILABLE = '55P03';

/** Why a catalog was not published, as a client is told. */
async function published<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof CatalogConflict) {
      const { refusals } = error;
      throw new Problem('catalog_refused', error.message, { members: { refusals } });
    }
    if (error instanceof CatalogMoved)
      throw versionMismatch('The catalog is not as this request takes it.', error.version);
    if (error instanceof EventLogError && error.retriable) {
      const said = 'The event log gave no answer. Send the same request again: the catalog is published once.';
      throw new Problem('log_unavailable', said, { headers: retryAfter(RETRY_AFTER_S), cause: error });
    }
    throw (error as { code?: unknown }).code === LOCK_NOT_AVAILABLE ? unavailable(error) : postgresProblem(error);
  }
}

export function accountCalls(
  { pool, clickhouse, log, readMemoryBytesMax: memoryBytesMax }: ManagedStores,
  budget: RequestBudget,
  tenant: string,
  onChanged: (kind: AccountKind) => void,
): Pick<AccountContext, 'reads' | 'usage' | 'publish' | 'change'> {
  const within = <Result>(call: () => Promise<Result>): Promise<Result> => budget.within('Postgres', call);
  const terms = () => requestTerms({ leftMs: budget.leftMs, signal: budget.signal, memoryBytesMax });
  const still = (): void => {
    if (budget.signal.aborted) throw new ClientGone();
  };

  async function inOneTransaction<Result>(work: (queries: Queries) => Promise<Result>): Promise<Result> {
    // Of the work: it has its own words for what Postgres failed with.
    let failure: unknown = null;
    try {
      const settings = { ...ofTenant(tenant), statement_timeout: String(Math.ceil(budget.leftMs)) };
      const inside = async (client: PoolClient): Promise<Result> => {
        const queries: Queries = {
          query: (text, values) => {
            still();
            const name = statementName(text);
            const statement = { ...statementWithin(budget, text, values), ...(name !== undefined && { name }) };
            return fromPostgres(() => client.query(statement));
          },
        };
        try {
          const result = await work(queries);
          // From here on only the commit can still be under way when the client is told that time is up.
          still();
          return result;
        } catch (error) {
          failure = error;
          throw error;
        }
      };
      return await inTransaction(pool, inside, { settings });
    } catch (error) {
      throw error === failure ? error : postgresProblem(error);
    }
  }

  const usage: AccountContext['usage'] = {
    query: (sql, params) =>
      budget.within('ClickHouse', () => fromClickHouse(() => clickhouse.query(sql, params, terms()))),
  };
  return {
    reads: {
      query: (text, values) => within(() => fromPostgres(() => pool.query(statementWithin(budget, text, values)))),
    },
    usage,
    async publish(catalog, source, options) {
      const publishing = { ...options, usage, lockTimeoutMs: budget.leftMs * LOCK_SHARE };
      const applied = await budget.within(['Postgres', 'the event log'], () =>
        published(async () => applyCatalog(pool, await log(), catalog, source, publishing)),
      );
      if (applied.isNew) onChanged('catalog');
      return applied;
    },
    async change(work) {
      const changes: AccountKind[] = [];
      const result = await within(() =>
        inOneTransaction((queries) => work({ ...queries, changed: (kind) => changes.push(kind) })),
      );
      changes.forEach(onChanged);
      return result;
    },
  };
}
