// Where one accepted event was counted, and which line items price it: the aggregator's own reading of an event, done
// again for one event by the catalog version that decided it.
import type { Catalog } from '../../domain/catalog/catalog.ts';
import { parseExactJson } from '../../domain/json/exact-json.ts';
import { metersByType, readMeters } from '../../domain/metering/meter-reading.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';

export interface PlacedEvent {
  readonly type: string;
  /** Milliseconds since the epoch. */
  readonly eventTime: number;
  /** JSON text of an object. */
  readonly data: string;
}

export interface Counted {
  readonly meter: string;
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  /** Decimal text: the event's value; "1" for count and unique, which count events and distinct values. */
  readonly quantity: string;
  /** By the dimension's name; "" where the event has no such property. */
  readonly groups: ReadonlyMap<string, string>;
}

/** What a sealed chunk says about the catalog versions its events were decided by. */
export interface ChunkCatalog {
  /** At the chunk's start: the version the chunk before ended with. */
  readonly versionBefore: number;
  /** Where in the chunk another version took effect, ascending. */
  readonly changes: readonly { readonly offset: number; readonly version: number }[];
}

/** The version in force at an offset of the chunk. */
export const catalogVersionAt = (chunk: ChunkCatalog, offset: number): number =>
  chunk.changes.findLast((change) => change.offset <= offset)?.version ?? chunk.versionBefore;

/**
 * `catalog`: of the version in force where the event stands in the log. Throws an Error where that version could not
 * have counted it.
 */
export function countedIn(event: PlacedEvent, catalog: Catalog): Counted[] {
  const meters = metersByType(catalog).get(event.type) ?? [];
  const readings = readMeters(meters, parseExactJson(event.data));
  if (!Array.isArray(readings))
    throw new Error(`an accepted event is not readable by its catalog: ${readings.message}`);
  return readings.map(({ meter, quantity, groupValues }) => ({
    meter: meter.slug,
    windowStart: windowStartOf(event.eventTime, windowSizeMs[meter.window]),
    quantity: formatQuantity(quantity),
    groups: new Map(meter.dimensions.map((dimension, i) => [dimension.name, groupValues[i] ?? ''])),
  }));
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
  Object.entries(item.groups).every(([name, value]) => counted.groups.get(name) === value);
