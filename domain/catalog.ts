// What is metered and what it costs. Plain JSON values throughout, so that a stored version reads back as it was written.
import type { WindowSize } from './time-window.ts';

export type Aggregation = 'sum' | 'count' | 'max' | 'min' | 'latest' | 'unique';

export interface Dimension {
  readonly name: string;
  /** Path below the event's data: `data.usage.model` is ["usage", "model"]. */
  readonly path: readonly string[];
}

/** The definition of a meter. A slug means the same for ever: only `required` may change, and it may be removed and come back. */
export interface Meter {
  readonly slug: string;
  readonly eventType: string;
  readonly aggregation: Aggregation;
  /** Path below the event's data; null for count only. */
  readonly valuePath: readonly string[] | null;
  /** True: an event of this type without the value is rejected. False: it leaves the meter alone. */
  readonly required: boolean;
  /** Sorted by name; the group values of a roll-up stand in this order. */
  readonly dimensions: readonly Dimension[];
  readonly window: WindowSize;
}

export interface Tier {
  /** Inclusive upper bound of the tier as decimal text; null for the last. */
  readonly upTo: string | null;
  readonly unitAmount: string;
  readonly flatAmount: string;
}

interface PriceOfUsage {
  readonly slug: string;
  readonly meter: string;
  /** Only usage with these group values; empty for all. */
  readonly match: Readonly<Record<string, string>>;
}

/** Amounts are decimal text in the catalog's currency. */
export type Price =
  | (PriceOfUsage & { readonly model: 'per_unit'; readonly unitAmount: string })
  | (PriceOfUsage & { readonly model: 'graduated'; readonly tiers: readonly Tier[] })
  | (PriceOfUsage & { readonly model: 'volume'; readonly tiers: readonly Tier[] })
  | (PriceOfUsage & { readonly model: 'package'; readonly packageSize: string; readonly packageAmount: string })
  | { readonly slug: string; readonly model: 'flat'; readonly flatAmount: string };

export interface Plan {
  readonly slug: string;
  readonly billingPeriod: 'month';
  /** True: calendar months in `timezone`. False: months anchored at the subscription's start. */
  readonly calendar: boolean;
  /** IANA name. */
  readonly timezone: string;
  readonly prices: readonly Price[];
}

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
}

export const emptyCatalog: Catalog = { currency: 'USD', meters: [], plans: [], subscriptions: [], defaultPlan: null };
