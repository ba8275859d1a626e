// What is metered and what it costs. Plain JSON values throughout, so that a stored version reads back as it was
// written.
import type { Meter } from '../metering/meter.ts';
import type { PriceBook } from '../pricing/book/price-book.ts';
import type { PlanMinimum } from '../pricing/parts.ts';
import type { Price } from '../pricing/prices.ts';

export type { Aggregation } from '../aggregation/aggregations.ts';
export type { Meter } from '../metering/meter.ts';
export type { Price } from '../pricing/prices.ts';

export interface Plan {
  readonly slug: string;
  /** Of a new subscription that says nothing. True: periods of the calendar. False: counted from its start. */
  readonly calendar: boolean;
  /** IANA name; of a new subscription and a customer that say nothing, and of the default plan's calendar. */
  readonly timezone: string;
  readonly prices: readonly Price[];
  /** The least that all its prices of such a period come to together; absent: they may come to nothing. */
  readonly minimum?: PlanMinimum;
  /** Absent: as in `planDefaults`. */
  readonly afterEnd?: AfterEnd;
  /** Absent: as in `planDefaults`. */
  readonly trialUsage?: TrialUsage;
}

/** What a customer has after its last subscription ended: no price, or the default plan. */
export const afterEnds = ['none', 'default'] as const;
export type AfterEnd = (typeof afterEnds)[number];
/** Whether usage during a trial costs what it costs; fees are zero either way. */
export const trialUsages = ['charged', 'free'] as const;
export type TrialUsage = (typeof trialUsages)[number];

export const planDefaults: { readonly afterEnd: AfterEnd; readonly trialUsage: TrialUsage } = {
  afterEnd: 'none',
  trialUsage: 'charged',
};

/** One that was stored by an earlier release may say more: its plans a `billingPeriod`, and it `subscriptions`. */
export interface Catalog {
  readonly currency: string;
  readonly meters: readonly Meter[];
  /** What prices of plans may be made of; by itself it charges nobody. Absent: none. */
  readonly priceBooks?: readonly PriceBook[];
  readonly plans: readonly Plan[];
  /** For customers without a subscription, by the calendar of the plan's time zone; null: they are not billed. */
  readonly defaultPlan: string | null;
}

/** Whether a version's changes reach the periods that run, or begin with each subscription's next one. */
export const appliesTos = ['running', 'next'] as const;
export type AppliesTo = (typeof appliesTos)[number];

export interface CatalogVersion {
  /** Counted from 1; 0 stands for the empty catalog before the first. */
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly effectiveAt: number;
  readonly catalog: Catalog;
  /** Absent: running. */
  readonly appliesTo?: AppliesTo;
  /**
   * Windows that end by then were closed when it took effect: what nothing had priced is priced from the others on.
   * Absent: from the window that holds `effectiveAt`, and so it is where a version was made before its time.
   */
  readonly closedUpTo?: number;
}

export const emptyCatalog: Catalog = { currency: 'USD', meters: [], plans: [], defaultPlan: null };
