// How slow a peer may be. What holds always: whoever sends less than 16 kB a second is given up at the latest when its
// patience is over, however much it sent before. Each byte earns time at the least pace and silence spends it, but
// nobody ever has more than the patience it began with: a burst buys no long silence. Servers in the field bound bodies
// likewise (Kestrel's MinRequestBodyDataRate, Apache's mod_reqtimeout).

/** Far below what any link gives that is of use, far above what makes a connection cheap to hold. */
export const LEAST_BYTES_PER_SECOND = 16_000;
export const PATIENCE_MS = 10_000;

/** How long these bytes take at the least pace. */
export const leastPaceMs = (bytes: number): number => (bytes * 1_000) / LEAST_BYTES_PER_SECOND;

/** What is left of `leftMs` after a time in which these bytes came; nothing: too slow. */
export const patienceAfter = (leftMs: number, elapsedMs: number, bytes: number, patienceMs = PATIENCE_MS): number =>
  Math.min(patienceMs, leftMs - elapsedMs + leastPaceMs(bytes));
