// Waiting, as a port: a process waits by the event loop's timers, a simulation by its own clock.

export interface Timers {
  /** Calls `fn` once after `ms` milliseconds; returns a handle for `clearTimeout`. */
  setTimeout(fn: () => void, ms: number): unknown;
  /** The call is not made; nothing happens where it was made already. */
  clearTimeout(handle: unknown): void;
}

export const realTimers: Timers = {
  setTimeout: (fn, ms) => setTimeout(fn, ms),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

/** Calls `fn` every `ms` milliseconds until the returned function is called. */
export function repeat(timers: Timers, ms: number, fn: () => void): () => void {
  let handle: unknown;
  const next = (): void => {
    handle = timers.setTimeout(() => {
      next();
      fn();
    }, ms);
  };
  next();
  return () => timers.clearTimeout(handle);
}
