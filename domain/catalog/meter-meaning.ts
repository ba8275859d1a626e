// What a meter's slug means, and what of it may change when (docs/inside/meters-in-time.md). How an event is read may
// change at any time; how stored usage is read only where there is none. A dimension keeps its place for ever.

import type { Terms } from '../fields/definition-form.ts';
import { eventPathText } from '../metering/event-path.ts';
import { acrossOf, type Dimension, defaultItemWidth, itemWidthOf, meterDefaults } from '../metering/meter.ts';
import { filterText } from '../metering/meter-filter.ts';
import { valueText } from '../metering/value-expression.ts';
import type { Catalog, Meter } from './catalog.ts';
import { differences } from './term-differences.ts';

const byName = (one: Dimension, other: Dimension): number => (one.name < other.name ? -1 : 1);

const widthTerms = (meter: Meter): Terms => ({ window: meter.window, lineItems: itemWidthOf(meter) });

/** One text for each aspect of a definition, so that what is compared is what is shown. */
export function meterTerms(meter: Meter): Terms {
  const { required, precision, unreadable } = { ...meterDefaults, ...meter };
  const dimensions = meter.dimensions.toSorted(byName);
  return {
    eventType: meter.eventType,
    aggregation: meter.aggregation,
    value: valueText(meter) ?? 'none',
    ...(meter.where === undefined ? {} : { where: filterText(meter.where) }),
    groupBy: `{${dimensions.map(({ name, path }) => `${name}: ${eventPathText(path)}`).join(', ')}}`,
    ...widthTerms(meter),
    ...{ required: String(required), precision, unreadable, across: acrossOf(meter) },
  };
}

/** A meter that would read what is stored of its slug otherwise than it was counted. */
export interface NewMeaning {
  readonly meter: Meter;
  /** The last definition of the slug. */
  readonly earlier: Meter;
  /** Each as `name old -> new`. */
  readonly changed: readonly string[];
  /** Whether prices of the earlier definition rest on what changes: on its widths or its dimensions. */
  readonly concernsPrices: boolean;
}

/** The newest definition of each slug. `history`: ascending. */
const newestMeters = (history: readonly Catalog[]): ReadonlyMap<string, Meter> =>
  new Map(history.flatMap(({ meters }) => meters).map((meter) => [meter.slug, meter]));

/** `history`: every version that there was, ascending; a slug means what it did also after its removal. */
export function newMeanings(history: readonly Catalog[], after: Catalog): NewMeaning[] {
  const known = newestMeters(history);
  return after.meters.flatMap((meter): NewMeaning[] => {
    const earlier = known.get(meter.slug);
    if (earlier === undefined) return [];
    const widths = differences(widthTerms(earlier), widthTerms(meter));
    const gone = earlier.dimensions
      .filter(({ name }) => !meter.dimensions.some((dimension) => dimension.name === name))
      .map(({ name }) => `groupBy ${name} -> none`);
    const aggregations = differences({ aggregation: earlier.aggregation }, { aggregation: meter.aggregation });
    const changed = [...aggregations, ...gone, ...widths];
    return changed.length === 0
      ? []
      : [{ meter, earlier, changed, concernsPrices: changed.length > aggregations.length }];
  });
}

/**
 * What to write so that a meter keeps its widths, where nothing else of its meaning differs: a file that leaves them
 * out meant others in an earlier release. Empty: that would not be enough.
 */
export function keepingWidths({ earlier, meter, changed }: NewMeaning): string {
  const { window, lineItems } = widthTerms(earlier);
  if (changed.length > differences(widthTerms(earlier), widthTerms(meter)).length) return '';
  const written = window === meter.window ? [] : [`window: ${window}`];
  if (written.length === 0 || lineItems !== defaultItemWidth(earlier.window)) written.push(`lineItems: ${lineItems}`);
  return `; to keep the meter as it is, write ${written.join(' and ')}`;
}

/**
 * The catalog with each dimension in its place: in the order of the slug's earlier ones, and behind them the new ones.
 */
export function inTheirPlaces(history: readonly Catalog[], catalog: Catalog): Catalog {
  const known = newestMeters(history);
  const placed = catalog.meters.map((meter): Meter => {
    const places = (known.get(meter.slug)?.dimensions ?? []).map(({ name }) => name);
    const placeOf = ({ name }: Dimension): number => (places.includes(name) ? places.indexOf(name) : places.length);
    return { ...meter, dimensions: meter.dimensions.toSorted((a, b) => placeOf(a) - placeOf(b) || byName(a, b)) };
  });
  return { ...catalog, meters: placed };
}

/** From when on a meter is read otherwise, in words for whoever changes it. */
export interface MeterStart {
  /** As a `Change` names it. */
  readonly subject: string;
  readonly start: string;
}

/** Of the meters that are there already and are read otherwise. */
export function meterStarts(before: Catalog | null, after: Catalog): MeterStart[] {
  return after.meters.flatMap((meter): MeterStart[] => {
    const earlier = before?.meters.find(({ slug }) => slug === meter.slug);
    if (earlier === undefined || differences(readTerms(earlier), readTerms(meter)).length === 0) return [];
    const added = meter.dimensions.map(({ name }) => name).filter((name) => !hasDimension(earlier, name));
    const older = added.length === 0 ? '' : `; ${added.join(' and ')} of usage before is ""`;
    const start = `for events that are counted from the version on, until a recount of those before${older}`;
    return [{ subject: `meter ${meter.slug}`, start }];
  });
}

const hasDimension = ({ dimensions }: Meter, wanted: string): boolean => dimensions.some(({ name }) => name === wanted);

/** No part of what an event says to the meter. */
const OF_NO_READING: readonly string[] = ['window', 'lineItems', 'unreadable', 'across'];

const readTerms = (meter: Meter): Terms =>
  Object.fromEntries(Object.entries(meterTerms(meter)).filter(([name]) => !OF_NO_READING.includes(name)));
