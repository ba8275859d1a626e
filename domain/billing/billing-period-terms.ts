// Whose money it is, and of which billing period. Times are milliseconds since the epoch, ends exclusive.
import { mapKey } from '../composite-key.ts';
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

/** Of whoever has none: the default plan's. */
export const NO_SUBSCRIPTION = '';

/** Names a billing period of a subscription: a month and a year may begin at once, so its end is a part of its name. */
export interface PeriodKey extends TenantCustomer {
  readonly subscription: string;
  readonly periodStart: number;
  readonly periodEnd: number;
}

/** By what a batch was rated: the same for all that it wrote. */
export interface Rating {
  /** The newest catalog version then. */
  readonly catalogVersion: number;
  readonly sealVector: SealVector;
  /** Null: of a period that was never rated. */
  readonly ratedWatermark: number | null;
  /** What ends by then was closed; null: of a period that was never rated. */
  readonly closedUpTo: number | null;
}

/** A billing period that a rating has looked at. */
export interface PeriodOfRecords extends PeriodKey {
  /** How many records the customer's subscriptions had then. */
  readonly records: number;
}

/** A billing period as its last rating left it. */
export interface RatedPeriod extends PeriodOfRecords, Rating {}

/** The subject of what is all subjects' of a customer together. */
export const POOLED = '';

/** The periods of a customer that start at an instant. */
export interface PeriodStart extends TenantCustomer {
  readonly periodStart: number;
}

/** A term of a price in these, of all subjects or of one. The terms of a price are rated together. */
export interface TermOfSubject {
  readonly subscription: string;
  /** A month and a year may begin at once. */
  readonly periodEnd: number;
  /** Its first window, or where its fee begins. */
  readonly termStart: number;
  /** Whose usage it is alone, where the price is for each subject; else `POOLED`. */
  readonly subject: string;
}

/** What is rated by itself. */
export interface PricedKey extends PeriodStart, TermOfSubject {
  readonly price: string;
}

export const subjectText = ({ tenant, subject }: SubjectKey): string => mapKey(tenant, subject);
export const customerText = ({ tenant, customer }: TenantCustomer): string => mapKey(tenant, customer);
export const periodText = ({ tenant, customer, subscription, periodStart, periodEnd }: PeriodKey): string =>
  mapKey(tenant, customer, subscription, periodStart, periodEnd);
export const startText = ({ tenant, customer, periodStart }: PeriodStart): string =>
  mapKey(tenant, customer, periodStart);
export const termText = ({ subscription, periodEnd, termStart, subject }: TermOfSubject): string =>
  mapKey(subscription, periodEnd, termStart, subject);
