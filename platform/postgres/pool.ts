// Connections to Postgres and the transaction around a unit of work. Statements name their tables with the schema
// (`tallyline.chunk_seals`), so nothing depends on a search_path.
import pg from 'pg';
import type { Logger } from 'pino';
import type { RequestBudget } from '../calls/request-budget.ts';

export interface PoolOptions {
  /** Shown in pg_stat_activity; default "tallyline". */
  readonly applicationName?: string;
  readonly connectionsMax?: number;
  /** A statement that takes longer is cancelled; default 60 s. 0: no limit. */
  readonly statementTimeoutMs?: number;
}

/** A server that hangs cancels nothing, so whoever waits for it gives up too, once the server would have. */
const ANSWER_GRACE_MS = 5_000;

/** A statement whose caller waits for so long. The connection is then in an unknown state: `pool.query` closes it. */
export const deadlined = (
  timeoutMs: number,
  text: string,
  values: readonly unknown[] = [],
): pg.QueryConfig & { readonly query_timeout: number } => ({
  text,
  values: [...values],
  query_timeout: Math.ceil(timeoutMs),
});

/** A call can't be aborted: its connection is closed this long after nobody waits for it any more. */
const LEFT_BEHIND_MS = 1_000;

/** A statement of a request with so much time left. */
export const statementWithin = (budget: Pick<RequestBudget, 'leftMs'>, text: string, values?: readonly unknown[]) =>
  deadlined(budget.leftMs + LEFT_BEHIND_MS, text, values);

/**
 * For what may take as long as it takes: a lock that another process holds, a migration of a large table. The longest
 * timer there is.
 */
export const PATIENT_MS = 2 ** 31 - 1;

/** A pool over `url` (postgresql://…). It connects when first used; `pool.end()` releases it. */
export function createPool(url: string, logger: Logger, options: PoolOptions = {}): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 60_000;
  const pool = new pg.Pool({
    connectionString: url,
    application_name: options.applicationName ?? 'tallyline',
    max: options.connectionsMax ?? 10,
    connectionTimeoutMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs === 0 ? 0 : statementTimeoutMs + ANSWER_GRACE_MS,
    // A transaction left open by a hung process would hold row locks that the next owner of a partition needs.
    idle_in_transaction_session_timeout: 60_000,
    keepAlive: true,
  });
  // An idle connection that breaks (a restarted server) is replaced by the pool; without a listener it would end the
  // process.
  pool.on('error', (error) => logger.warn({ err: error }, 'an idle Postgres connection broke'));
  // One that breaks while it is in use fails the statement that it runs. Between two statements of a transaction there
  // is none: the next one fails then, and here too the process would end if nobody listened.
  pool.on('connect', (client) => {
    client.on('error', (error) => logger.debug({ err: error }, 'a Postgres connection broke'));
  });
  return pool;
}

export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  /** Settings of Postgres that hold until its end. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One round trip. */
const beginning = ({ isolation = 'read committed', settings = {} }: TransactionOptions): string =>
  [
    `BEGIN ISOLATION LEVEL ${isolation}`,
    ...Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${pg.escapeLiteral(value)}`),
  ].join('; ');

/** Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. */
export async function inTransaction<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
  options: TransactionOptions = {},
): Promise<Result> {
  const client = await pool.connect();
  // Set once the connection's state is unknown: it is then closed instead of going back to the pool.
  let broken: Error | undefined;
  try {
    return await transactionOn(
      client,
      () => work(client),
      options,
      (error) => {
        broken = error;
      },
    );
  } finally {
    client.release(broken);
  }
}

/**
 * The same on a connection that its caller holds for more. `onBroken`: nothing was committed, and the connection must
 * be closed.
 */
export async function transactionOn<Result>(
  client: pg.PoolClient,
  work: () => Promise<Result>,
  options: TransactionOptions,
  onBroken: (error: Error) => void,
): Promise<Result> {
  try {
    await client.query(beginning(options));
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Soon or not at all: behind a statement that was given up it would wait for as long again.
    await client.query(deadlined(ANSWER_GRACE_MS, 'ROLLBACK')).catch(onBroken);
    throw error;
  }
}
