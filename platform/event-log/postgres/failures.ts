// What a failure of the database means for the event log.
import { EventLogError } from '../event-log.ts';

const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';
const INVALID_SCHEMA = '3F000';
const INSUFFICIENT_PRIVILEGE = '42501';

/** The database's user may not do it. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === INSUFFICIENT_PRIVILEGE;

/** An `EventLogError` for whatever a query rejected with. Everything that is not a missing table may pass by itself. */
export function postgresFailure(error: unknown, what: string): EventLogError {
  if (error instanceof EventLogError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const sqlState = 'code' in cause ? cause.code : undefined;
  if (sqlState === UNDEFINED_TABLE || sqlState === UNDEFINED_COLUMN || sqlState === INVALID_SCHEMA) {
    return new EventLogError(
      'topic_missing',
      `${what}: the tables of the event log are missing; run \`tallyline migrate\``,
      { cause },
    );
  }
  // An AggregateError (every address of a host refused) has an empty message.
  const reason = cause.message !== '' ? cause.message : String(sqlState ?? cause.name);
  return new EventLogError('unavailable', `${what}: ${reason}`, { cause });
}
