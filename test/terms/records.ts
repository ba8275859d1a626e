// Short ways to write the records that the rule of time is a function of.
import type { Catalog, CatalogVersion, Plan, Price } from '../../domain/catalog/catalog.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { parseQuantity, type Quantity } from '../../domain/number/quantity.ts';
import type { UsagePrice } from '../../domain/pricing/prices.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { type CustomerRecords, CustomerTerms, type UsagePeriod } from '../../domain/terms/price-terms.ts';
import {
  SubscriptionHistory,
  type SubscriptionOpening,
  type SubscriptionPatch,
  type SubscriptionRecord,
} from '../../domain/terms/subscription-history.ts';
import { termCharges, type UsedWindow } from '../../domain/terms/term-amounts.ts';

export const HOUR = 3_600_000;

/** An instant of 2026 in UTC: `10-16` or `10-16T10:20`. */
export function on(text: string): number {
  const instant = new Date(`2026-${text.length > 5 ? text : `${text}T00:00`}Z`).getTime();
  if (Number.isNaN(instant)) throw new RangeError(text);
  return instant;
}

export const shownAt = (instant: number): string => new Date(instant).toISOString().slice(5, 16).replace('T00:00', '');

export const meterOf = (slug: string, more: Partial<Meter> = {}): Meter => ({
  slug,
  eventType: 'e',
  aggregation: 'sum',
  valuePath: ['n'],
  required: false,
  dimensions: [],
  window: '1h',
  ...more,
});

export const perUnitOf = (unitAmount: string, more: Partial<UsagePrice> = {}): Price =>
  ({ slug: 'units', meter: 'm', match: {}, model: 'per_unit', unitAmount, ...more }) as Price;

export const flatOf = (flatAmount: string, more: object = {}): Price =>
  ({ slug: 'fee', model: 'flat', flatAmount, ...more }) as Price;

/** Tiers from text: `1000:0.20 0.10` is up to 1,000 at 0.20, above at 0.10. */
const tiersOf = (text: string) =>
  text.split(' ').map((tier) => {
    const [left, unitAmount] = tier.split(':');
    return unitAmount === undefined
      ? { upTo: null, unitAmount: left!, flatAmount: '0' }
      : { upTo: left!, unitAmount, flatAmount: '0' };
  });

export const tieredOf = (model: 'graduated' | 'volume', tiers: string, more: object = {}): Price =>
  ({ slug: 'units', meter: 'm', match: {}, model, tiers: tiersOf(tiers), ...more }) as Price;

export type PlanPrices = Readonly<Record<string, readonly Price[] | (Partial<Plan> & { prices: readonly Price[] })>>;

export function catalogOf(plans: PlanPrices, more: Partial<Catalog> = {}): Catalog {
  return {
    currency: 'USD',
    meters: [meterOf('m')],
    plans: Object.entries(plans).map(([slug, of]) => ({
      slug,
      calendar: true,
      timezone: 'UTC',
      ...('prices' in of ? of : { prices: of }),
    })),
    defaultPlan: null,
    ...more,
  };
}

/** Each at an instant, in the order of their numbers. */
export const catalogs = (
  ...versions: readonly (Omit<Partial<CatalogVersion>, 'catalog' | 'version'> & { at: string; catalog: Catalog })[]
): CatalogHistory =>
  new CatalogHistory(
    versions.map(({ at, catalog, ...more }, i) => ({ ...more, version: i + 1, effectiveAt: on(at), catalog })),
  );

/** A catalog that has held for years. */
export const sinceLongAgo = (plans: PlanPrices, more: Partial<Catalog> = {}) => ({
  at: '01-01',
  catalog: catalogOf(plans, more),
});

/** Patches by instant, in the order in which they are recorded. */
export type Changes = readonly (readonly [at: string, patch: SubscriptionPatch])[];

export const changes = (of: Changes): SubscriptionRecord[] =>
  of.map(([at, patch], i) => ({ sequence: i + 1, patches: [{ at: on(at), patch }] }));

/** By calendar months in UTC unless it says otherwise. */
export function subscribed(
  from: string,
  records: Changes | readonly SubscriptionRecord[],
  more: Partial<SubscriptionOpening> = {},
): SubscriptionHistory {
  const start = on(from);
  const opening: SubscriptionOpening = {
    id: 's1',
    startsAt: start,
    billedFrom: start,
    takesBegunWindow: false,
    anchor: 'calendar',
    timezone: 'UTC',
    ...more,
  };
  const isShort = (each: (typeof records)[number]): each is Changes[number] => Array.isArray(each);
  return new SubscriptionHistory(
    opening,
    records.every(isShort) ? changes(records) : (records as readonly SubscriptionRecord[]),
  );
}

export const customer = (catalog: CatalogHistory, ...subscriptions: SubscriptionHistory[]): CustomerRecords => ({
  catalog,
  subscriptions,
});

/** The period of a price that holds an instant. */
export function periodOf(records: CustomerRecords, at: string, slug = 'units', subscription = 's1'): UsagePeriod {
  const terms = new CustomerTerms(records);
  const lines = terms.usageLines.filter((line) => line.slug === slug && line.members.includes(subscription));
  const found = lines.flatMap((line) => terms.usagePeriodsAt(line, on(at)))[0];
  if (found === undefined || found === null) throw new Error(`${slug} has no price in the window of ${at}`);
  return found;
}

/** `10-01 to 10-16 pro 1`: where the terms begin and end, their plan and catalog version. */
export const termsShown = ({ terms }: UsagePeriod): string[] =>
  terms.map(({ from, to, plan, catalogVersion }) => `${shownAt(from)} to ${shownAt(to)} ${plan} ${catalogVersion}`);

export const units = (text: string): Quantity => parseQuantity(text)!;

export const used = (...windows: readonly (readonly [at: string, quantity: string])[]): UsedWindow[] =>
  windows.map(([at, quantity]) => ({ windowStart: on(at), quantity: units(quantity) }));

/** What each term of a period costs. */
export const amountsOf = (period: UsagePeriod, windows: readonly UsedWindow[]): string[] =>
  termCharges(period, () => windows).map(({ amount }) => amount.toString());

/** `10-01 to 10-16: 43.5`, of the terms of a fee in the first period that begins before an instant. */
export function feesShown(records: CustomerRecords, at: string, asOf = '12-31', slug = 'fee'): string[] {
  const fees = new CustomerFees(records);
  return fees
    .periodsIn(on(at), on(at) + 1, on(asOf))
    .filter((period) => period.slug === slug)
    .flatMap((period) => fees.termsAt(period, on(asOf)))
    .filter(({ dueAt }) => dueAt <= on(asOf))
    .map(({ from, to, amount }) => `${shownAt(from)} to ${shownAt(to)}: ${amount}`);
}
