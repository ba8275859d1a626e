// Which failures of Postgres pass by themselves: decided by SQLSTATE and system error codes, never by the text.
import { types } from 'node:util';

// Connection exceptions, insufficient resources, serialisation failures and deadlocks, shutdown and recovery.
const TRANSIENT_SQLSTATE = /^(?:08...|53...|40001|40P01|57P0[123]|57014|25006)$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * True where the same work may succeed later on a new connection. An error without a SQLSTATE came from the way there.
 */
export function isTransientPostgresError(error: unknown): boolean {
  // Also one of another realm, as those of the operating system are where tests run.
  if (!types.isNativeError(error)) return false;
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && SQLSTATE.test(code)) return TRANSIENT_SQLSTATE.test(code);
  // pg raises plain Errors ("Connection terminated unexpectedly") and system errors (ECONNREFUSED) alike for a lost
  // connection; errors of our own have names of their own.
  return error.name === 'Error' || error.name === 'AggregateError';
}
