// Bounds the wait for an answer of the log. What was asked may still happen afterwards.
import { EventLogError } from './event-log.ts';

/** Rejects with `unavailable` when `work` has not settled within `timeoutMs`. */
export function withDeadline<Result>(work: Promise<Result>, timeoutMs: number, what: string): Promise<Result> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new EventLogError('unavailable', `${what}: no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
