// What is metered and what it costs. Plain JSON values throughout, so that a stored version reads back as it was
// written.
import type { Meter } from '../metering/meter.ts';
import type { Price } from '../pricing/prices.ts';

export type { Aggregation } from '../aggregation/aggregations.ts';
export type { Meter } from '../metering/meter.ts';
export type { Price } from '../pricing/prices.ts';

export interface Plan {
  readonly slug: string;
  readonly billingPeriod: 'month';
  /** True: calendar months in `timezone`. False: months anchored at the subscription's start. */
  readonly calendar: boolean;
  /** IANA name. */
  readonly timezone: string;
  readonly prices: readonly Price[];
  /** Absent: as in `planDefaults`. */
  readonly afterEnd?: AfterEnd;
  /** Absent: as in `planDefaults`. */
  readonly trialUsage?: TrialUsage;
}

/** What a customer has after its last subscription ended: no price, or the default plan. */
export type AfterEnd = 'none' | 'default';
/** Whether usage during a trial costs what it costs; fees are zero either way. */
export type TrialUsage = 'charged' | 'free';

export const planDefaults: { readonly afterEnd: AfterEnd; readonly trialUsage: TrialUsage } = {
  afterEnd: 'none',
  trialUsage: 'charged',
};

/** Holds from startsAt until the same subject's next subscription starts. */
export interface Subscription {
  readonly subject: string;
  readonly plan: string;
  /** Milliseconds since the epoch. */
  readonly startsAt: number;
  /** Null: the subject of this name in every tenant. */
  readonly tenant: string | null;
}

export interface Catalog {
  readonly currency: string;
  readonly meters: readonly Meter[];
  readonly plans: readonly Plan[];
  readonly subscriptions: readonly Subscription[];
  /** For subjects without a subscription, in calendar months of the plan's time zone; null: they are not billed. */
  readonly defaultPlan: string | null;
}

export interface CatalogVersion {
  /** Counted from 1; 0 stands for the empty catalog before the first. */
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly effectiveAt: number;
  readonly catalog: Catalog;
  /** Whether its changes reach the periods that run, or begin with each subscription's next one. Absent: running. */
  readonly appliesTo?: 'running' | 'next';
  /**
   * Windows that end by then were closed when it took effect: what nothing had priced is priced from the others on.
   * Absent: from the window that holds `effectiveAt`.
   */
  readonly closedUpTo?: number;
}

export const emptyCatalog: Catalog = { currency: 'USD', meters: [], plans: [], subscriptions: [], defaultPlan: null };
