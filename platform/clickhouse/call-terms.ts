// On which terms ClickHouse is asked: how long a call may take, who may give it up, and what it may take of the server.
// The terms of every kind of call stand here, so that one look tells who goes before whom.
//
//   priority   ClickHouse lets a read wait while one with a lower number runs; without one it neither waits nor makes
//              wait. Money (rating, taking a partition over) goes before reads of the API; what is small has none.
import type { CallTerms, ClickHouse } from './click-house.ts';

/** A flush is written in a second. What was given up may be stored all the same, and is written again. */
export const INSERT_TIMEOUT_MS = 60_000;
/** A scan for the auditor or a statement of a migration. */
export const CALL_TIMEOUT_MS = 300_000;

/** A statement names whatever it is about; where that is all subjects of a customer as one, it can't be divided. */
const STATEMENT_BYTES_MAX = 64 * 1_024 * 1_024;

/** Reads that bills or counts wait for. */
export const moneyTerms: CallTerms = { settings: { priority: 1, max_query_size: STATEMENT_BYTES_MAX } };

/** Reads that compare what is stored with what was sealed and billed, all day long: they take turns with the API's. */
export const auditTerms: CallTerms = { settings: { priority: 3, max_query_size: STATEMENT_BYTES_MAX } };

export interface RequestTerms {
  readonly leftMs: number;
  readonly signal: AbortSignal;
  readonly memoryBytesMax: number;
}

/**
 * A read of the API that may scan a lot. Its request gives it up, so that it alone says why; and the server ends it by
 * itself when the client's patience is over.
 */
export const requestTerms = ({ leftMs, signal, memoryBytesMax }: RequestTerms): CallTerms => ({
  signal,
  settings: {
    priority: 3,
    max_execution_time: Math.max(1, Math.ceil(leftMs / 1_000)),
    max_memory_usage: memoryBytesMax,
    // Of use where the user of the URL is read-only; else the time above ends a query that nobody waits for.
    cancel_http_readonly_queries_on_client_close: 1,
  },
});

/** The same store, every call of which is on these terms. */
export const onTerms = (clickhouse: ClickHouse, terms: CallTerms): ClickHouse => ({
  insert: (table, columns, body) => clickhouse.insert(table, columns, body, terms),
  query: (sql, params) => clickhouse.query(sql, params, terms),
  stream: (sql, params) => clickhouse.stream(sql, params, terms),
  queryBinary: (sql, params) => clickhouse.queryBinary(sql, params, terms),
  command: (sql, params) => clickhouse.command(sql, params, terms),
  close: () => clickhouse.close(),
});
