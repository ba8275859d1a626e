// The bounds of one read: what a client may make the stores do with a single request.

/** Copies and conflicts of one event that are looked at. */
export const EVENT_ROWS_MAX = 1_000;
/** Reads of usage share what was found out about its freshness for this long. */
export const FRESHNESS_AGE_MAX_MS = 1_000;
