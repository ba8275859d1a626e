// When the prices of a billing period itself are due, such as a flat fee: the one rule, for the rater and for whoever
// recomputes it. (The prices of usage are due as the windows close.)

/** Milliseconds since the epoch, end exclusive. */
export interface ChargeablePeriod {
  readonly periodStart: number;
  readonly periodEnd: number;
  /** Null: the period is one of the default plan. */
  readonly subscriptionStart: number | null;
}

/** What a line item says of a charge that comes when it is due. */
export const PERIOD_DUE_CAUSE = 'period_started';

/** A subscription is charged when its period starts; the default plan, which nobody chose, only once there is usage. */
export const isChargedByUsage = (period: ChargeablePeriod): boolean => period.subscriptionStart === null;

/**
 * Whether a period's own prices are due. `watermark` is the log's time, up to which everything is sealed; `hasUsage`
 * tells of any usage in the period, and counts only where `isChargedByUsage`. A period that was replaced (end = start)
 * charges nothing.
 */
export const isPeriodDue = (period: ChargeablePeriod, watermark: number, hasUsage: boolean): boolean =>
  period.periodEnd > period.periodStart && watermark >= period.periodStart && (!isChargedByUsage(period) || hasUsage);
