// Whose billing period it is, and by what it is billed. Times are milliseconds since the epoch, ends exclusive.

export interface SubjectKey {
  readonly tenant: string;
  readonly subject: string;
}

/** Names a billing period: a subject has one that starts at an instant. */
export interface PeriodKey extends SubjectKey {
  readonly periodStart: number;
}

/** What a period is billed by. Equal bounds: it was replaced. */
export interface PeriodTerms {
  readonly periodStart: number;
  readonly periodEnd: number;
  readonly plan: string;
  readonly catalogVersion: number;
  /** Start of the subscription the plan comes from; null: the default plan. */
  readonly subscriptionStart: number | null;
}
