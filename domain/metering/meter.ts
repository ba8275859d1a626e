// What a meter is: which events it reads, what it takes from them, and how it adds that up. Plain JSON values
// throughout, as in the whole catalog.
import type { Across } from '../aggregation/aggregation-rules.ts';
import { type Aggregation, aggregationRules } from '../aggregation/aggregations.ts';
import type { JsonPath, SingularPath } from '../json/json-path.ts';
import type { Precision } from '../number/quantity.ts';
import type { WindowSize } from '../time/time-window.ts';

/**
 * What a gateway does with an event of the meter's type that the meter can't read: it refuses it, or takes it, and the
 * meter leaves it out.
 */
export const whenUnreadable = ['refuse', 'skip'] as const;
type WhenUnreadable = (typeof whenUnreadable)[number];

/**
 * What holds where a definition says nothing. It is left out of a stored one: a catalog of before there was a choice is
 * still the same.
 */
export const meterDefaults: { readonly precision: Precision; readonly unreadable: WhenUnreadable } = {
  precision: 'rounded',
  unreadable: 'refuse',
};

export interface Dimension {
  readonly name: string;
  /** Below the event's data: `data.usage.model` is ["usage", "model"]. */
  readonly path: SingularPath;
}

/** Which events of its type a meter reads: those that have one of these values at the path, or none of them. */
export interface Condition {
  readonly path: SingularPath;
  /** True: none of them. */
  readonly isNot: boolean;
  /** Sorted; each as the text of a group value, so "" stands for an event that has none. */
  readonly values: readonly string[];
}

/** One of the values that a meter's value is the sum of. */
export interface Addend {
  readonly path: JsonPath;
  /** Decimal text, not 0: by which it is multiplied. Below 0 it is taken away. */
  readonly factor: string;
}

/** Of a catalog file that says no window: it serves every time zone. A stored definition always has its window. */
export const DEFAULT_WINDOW: WindowSize = '15m';

/** Of a catalog file that says no item width: as few items as an hour makes, where the window is for time zones. */
export const defaultItemWidth = (window: WindowSize): WindowSize => (window === DEFAULT_WINDOW ? '1h' : window);

/**
 * The definition of a meter in one version of a catalog. What a slug counts is added up over all of them: how an event
 * is read may change from one to the next, how stored usage is read may not (docs/inside/meters-in-time.md).
 */
export interface Meter {
  readonly slug: string;
  readonly eventType: string;
  readonly aggregation: Aggregation;
  /**
   * Below the event's data; null where the aggregation reads nothing or `addends` say what it reads, singular where it
   * joins no values.
   */
  readonly valuePath: JsonPath | null;
  /** What the value is the sum of. Absent: it is what stands at `valuePath`. */
  readonly addends?: readonly Addend[];
  /** Sorted by path; all must hold. Absent: it reads every event of its type. */
  readonly where?: readonly Condition[];
  /** True: an event of this type without the value is rejected. False: it leaves the meter alone. */
  readonly required: boolean;
  /**
   * The group values of a roll-up stand in this order: by name, and those that a later version added behind those that
   * were there.
   */
  readonly dimensions: readonly Dimension[];
  readonly window: WindowSize;
  /** How much time a usage line item covers, not less than a window. Absent: a window. */
  readonly itemWidth?: WindowSize;
  /** Absent: as in `meterDefaults`. */
  readonly precision?: Precision;
  /** Absent: as in `meterDefaults`. */
  readonly unreadable?: WhenUnreadable;
  /** Absent: the aggregation's own. */
  readonly across?: Across;
}

export const itemWidthOf = ({ window, itemWidth }: Pick<Meter, 'window' | 'itemWidth'>): WindowSize =>
  itemWidth ?? window;

/** How the meter makes one value of several subjects' values. */
export const acrossOf = ({ aggregation, across }: Pick<Meter, 'aggregation' | 'across'>): Across =>
  across ?? aggregationRules(aggregation).across[0];

/** By name, group values as they are stored: in the order of the dimensions. Older usage has none of a later one. */
export const namedGroups = (
  { dimensions }: Pick<Meter, 'dimensions'>,
  values: readonly string[],
): Readonly<Record<string, string>> => Object.fromEntries(dimensions.map(({ name }, i) => [name, values[i] ?? '']));
