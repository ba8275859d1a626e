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
  readInstant,
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
import { isUsagePrice, readPrice } from '../pricing/prices.ts';
import type { KnownMeters } from '../pricing/usage-price.ts';
import { type WindowSize, windowSizeMs, windowSizes } from '../time/time-window.ts';
import { isTimeZone } from '../time/time-zone.ts';
import type { Catalog, Meter, Plan, Price, Subscription } from './catalog.ts';
import { checkPlanPeriods, checkSubscriptionStart, type PlanDraft } from './period-alignment.ts';

export { formatCatalogError } from '../fields/catalog-source.ts';

export const METERS_MAX = 1000;
export const PLANS_MAX = 1000;
export const PRICES_MAX = 1000;
export const SUBSCRIPTIONS_MAX = 1_000_000;

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
  const fields = readMap({ source, path: [], value: root }, [
    'currency',
    'meters',
    'plans',
    'subscriptions',
    'defaultPlan',
  ]);
  if (fields === null) return null;
  const currency = readCurrency(fields.currency);
  const meters = readSlugged(optionalList(fields.meters, METERS_MAX), readMeter);
  const plans = readSlugged(optionalList(fields.plans, PLANS_MAX), (field) => readPlan(field, meters));
  const defaultPlan = readDefaultPlan(fields.defaultPlan, plans);
  const subscriptions = readSubscriptions(optionalList(fields.subscriptions, SUBSCRIPTIONS_MAX), plans, defaultPlan);
  if (currency === null) return null;
  return {
    currency,
    meters: [...meters.values()].filter((meter) => meter !== null),
    plans: [...plans.values()].flatMap((draft) => draft?.plan ?? []),
    subscriptions,
    defaultPlan,
  };
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

function readPlan(field: Field, meters: KnownMeters): PlanDraft | null {
  const fields = readMap(field, ['slug', 'billingPeriod', 'calendar', 'timezone', 'prices']);
  if (fields === null) return null;
  const slug = readSlug(fields.slug);
  const billingPeriod = isAbsent(fields.billingPeriod) ? 'month' : readChoice(fields.billingPeriod, ['month']);
  const calendar = isAbsent(fields.calendar) ? false : readBoolean(fields.calendar);
  const timezone = isAbsent(fields.timezone) ? 'UTC' : readTimeZone(fields.timezone);
  const priceFields = readList(fields.prices, PRICES_MAX);
  const prices = priceFields === null ? null : readSlugged(priceFields, (price) => readPrice(price, meters));
  if (slug === null || billingPeriod === null || calendar === null || timezone === null || prices === null) return null;
  const sound = [...prices.values()].filter((price): price is Price => price !== null);
  const plan: Plan = { slug, billingPeriod, calendar, timezone, prices: sound };
  const pricedSlugs = new Set(sound.filter(isUsagePrice).map((price) => price.meter));
  const draft: PlanDraft = { plan, meters: [...pricedSlugs].flatMap((name) => meters.get(name) ?? []) };
  checkPlanPeriods(fields.timezone, draft, calendar);
  return draft;
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
  // Subjects without a subscription have no anchor, so the default plan runs in calendar months whatever it says
  // itself.
  if (draft !== null && !draft.plan.calendar) checkPlanPeriods(field, draft, true);
  return slug;
}

function readSubscriptions(
  list: readonly Field[],
  plans: ReadonlyMap<string, PlanDraft | null>,
  defaultPlan: string | null,
): readonly Subscription[] {
  const read: ReadSubscription[] = [];
  for (const field of list) {
    const subscription = readSubscription(field, plans);
    if (subscription !== null) read.push({ field, subscription });
  }
  checkStarts(read, plans, defaultPlan);
  return read.map(({ subscription }) => subscription);
}

interface ReadSubscription {
  readonly field: Field;
  readonly subscription: Subscription;
}

/**
 * A start ends what came before it as well, so it must suit the meters of every plan the subject has or may come from.
 */
function checkStarts(
  read: readonly ReadSubscription[],
  plans: ReadonlyMap<string, PlanDraft | null>,
  defaultPlan: string | null,
): void {
  const bySubject = new Map<string, { slugs: Set<string>; firstAt: Map<string, string> }>();
  const ofSubject = (subject: string) => {
    const known = bySubject.get(subject) ?? {
      slugs: new Set(defaultPlan === null ? [] : [defaultPlan]),
      firstAt: new Map(),
    };
    bySubject.set(subject, known);
    return known;
  };
  for (const { subscription } of read) ofSubject(subscription.subject).slugs.add(subscription.plan);
  for (const { field, subscription } of read) {
    const startsAt = { ...field, path: [...field.path, 'startsAt'] };
    const { slugs, firstAt } = ofSubject(subscription.subject);
    const key = JSON.stringify([subscription.tenant, subscription.startsAt]);
    const twin = firstAt.get(key);
    if (twin === undefined) firstAt.set(key, formatPath(field.path));
    else refuse(startsAt, `${twin} already starts at this time for the same subject`);
    checkSubscriptionStart(
      startsAt,
      subscription.startsAt,
      [...slugs].flatMap((slug) => plans.get(slug)?.meters ?? []),
    );
  }
}

function readSubscription(field: Field, plans: ReadonlyMap<string, PlanDraft | null>): Subscription | null {
  const fields = readMap(field, ['subject', 'plan', 'startsAt', 'tenant']);
  if (fields === null) return null;
  const subject = readText(fields.subject);
  const plan = readSlug(fields.plan);
  const startsAt = readInstant(fields.startsAt);
  const tenant = isAbsent(fields.tenant) || fields.tenant.value === null ? null : readText(fields.tenant);
  if (plan !== null && !plans.has(plan))
    refuse(fields.plan, `there is no plan ${JSON.stringify(plan)} in this catalog`);
  if (
    subject === null ||
    plan === null ||
    startsAt === null ||
    (tenant === null && typeof fields.tenant.value === 'string')
  )
    return null;
  return { subject, plan, startsAt, tenant };
}
