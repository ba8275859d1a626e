// docs/inside/prices-in-time.md says what the code does: each of its examples is computed.
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import type { CatalogVersion, Plan, Price } from '../../domain/catalog/catalog.ts';
import type { Meter } from '../../domain/metering/meter.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { QUANTITY_ONE } from '../../domain/number/quantity.ts';
import { minimumDue } from '../../domain/pricing/around/charge.ts';
import { isMinimum } from '../../domain/pricing/parts.ts';
import { CustomerMinimums } from '../../domain/rating/minimums.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { CustomerFees } from '../../domain/terms/fees.ts';
import { type CustomerRecords, CustomerTerms } from '../../domain/terms/price-terms.ts';
import type {
  SubscriptionHistory,
  SubscriptionPatch,
  SubscriptionRecord,
} from '../../domain/terms/subscription-history.ts';
import { termCharges, type UsedWindow } from '../../domain/terms/term-amounts.ts';
import { textOf } from '../support/sources.ts';
import { catalogOf, changes, meterOf, on, shownAt, subscribed } from '../terms/records.ts';

type WrittenPlans = Readonly<Record<string, readonly object[] | (object & { prices: readonly object[] })>>;

/** As docs/inside/prices-in-time.md says how to read one. */
interface Example {
  readonly meter?: Partial<Meter>;
  readonly plans?: WrittenPlans;
  readonly versions?: readonly { at: string; plans: WrittenPlans; closedUpTo?: string; defaultPlan?: string }[];
  readonly opening?: { anchor: string; billedFrom: string };
  readonly changes?: Readonly<Record<string, object>>;
  readonly subscriptions?: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly records?: readonly object[];
  readonly usage?: Readonly<Record<string, number>>;
  readonly at?: string;
  readonly costs: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const page = textOf('docs/inside/prices-in-time.md');
const examples = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text], i) => {
  const rule = [...page.slice(0, page.indexOf(text!)).matchAll(/\*\*(T\d+|P7)\./g)].at(-1)![1]!;
  return [`${rule}, example ${i + 1}`, parse(text!) as Example] as const;
});

const INSTANTS = new Set(['at', 'endsAt', 'trialEndsAt', 'pausedUntil', 'anchor', 'billedFrom', 'closedUpTo']);

/** With instants for what names one. */
const withInstants = <Value>(value: Value): Value =>
  JSON.parse(JSON.stringify(value), (key, each) => (INSTANTS.has(key) && typeof each === 'string' ? on(each) : each));

const pricesOf = (prices: readonly object[]): Price[] =>
  prices.map((price) => {
    const { model, tiers = [] } = price as { model: string; tiers?: object[] };
    const full =
      model === 'volume' || model === 'graduated' ? { tiers: tiers.map((tier) => ({ flatAmount: '0', ...tier })) } : {};
    return { ...(model !== 'flat' && { meter: 'm', match: {} }), ...price, ...full } as Price;
  });

function catalogHistoryOf({ plans, versions, meter }: Example): CatalogHistory {
  const all = versions ?? [{ at: '01-01', plans: plans! }];
  return new CatalogHistory(
    all.map(({ at, plans: written, defaultPlan = null, ...more }, i): CatalogVersion => {
      const read = Object.entries(written).map(([slug, of]) => {
        const prices = pricesOf('prices' in of ? of.prices : (of as readonly object[]));
        return [slug, { ...('prices' in of ? (of as Partial<Plan>) : {}), prices }] as const;
      });
      const catalog = catalogOf(Object.fromEntries(read), { defaultPlan, meters: [meterOf('m', meter)] });
      return { version: i + 1, effectiveAt: on(at), catalog, ...(withInstants(more) as object) };
    }),
  );
}

function subscriptionsOf({ subscriptions, changes: only, records, opening }: Example): SubscriptionHistory[] {
  if (records !== undefined) return [subscribed('10-01', withInstants(records) as SubscriptionRecord[])];
  return Object.entries(subscriptions ?? { s1: only! }).map(([id, of]) => {
    const written = Object.entries(of).map(([at, patch]) => [at, withInstants(patch) as SubscriptionPatch] as const);
    return subscribed(written[0]![0], changes(written), { id, ...(withInstants(opening ?? {}) as object) });
  });
}

const termText = ({ from, to }: { readonly from: number; readonly to: number }): string =>
  `${shownAt(from)} to ${shownAt(to)}`;

/** Of a minimum in the period that starts at an instant: less what the terms of its price came to. */
function minimumsOf(customer: CustomerTerms, name: string, at: number, windows: readonly UsedWindow[]) {
  return new CustomerMinimums(customer)
    .startingAt(at)
    .filter((minimum) => minimum.name === name)
    .map(({ price, last, amount }): [string, string] => {
      const periods = customer.usageLines
        .filter(({ slug }) => slug === price)
        .flatMap((line) => customer.usagePeriodsFrom(line, at));
      const charged = periods
        .flatMap((period) => termCharges(period, () => windows))
        .reduce((sum, charge) => sum.plus(charge.amount), Decimal.zero);
      return [termText(last), minimumDue(amount, charged).toString()];
    });
}

/** The amounts of a price's terms in the period that holds an instant. */
function costsOf(records: CustomerRecords, { usage = {} }: Example, slug: string, at: number): [string, string][] {
  const customer = new CustomerTerms(records);
  const windows = Object.entries(usage).map(([start, quantity]) => ({
    windowStart: on(start),
    quantity: BigInt(quantity) * QUANTITY_ONE,
  }));
  if (isMinimum(slug)) return minimumsOf(customer, slug, at, windows);
  const periods = customer.usageLines
    .filter((line) => line.slug === slug)
    .flatMap((line) => customer.usagePeriodsIn(line, on('10-01'), on('11-01')));
  if (periods.length > 0) {
    const charges = periods.flatMap((period) => termCharges(period, () => windows));
    return charges.map(({ term, amount }) => [termText(term), amount.toString()]);
  }
  const fees = new CustomerFees(records);
  const asOf = on('12-31');
  return fees
    .periodsIn(at, at + 1, asOf)
    .flatMap((period) => fees.termsAt(period, asOf))
    .map((term) => [termText(term), term.amount.toString()]);
}

describe('docs/inside/prices-in-time.md', () => {
  it('has an example of each rule that has amounts', () => {
    const rules = new Set(examples.map(([name]) => name.split(',')[0]));
    expect([...rules]).toEqual(['T1', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8', 'T9', 'T10', 'T11', 'T12', 'T13']);
    for (let rule = 1; rule <= 15; rule++) expect(page).toContain(`**T${rule}. `);
  });

  it.each(examples)('%s', (_, example) => {
    const records = { catalog: catalogHistoryOf(example), subscriptions: subscriptionsOf(example) };
    const at = on(example.at ?? '10-01');
    for (const [slug, costs] of Object.entries(example.costs)) {
      const expected = Object.entries(costs).map(([term, amount]) => [term, amount]);
      expect([...costsOf(records, example, slug, at)].sort()).toEqual(expected.sort());
    }
  });
});
