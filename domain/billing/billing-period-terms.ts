// Whose billing period it is, and by what it is billed. Times are milliseconds since the epoch, ends exclusive.
import { keyText } from '../composite-key.ts';
import type { SealVector } from '../sealing/seal-vector.ts';

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

/** A billing period as its last rating left it. */
export interface RatedPeriod extends PeriodKey, PeriodTerms {
  /** The catalog version whose subscriptions drew the bounds. */
  readonly timelineVersion: number;
  readonly sealVector: SealVector;
  /** Null: never rated. */
  readonly ratedWatermark: number | null;
  /** What ends by then was closed at the last rating; null: never rated. */
  readonly closedUpTo: number | null;
}

export const subjectText = ({ tenant, subject }: SubjectKey): string => keyText(tenant, subject);
export const periodText = ({ tenant, subject, periodStart }: PeriodKey): string =>
  keyText(tenant, subject, periodStart);
/** Names a price in a period. */
export const pricedText = ({ tenant, subject, periodStart }: PeriodKey, price: string): string =>
  keyText(tenant, subject, periodStart, price);
