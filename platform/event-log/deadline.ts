// Bounds the wait for an answer of the log.
import { withDeadline } from '../calls/deadline.ts';
import { EventLogError } from './event-log.ts';

/** Rejects with `unavailable` when `work` has not settled within `timeoutMs`. */
export const answeredWithin = <Result>(work: Promise<Result>, timeoutMs: number, what: string): Promise<Result> =>
  withDeadline(work, timeoutMs, () => new EventLogError('unavailable', `${what}: no answer within ${timeoutMs} ms`));
