// Reading a catalog file. The result is whole or it is a list of everything that is wrong: there is no catalog with
// errors. What is returned is in one canonical form, so that two files which say the same compare equal.
import { aggregationRules, aggregations } from '../aggregation/aggregations.ts';
import {
  expected,
  type Field,
  type FieldSource,
  isAbsent,
  readBoolean,
  readChoice,
  readList,
  readMap,
  readSlug,
  readText,
  refuse,
} from '../fields/catalog-fields.ts';
import { type CatalogError, CatalogSource, formatPath } from '../fields/catalog-source.ts';
import { DEFAULT_WINDOW, defaultItemWidth, meterDefaults, whenUnreadable } from '../metering/meter.ts';
import { type ReadValue, readDimensions, readValue, readWhere } from '../metering/meter-fields.ts';
import { precisions } from '../number/quantity.ts';
import { BOOKS_MAX, type KnownBooks, readPriceBook } from '../pricing/book/price-book.ts';
import { partsOf, slugOfPart } from '../pricing/parts.ts';
import { readPlanMinimum } from '../pricing/plan-minimum.ts';
import type { KnownMeters } from '../pricing/price-model.ts';
import { isUsagePrice, readPrice, type UsagePrice } from '../pricing/prices.ts';
import { isOtherwise, mayShareUsage } from '../pricing/taken-usage.ts';
import { type WindowSize, windowSizeMs, windowSizes } from '../time/time-window.ts';
import { isTimeZone } from '../time/time-zone.ts';
import { afterEnds, type Catalog, type Meter, type Plan, type Price, planDefaults, trialUsages } from './catalog.ts';
import { checkCalendar, type PlanDraft } from './period-alignment.ts';
import { meaningFault, priceMeanings } from './price-meaning.ts';

export { formatCatalogError } from '../fields/catalog-source.ts';

export const METERS_MAX = 1000;
export const PLANS_MAX = 1000;
export const PRICES_MAX = 1000;

export type CatalogReading =
  | { readonly ok: true; readonly catalog: Catalog }
  | { readonly ok: false; readonly errors: readonly CatalogError[] };

/** Reads and checks a whole catalog. Never throws for what the text says; `fileName` is only for the errors. */
export function readCatalog(text: string, fileName: string): CatalogReading {
  const { source, root, readable } = CatalogSource.parse(text, fileName);
  const catalog = readable ? readCatalogTree(source, root) : null;
  if (catalog === null || source.errors.length > 0) return { ok: false, errors: source.errors };
  return { ok: true, catalog };
}

/**
 * Of a parsed file. What is wrong is said to the source, and what is returned is void as soon as it was said anything.
 */
export function readCatalogTree(source: FieldSource, root: unknown): Catalog | null {
  const names = ['currency', 'meters', 'priceBooks', 'plans', 'defaultPlan'] as const;
  const fields = readKnown({ source, path: [], value: root }, names, {
    subscriptions:
      'are account objects: `tallyline import subscriptions FILE` takes them from this file; then leave the section out',
  });
  if (fields === null) return null;
  const currency = readCurrency(fields.currency);
  const meters = readSlugged(optionalList(fields.meters, METERS_MAX), readMeter);
  const books = readSlugged(optionalList(fields.priceBooks, BOOKS_MAX), readPriceBook);
  const plans = readSlugged(optionalList(fields.plans, PLANS_MAX), (field) => readPlan(field, meters, books));
  const drafts = [...plans.values()].filter((draft) => draft !== null);
  const defaultPlan = readDefaultPlan(fields.defaultPlan, plans);
  checkMeanings(drafts);
  if (currency === null) return null;
  return {
    currency,
    meters: [...meters.values()].filter((meter) => meter !== null),
    ...(books.size > 0 && { priceBooks: [...books.values()].filter((book) => book !== null) }),
    plans: drafts.map(({ plan }) => plan),
    defaultPlan,
  };
}

/** Of a map that had other keys too in earlier releases: says of each what is to be done with it. */
function readKnown<Name extends string>(
  field: Field,
  names: readonly Name[],
  gone: Readonly<Record<string, string>>,
): Readonly<Record<Name, Field>> | null {
  const { source, path, value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return readMap(field, names);
  const kept = Object.entries(value).filter(([name]) => !Object.hasOwn(gone, name));
  for (const name of Object.keys(value))
    if (Object.hasOwn(gone, name)) refuse({ source, path: [...path, name], value: null }, gone[name]!, 'key');
  return readMap({ source, path, value: Object.fromEntries(kept) }, names);
}

/** A slug is of one meter, or a fee, in all plans. */
function checkMeanings(drafts: readonly PlanDraft[]): void {
  const known = priceMeanings([]);
  for (const { plan, priceFields } of drafts) {
    for (const price of plan.prices) {
      const fault = meaningFault(price, known);
      if (fault === null) continue;
      const { path, ...field } = priceFields.find((each) => slugOf(each) === price.slug)!;
      refuse({ ...field, path: [...path, 'slug'] }, `${JSON.stringify(price.slug)} ${fault}`);
    }
    for (const [slug, meaning] of priceMeanings([plan])) if (!known.has(slug)) known.set(slug, meaning);
  }
}

const optionalList = (field: Field, countMax: number): readonly Field[] =>
  isAbsent(field) ? [] : (readList(field, countMax) ?? []);

function readCurrency(field: Field): string | null {
  const text = readText(field);
  return text === null || /^[A-Z]{3}$/.test(text) ? text : expected(field, 'an ISO 4217 code such as USD');
}

/**
 * By slug, in the order of the file. An entry in error stands as null, so that what refers to it is not an error too.
 */
function readSlugged<Entry>(list: readonly Field[], read: (field: Field) => Entry | null): Map<string, Entry | null> {
  const bySlug = new Map<string, Entry | null>();
  const firstPath = new Map<string, string>();
  for (const field of list) {
    const entry = read(field);
    const slug = slugOf(field);
    if (slug === null) continue;
    const earlier = firstPath.get(slug);
    if (earlier !== undefined) {
      refuse({ ...field, path: [...field.path, 'slug'] }, `"${slug}" is already the slug of ${earlier}`);
      continue;
    }
    firstPath.set(slug, formatPath(field.path));
    bySlug.set(slug, entry);
  }
  return bySlug;
}

/** The slug of an entry that may be in error elsewhere; says nothing. */
function slugOf({ value }: Field): string | null {
  const slug =
    typeof value === 'object' && value !== null && Object.hasOwn(value, 'slug')
      ? (value as { slug: unknown }).slug
      : null;
  return typeof slug === 'string' ? slug : null;
}

function readMeter(field: Field): Meter | null {
  const fields = readMap(field, [
    ...['slug', 'eventType', 'aggregation', 'value', 'required', 'groupBy', 'window', 'precision', 'unreadable'],
    ...['across', 'lineItems', 'where'],
  ] as const);
  if (fields === null) return null;
  const slug = readSlug(fields.slug);
  const eventType = readText(fields.eventType);
  const aggregation = readChoice(fields.aggregation, aggregations);
  const window = isAbsent(fields.window) ? DEFAULT_WINDOW : readChoice(fields.window, windowSizes);
  const itemWidth = readItemWidth(fields.lineItems, window);
  const required = isAbsent(fields.required) ? false : readBoolean(fields.required);
  const dimensions = isAbsent(fields.groupBy) ? [] : readDimensions(fields.groupBy);
  const precision = isAbsent(fields.precision) ? meterDefaults.precision : readChoice(fields.precision, precisions);
  const unreadable = isAbsent(fields.unreadable)
    ? meterDefaults.unreadable
    : readChoice(fields.unreadable, whenUnreadable);
  if (precision === 'exact' && aggregation !== null && aggregationRules(aggregation).reads !== 'quantity') {
    refuse(fields.precision, `a ${aggregation} reads no number`, 'key');
  }
  const across =
    isAbsent(fields.across) || aggregation === null
      ? undefined
      : readChoice(fields.across, aggregationRules(aggregation).across);
  let value: ReadValue | null = null;
  const readsNothing = aggregation !== null && aggregationRules(aggregation).reads === 'nothing';
  if (readsNothing) {
    if (!isAbsent(fields.value)) refuse(fields.value, `a ${aggregation} has no value: it counts events`, 'key');
    if (required === true) refuse(fields.required, `a ${aggregation} has no value that an event could lack`, 'key');
  } else if (aggregation !== null && isAbsent(fields.value)) {
    refuse(fields.value, `is missing: ${aggregation} needs the path of a value, such as data.input_tokens`);
  } else if (!isAbsent(fields.value)) value = readValue(fields.value, aggregation);
  const where = isAbsent(fields.where) ? undefined : readWhere(fields.where);
  if (
    slug === null ||
    eventType === null ||
    aggregation === null ||
    window === null ||
    itemWidth === null ||
    required === null ||
    precision === null ||
    unreadable === null ||
    across === null ||
    where === null ||
    dimensions === null
  )
    return null;
  if (!readsNothing && value === null) return null;
  return {
    ...{ slug, eventType, aggregation, valuePath: null, ...value, required, dimensions, window },
    ...(where === undefined ? {} : { where }),
    ...(itemWidth === window ? {} : { itemWidth }),
    ...(precision === meterDefaults.precision ? {} : { precision }),
    ...(unreadable === meterDefaults.unreadable ? {} : { unreadable }),
    ...(across === undefined || across === aggregationRules(aggregation).across[0] ? {} : { across }),
  };
}

/** `window` null: it is wrong, so nothing can be said of what goes with it. */
function readItemWidth(field: Field, window: WindowSize | null): WindowSize | null {
  if (isAbsent(field)) return window === null ? null : defaultItemWidth(window);
  const width = readChoice(field, windowSizes);
  if (width === null || window === null || windowSizeMs[width] >= windowSizeMs[window]) return width;
  return refuse(field, `must not be smaller than the window, ${window}: a line item is of whole windows`);
}

function readPlan(field: Field, meters: KnownMeters, books: KnownBooks): PlanDraft | null {
  const fields = readKnown(field, ['slug', 'calendar', 'timezone', 'afterEnd', 'trialUsage', 'minimum', 'prices'], {
    billingPeriod: 'each price says how long its periods are (`every`), a month where it says nothing: leave this out',
  });
  if (fields === null) return null;
  const slug = readSlug(fields.slug);
  const calendar = isAbsent(fields.calendar) ? false : readBoolean(fields.calendar);
  const timezone = isAbsent(fields.timezone) ? 'UTC' : readTimeZone(fields.timezone);
  const priceFields = readList(fields.prices, PRICES_MAX);
  const prices = priceFields === null ? null : readSlugged(priceFields, (price) => readPrice(price, meters, books));
  const afterEnd = isAbsent(fields.afterEnd) ? planDefaults.afterEnd : readChoice(fields.afterEnd, afterEnds);
  const trialUsage = isAbsent(fields.trialUsage) ? planDefaults.trialUsage : readChoice(fields.trialUsage, trialUsages);
  const minimum = isAbsent(fields.minimum) ? undefined : readPlanMinimum(fields.minimum);
  if (slug === null || calendar === null || timezone === null || prices === null) return null;
  if (afterEnd === null || trialUsage === null || minimum === null) return null;
  const sound = [...prices.values()].filter((price): price is Price => price !== null);
  const plan: Plan = {
    ...{ slug, calendar, timezone, prices: sound },
    ...(afterEnd !== planDefaults.afterEnd && { afterEnd }),
    ...(trialUsage !== planDefaults.trialUsage && { trialUsage }),
    ...(minimum !== undefined && { minimum }),
  };
  const pricedSlugs = new Set(
    sound
      .flatMap(partsOf)
      .filter(isUsagePrice)
      .map((price) => price.meter),
  );
  const priced = [...pricedSlugs].flatMap((name) => meters.get(name) ?? []);
  const draft: PlanDraft = { field, plan, priceFields: priceFields!, meters: priced };
  if (calendar) checkCalendar(fields.timezone, draft);
  checkOtherwise(draft);
  return draft;
}

/** Usage that no other price matches is of one price: two would both charge it (P3). */
function checkOtherwise({ plan, priceFields }: PlanDraft): void {
  const taking: UsagePrice[] = [];
  for (const price of plan.prices.flatMap(partsOf).filter(isUsagePrice).filter(isOtherwise)) {
    const other = taking.find((each) => mayShareUsage(each, price));
    taking.push(price);
    if (other === undefined) continue;
    const { path, ...field } = priceFields.find((each) => slugOf(each) === slugOfPart(price.slug))!;
    refuse(
      { ...field, path: [...path, 'otherwise'] },
      `price ${JSON.stringify(other.slug)} of this plan takes what no other price matches of the same usage: one can`,
    );
  }
}

function readTimeZone(field: Field): string | null {
  const text = readText(field);
  return text === null || isTimeZone(text) ? text : expected(field, 'an IANA time zone such as UTC or Europe/Berlin');
}

function readDefaultPlan(field: Field, plans: ReadonlyMap<string, PlanDraft | null>): string | null {
  if (isAbsent(field) || field.value === null) return null;
  const slug = readSlug(field);
  if (slug === null) return null;
  const draft = plans.get(slug);
  if (draft === undefined) return refuse(field, `there is no plan ${JSON.stringify(slug)} in this catalog`);
  // Customers without a subscription have no anchor, so the default plan runs by the calendar whatever it says itself.
  if (draft !== null && !draft.plan.calendar) checkCalendar(field, draft);
  for (const [other, of] of plans) if (of !== null && other !== slug) requireAfterEnd(of.field);
  if (draft !== null) refuseMinimums(field, draft);
  return slug;
}

/** Whoever has no subscription has agreed to nothing. */
function refuseMinimums(field: Field, { plan }: PlanDraft): void {
  const of = plan.prices.find((price) => isUsagePrice(price) && price.minimum !== undefined);
  if (plan.minimum === undefined && of === undefined) return;
  const where = plan.minimum === undefined ? `its price ${JSON.stringify(of!.slug)}` : 'it';
  refuse(field, `can't be ${JSON.stringify(plan.slug)}: ${where} has a minimum, which is for subscriptions`);
}

/** Where a default plan would take in again whoever left, leaving it unsaid would decide it (T9). */
function requireAfterEnd({ source, path, value }: Field): void {
  if ((value as { readonly afterEnd?: unknown }).afterEnd !== undefined) return;
  refuse(
    { source, path: [...path, 'afterEnd'], value: undefined },
    'is missing: where there is a default plan, every other plan says what its customers have once they have left: none, or default',
  );
}
