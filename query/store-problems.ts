// Turns what the stores and the pure core throw into problem documents: a client learns whether to mend the request or to
// send it again, and nothing about the inside. Everything else stays as it is, and becomes a 500 with a line in the log.
import pg from 'pg';
import { ClickHouseError } from '../platform/clickhouse/click-house.ts';
import { EventLogError } from '../platform/event-log/event-log.ts';
import { HttpProblem, retryAfter } from '../platform/http/problem.ts';
import { QueryFault } from './core/query-fault.ts';

const RETRY_AFTER_S = 2;
/** ClickHouse's TIMEOUT_EXCEEDED, and Postgres' query_canceled: the limits this stage sets itself. */
const CLICKHOUSE_TIMEOUT = 159;
const POSTGRES_TIMEOUT = '57014';
/** Connection failures, too few resources, a server that starts or stops. */
const POSTGRES_UNAVAILABLE = /^(08|53|57P)/;

const unavailable = (store: string, cause: unknown): HttpProblem =>
  new HttpProblem('store_unavailable', `${store} does not answer. Send the request again.`, {
    headers: retryAfter(RETRY_AFTER_S),
    cause,
  });

const timeout = (cause: unknown): HttpProblem =>
  new HttpProblem('query_timeout', 'The query was given up. Ask for a shorter range, or send it again later.', {
    headers: retryAfter(RETRY_AFTER_S),
    cause,
  });

/** The problem an error stands for; the error itself where it stands for none. */
export function problemOf(error: unknown): unknown {
  if (error instanceof QueryFault) return new HttpProblem(error.code, error.message, { cause: error });
  if (error instanceof ClickHouseError) {
    if (error.code === CLICKHOUSE_TIMEOUT) return timeout(error);
    return error.retriable ? unavailable('The usage store', error) : error;
  }
  if (error instanceof EventLogError && error.retriable) {
    return new HttpProblem('log_unavailable', 'The event log does not answer. Send the request again.', {
      headers: retryAfter(RETRY_AFTER_S),
      cause: error,
    });
  }
  return error;
}

/** Runs reads of Postgres. An error without an SQLSTATE never reached the server or never came back from it. */
export async function fromPostgres<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const state = error instanceof pg.DatabaseError ? (error.code ?? '') : null;
    if (state === POSTGRES_TIMEOUT) throw timeout(error);
    if (state === null || POSTGRES_UNAVAILABLE.test(state)) throw unavailable('The billing store', error);
    throw error;
  }
}
