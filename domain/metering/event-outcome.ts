// What becomes of an event in the log: exactly one of these, counted in every seal and manifest under these names.

export type Outcome = 'accepted' | 'duplicate' | 'conflict' | 'too_late' | 'poison';
export const outcomes: readonly Outcome[] = ['accepted', 'duplicate', 'conflict', 'too_late', 'poison'];
export type OutcomeCounts = Record<Outcome, number>;
export const noOutcomes = (): OutcomeCounts => ({ accepted: 0, duplicate: 0, conflict: 0, too_late: 0, poison: 0 });

/** An event whose time is further ahead of T than this can't be metered: its key would have to outlive the horizon. */
export const EVENT_TIME_AHEAD_MAX_MS = 24 * 3_600_000;

/**
 * The log's time (T) at which an event of this time can have been accepted at the earliest. A chunk ends at the T of
 * its last event or later, so whoever looks for usage from a time on looks at the chunks that end at this T or later.
 * Milliseconds since the epoch.
 */
export const acceptedFrom = (eventTime: number): number => eventTime - EVENT_TIME_AHEAD_MAX_MS;
