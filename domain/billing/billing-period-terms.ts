// Whose billing period it is, and by what it is billed. Times are milliseconds since the epoch, ends exclusive.
import { keyText } from '../composite-key.ts';
import type { SealVector } from '../sealing/seal-vector.ts';

/** Whose usage it is. */
export interface SubjectKey {
  readonly tenant: string;
  readonly subject: string;
}

/** Who is billed. */
export interface TenantCustomer {
  readonly tenant: string;
  readonly customer: string;
}

/** Of whoever has none, which is everybody until subscriptions are account objects: the catalog's are by customer. */
export const NO_SUBSCRIPTION = '';

/** Names a billing period: a subscription of a customer has one that starts at an instant. */
export interface PeriodKey extends TenantCustomer {
  readonly subscription: string;
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

/** The subject of what is all subjects' of a customer together. */
export const POOLED = '';

/** What is rated by itself: a price in a period, or of one subject in it. */
export interface PricedKey extends PeriodKey {
  readonly price: string;
  /** Whose usage it is alone, where the price is for each subject; else `POOLED`. */
  readonly subject: string;
}

export const subjectText = ({ tenant, subject }: SubjectKey): string => keyText(tenant, subject);
export const customerText = ({ tenant, customer }: TenantCustomer): string => keyText(tenant, customer);
export const periodText = ({ tenant, customer, subscription, periodStart }: PeriodKey): string =>
  keyText(tenant, customer, subscription, periodStart);
/** Names a price in a period. */
export const pricedText = ({ tenant, customer, subscription, periodStart }: PeriodKey, price: string): string =>
  keyText(tenant, customer, subscription, periodStart, price);
