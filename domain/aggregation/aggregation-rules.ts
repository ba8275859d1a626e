// What an aggregation is: everything that is known of it stands in one file of this folder and its row in
// `aggregations.ts`. How ClickHouse merges the states that are stored is in platform/usage-store/usage-query.ts, which
// does not compile without it.
//
// A window of a meter is kept as a state that grows by one event at a time. The order in which events come never
// changes what the state says in the end: that is why partitions can be counted apart and merged when they are read.
import type { Quantity } from '../number/quantity.ts';

/** When an event happened, and its place in the log: how the values of a level follow each other. */
export interface EventOrder {
  readonly eventTime: number;
  /** The log's time T when the event was accepted. */
  readonly acceptedAt: number;
  /**
   * Offset and index; before them generation and partition where events of several partitions meet. Compared in this
   * order.
   */
  readonly place: readonly number[];
}

/** What one event says to one meter. */
interface Contribution {
  /** 1 where the aggregation reads no quantity. */
  readonly quantity: Quantity;
  /** The 128-bit hash of the value, as hex, where values are told apart; else null. */
  readonly uniqueValue: string | null;
}

/** A window of a meter so far. */
export interface WindowState {
  value: Quantity;
  /** Of the event that `value` comes from, where that matters. */
  latest: EventOrder | null;
  /** The values met so far, where they are told apart. */
  readonly uniqueValues: Set<string> | null;
}

/**
 * How the values of several subjects become one. `sum` and `max` are of the subjects' values; with `union` and `pooled`
 * the subjects are one: what several of them have counts once, and their events are those of one.
 */
export type Across = 'sum' | 'max' | 'union' | 'pooled';

export interface AggregationRules {
  /**
   * What it reads from an event: nothing (it counts events), a decimal number, or any scalar, which is only told apart.
   */
  readonly reads: 'nothing' | 'quantity' | 'scalar';
  /** Whether what is kept is the sum of the events' quantities: then it may be kept as plain numbers. */
  readonly isSum: boolean;
  /** Whether the value is what is kept, divided by the number of events: once, when it is told (mean.ts). */
  readonly isMean: boolean;
  /**
   * What two quantities of one event come to, where the meter's path names several; null: it takes one, or none. The
   * order of the values must not matter.
   */
  readonly joinValues: ((one: Quantity, other: Quantity) => Quantity) | null;
  /**
   * Whether what a later window adds to a period depends on the values of the earlier ones, and not on their result
   * alone.
   */
  readonly needsFirstSeen: boolean;
  /** The state after a window's first event. */
  begin(event: Contribution, order: EventOrder): WindowState;
  /** A further event. */
  add(state: WindowState, event: Contribution, order: EventOrder): void;
  /** What a meter may choose for several subjects; the first where it says nothing. */
  readonly across: readonly [Across, ...Across[]];
  /** The choice that merging states without regard to subjects gives; null: none, a subject has to be merged first. */
  readonly acrossMerged: Across | null;
  /** What windows come to once a further one is known, in order of time; `before` is null for the first. */
  mergeWindows(before: Quantity | null, window: Quantity): Quantity;
}
