// Turns what the stores throw into problem documents: a client learns whether to mend the request or to send it again,
// and nothing about the inside. Everything else stays as it is, and becomes a 500 with a line in the log.
import pg from 'pg';
import { Problem, retryAfter } from '../../domain/problem.ts';
import { BudgetSpent, ClientGone } from '../../platform/calls/request-budget.ts';
import { type StoreName, type StoreWatch, storeNames } from '../../platform/calls/store-watch.ts';
import { ClickHouseError } from '../../platform/clickhouse/click-house.ts';
import { type DamagedPart, partitionSpan } from '../../platform/clickhouse/damage.ts';
import { EventLogError } from '../../platform/event-log/event-log.ts';

const RETRY_AFTER_S = 2;
/** Until somebody has had a damaged part recounted. */
const DAMAGED_RETRY_AFTER_S = 60;
/**
 * ClickHouse's TIMEOUT_EXCEEDED and MEMORY_LIMIT_EXCEEDED, and Postgres' query_canceled: the limits a read is given.
 */
const CLICKHOUSE_TIMEOUT = 159;
const CLICKHOUSE_MEMORY = 241;
const POSTGRES_TIMEOUT = '57014';
/** Connection failures, too few resources, a server that starts or stops. */
const POSTGRES_UNAVAILABLE = /^(08|53|57P)/;

/** As a client calls them. */
const words: Readonly<Record<StoreName, string>> = {
  Postgres: 'The billing store',
  ClickHouse: 'The usage store',
  'the event log': 'The event log',
};

const unavailable = (store: StoreName, cause: unknown): Problem =>
  new Problem(
    store === 'the event log' ? 'log_unavailable' : 'store_unavailable',
    `${words[store]} does not answer. Send the request again.`,
    { headers: retryAfter(RETRY_AFTER_S), cause },
  );

const timeout = (cause: unknown): Problem =>
  new Problem('query_timeout', 'The query was given up. Ask for a shorter range, or send it again later.', {
    headers: retryAfter(RETRY_AFTER_S),
    cause,
  });

/** A store that does not answer anybody is not there; one that does had too much to do for this read. */
function budgetProblem(error: BudgetSpent, stores: Pick<StoreWatch, 'fault'>): Problem {
  const silent = storeNames.find((store) => error.waitedFor.includes(store) && stores.fault(store) !== null);
  return silent === undefined ? timeout(error) : unavailable(silent, error);
}

/** What a part holds, by the partition of its table that its name begins with: roll-ups by week, events by month. */
function whatIsIn({ part }: DamagedPart): string {
  const span = partitionSpan(part);
  if (span === null) return 'What was asked for';
  const day = new Date(span.start).toISOString().slice(0, 10);
  return span.isWeek
    ? `Windows of the seven days from ${day} (UTC)`
    : `Events that were counted in ${day.slice(0, 7)} (UTC)`;
}

/** A read needs what is in the part. */
export const usageDamaged = (part: DamagedPart, cause?: unknown): Problem =>
  new Problem(
    'usage_damaged',
    `${whatIsIn(part)} can’t all be read at the moment, though nothing is lost. Ask for another range, or send the request again later.`,
    { headers: retryAfter(DAMAGED_RETRY_AFTER_S), cause },
  );

function clickHouseProblem(error: ClickHouseError): unknown {
  if (error.damaged !== null) return usageDamaged(error.damaged, error);
  if (error.code === CLICKHOUSE_TIMEOUT) return timeout(error);
  if (error.code === CLICKHOUSE_MEMORY) {
    return new Problem(
      'overloaded',
      'The query needs more memory than one may have. Ask for a shorter range, or send it again later.',
      { headers: retryAfter(RETRY_AFTER_S), cause: error },
    );
  }
  return error.retriable ? unavailable('ClickHouse', error) : error;
}

/** The problem an error stands for; the error itself where it stands for none. */
export function problemOf(error: unknown, stores: Pick<StoreWatch, 'fault'>): unknown {
  if (error instanceof BudgetSpent) return budgetProblem(error, stores);
  // Nobody reads it.
  if (error instanceof ClientGone) return timeout(error);
  if (error instanceof ClickHouseError) return clickHouseProblem(error);
  if (error instanceof EventLogError && error.retriable) return unavailable('the event log', error);
  return error;
}

/** Runs reads of Postgres. An error without an SQLSTATE never reached the server or never came back from it. */
export async function fromPostgres<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BudgetSpent || error instanceof ClientGone) throw error;
    const state = error instanceof pg.DatabaseError ? (error.code ?? '') : null;
    if (state === POSTGRES_TIMEOUT) throw timeout(error);
    if (state === null || POSTGRES_UNAVAILABLE.test(state)) throw unavailable('Postgres', error);
    throw error;
  }
}
