// Repeats work that may be done again until it succeeds: for stores that are away for a while.
import { realTimers, type Timers } from './timers.ts';

/** A store that is back after an hour is missed for this long at most. */
export const DELAY_MAX_MS = 2_000;

export interface RetryOptions {
  isRetriable(error: unknown): boolean;
  /** Ends the waiting; the last error is then thrown. */
  readonly signal: AbortSignal;
  readonly delayMinMs?: number;
  /** Default 2 s; may depend on the failure. */
  readonly delayMaxMs?: number | ((error: unknown) => number);
  readonly timers?: Timers;
  /** Told of each failure before the wait. */
  onRetry?(error: unknown, attempt: number, delayMs: number): void;
}

/** Resolves after `delayMs`, or at once when the signal fires. */
export function delay(delayMs: number, signal: AbortSignal, timers: Timers = realTimers): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      timers.clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = timers.setTimeout(end, delayMs);
    signal.addEventListener('abort', end);
  });
}

/** Throws what `work` throws when it is not retriable, or when the signal has fired. */
export async function retry<Result>(work: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const { delayMinMs = 50, delayMaxMs = DELAY_MAX_MS, signal, timers = realTimers } = options;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !options.isRetriable(error)) throw error;
      const most = typeof delayMaxMs === 'number' ? delayMaxMs : delayMaxMs(error);
      const delayMs = Math.min(most, delayMinMs * 2 ** (attempt - 1));
      options.onRetry?.(error, attempt, delayMs);
      await delay(delayMs, signal, timers);
      if (signal.aborted) throw error;
    }
  }
}
