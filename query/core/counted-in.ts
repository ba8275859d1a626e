// Where one accepted event was counted, and which line items price it: the aggregator's own reading of an event, done
// again for one event by the catalog version that decided it.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { type CorrectedEvent, type DefinedCorrection, readCorrected } from '../../domain/metering/corrections.ts';
import { metersByType } from '../../domain/metering/meter-reading.ts';
import type { RuleSet } from '../../domain/metering/rule-set.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { Rejection } from '../../domain/rejection.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';

export interface Counted {
  readonly meter: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly windowEnd: number;
  /** Decimal text: the event's value; "1" for count and unique, which count events and distinct values. */
  readonly quantity: string;
  /**
   * By the name of each dimension that the meter had by then; "" where the event has no such property. One that was
   * added since has "".
   */
  readonly groups: ReadonlyMap<string, string>;
}

/** A meter that could not read the event, and why. */
export interface UnreadBy {
  readonly meter: string;
  readonly code: string;
  readonly reason: string;
}

/**
 * `catalog` and `rules`: those in force where the event stands in the log; `corrections`: those that its chunk was
 * recounted with. Throws an Error where it could not have been
 * accepted by them.
 */
export function countedIn(
  event: CorrectedEvent,
  catalog: Catalog,
  rules: RuleSet,
  corrections: readonly DefinedCorrection[],
): { readonly counted: readonly Counted[]; readonly unread: readonly UnreadBy[] } {
  const meters = metersByType(catalog).get(event.type) ?? [];
  const read = readCorrected(meters, corrections, event, rules);
  if (read instanceof Rejection) throw new Error(`an accepted event is not readable by its catalog: ${read.message}`);
  const counted = read.readings.map(({ meter, quantity, groupValues }) => {
    const windowStart = windowStartOf(event.eventTime, windowSizeMs[meter.window]);
    return {
      meter: meter.slug,
      ...{ windowStart, windowEnd: windowStart + windowSizeMs[meter.window] },
      quantity: formatQuantity(quantity),
      groups: new Map(meter.dimensions.map((dimension, i) => [dimension.name, groupValues[i] ?? ''])),
    };
  });
  const unread = read.unread.map(({ meter, rejection }) => ({
    meter: meter.slug,
    code: rejection.code,
    reason: rejection.message,
  }));
  return { counted, unread };
}

/** A line item's claim on usage. */
export interface PricedUsage {
  readonly meter: string | null;
  /** The group values it is restricted to; empty for all. */
  readonly groups: Readonly<Record<string, string>>;
  /** Inclusive and exclusive, in milliseconds since the epoch. */
  readonly windowStart: number;
  readonly windowEnd: number;
}

export const isPriceOf = (item: PricedUsage, counted: Counted): boolean =>
  item.meter === counted.meter &&
  item.windowStart <= counted.windowStart &&
  counted.windowStart < item.windowEnd &&
  Object.entries(item.groups).every(([name, value]) => (counted.groups.get(name) ?? '') === value);
