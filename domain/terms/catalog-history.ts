// What the catalogs of a tenant have said, one after the other, about each price: as differences.
//
// A version is its difference to the version before it. Each price's change holds from that version's instant, so that
// a later version of another price moves no change that was scheduled. A version that changes a price replaces that
// price's changes still to come at the version's own instant. What a version leaves alone it does not touch: A -> A is
// no change (T4, T13).
import type { Catalog, CatalogVersion, Meter, Plan } from '../catalog/catalog.ts';
import { planDefaults } from '../catalog/catalog.ts';
import { mapKey } from '../composite-key.ts';
import { partsOfPlan } from '../pricing/parts.ts';
import { priceDefaults } from '../pricing/price-choices.ts';
import type { Part } from '../pricing/prices.ts';
import { lengthInDays } from './subscription-periods.ts';

/** Whether two definitions say the same, however their keys are ordered. */
export const sameDefinition = (one: unknown, other: unknown): boolean =>
  one === other || definitionText(one) === definitionText(other);

// Definitions are immutable, and the same ones are compared for every customer.
const texts = new WeakMap<object, string>();

/** One text for a plain JSON value: keys sorted, absent ones left out. */
function definitionText(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const known = texts.get(value);
  if (known !== undefined) return known;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const text = Array.isArray(value)
    ? `[${value.map(definitionText).join()}]`
    : `{${entries
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, each]) => `${JSON.stringify(key)}:${definitionText(each)}`)
        .join()}}`;
  texts.set(value, text);
  return text;
}

/** A version says something else about one thing than the version before it. */
interface Difference<Value> {
  readonly version: number;
  readonly at: number;
  readonly appliesTo: 'running' | 'next';
  readonly closedUpTo: number | null;
  /** Null: it is gone. */
  readonly value: Value | null;
}

/** A value that holds from an instant until the next one's. */
export interface Dated<Value> {
  readonly from: number;
  readonly version: number;
  readonly value: Value | null;
  /**
   * Of what was not there before: windows that end after this were still open. Null: it was there, or begins later by
   * its own choice.
   */
  readonly openAfter: number | null;
}

const DAY_MS = 86_400_000;
/** How much longer than it is on average a month or a year may be, clocks that change included; days. */
const PERIOD_DAYS_MORE = 3;

type PlanFields = Required<Pick<Plan, 'timezone' | 'afterEnd' | 'trialUsage'>>;

/** Where a difference for running periods takes effect; one for the next ones asks where that is. */
export type NextPeriodStart = (instant: number, price: Part) => number;

const PLAN_FIELDS = 'plan';
const DEFAULT_PLAN = 'default plan';

/** What a catalog says of something. */
interface Saying {
  readonly value: unknown;
  /** The plan that it is about; null: there is none. */
  readonly plan: string | null;
}

/** What one catalog says, by what it says it about. */
function sayingsOf(catalog: Catalog): Map<string, Saying> {
  const { defaultPlan } = catalog;
  const sayings = new Map<string, Saying>([[mapKey(DEFAULT_PLAN), { value: defaultPlan, plan: defaultPlan }]]);
  for (const { slug, timezone, ...plan } of catalog.plans) {
    const { afterEnd, trialUsage } = { ...planDefaults, ...plan };
    sayings.set(mapKey(PLAN_FIELDS, slug), { value: { timezone, afterEnd, trialUsage }, plan: slug });
    for (const part of partsOfPlan(plan)) sayings.set(mapKey('price', slug, part.slug), { value: part, plan: slug });
  }
  return sayings;
}

function resolved<Value>(
  differences: readonly Difference<Value>[],
  startOf: (difference: Difference<Value>, before: Value | null) => number,
): Dated<Value>[] {
  const held: Dated<Value>[] = [];
  for (const difference of differences) {
    while (held.length > 0 && held.at(-1)!.from >= difference.at) held.pop();
    const before = held.at(-1)?.value ?? null;
    // What would have gone was still to come.
    if (before === null && difference.value === null) continue;
    const isEarly = before === null && difference.value !== null && difference.appliesTo === 'running';
    held.push({
      from: startOf(difference, before),
      version: difference.version,
      value: difference.value,
      openAfter: isEarly ? Math.min(difference.closedUpTo ?? difference.at, difference.at) : null,
    });
  }
  return held;
}

export class CatalogHistory {
  private readonly versions: readonly CatalogVersion[];
  private readonly earlier = new Map<number, CatalogHistory>();
  private readonly differences = new Map<string, Difference<unknown>[]>();
  /** By version, the plans that it changes. */
  private readonly changed = new Map<number, Set<string>>();
  private readonly slugs = new Map<string, readonly string[]>();
  /** By plan and slug, of prices that change at once: then it is the same whose it is. */
  private readonly running = new Map<string, Map<string, Dated<Part>[]>>();
  private readonly meters = new Map<string, Meter>();
  private longestPeriod: number | null = null;
  private defaultPlans: readonly Dated<string>[] | null = null;
  private readonly fields = new Map<string, readonly Dated<PlanFields>[]>();
  private readonly newest = new Map<string, ReturnType<CatalogHistory['newestPrices']>>();

  /** `versions`: those that a tenant has had, ascending by number. What takes effect after `until` is left out. */
  constructor(versions: readonly CatalogVersion[], until = Number.POSITIVE_INFINITY) {
    this.versions = versions;
    let before = new Map<string, Saying>();
    for (const { version, effectiveAt, catalog, appliesTo = 'running', closedUpTo = null } of versions) {
      const after = sayingsOf(catalog);
      const isLeftOut = effectiveAt > until;
      for (const key of isLeftOut ? [] : new Set([...before.keys(), ...after.keys()])) {
        const [was, is] = [before.get(key), after.get(key)];
        const value = is?.value ?? null;
        if (sameDefinition(was?.value ?? null, value)) continue;
        for (const plan of [was?.plan, is?.plan])
          if (plan) this.changed.set(version, this.changedBy(version).add(plan));
        const known = this.differences.get(key) ?? [];
        // Which plan is the default one is no price: nobody's period runs by it.
        const reach = key === mapKey(DEFAULT_PLAN) ? 'running' : appliesTo;
        known.push({ version, at: effectiveAt, appliesTo: reach, closedUpTo, value });
        this.differences.set(key, known);
      }
      for (const plan of isLeftOut ? [] : catalog.plans)
        this.slugs.set(plan.slug, [
          ...new Set([...(this.slugs.get(plan.slug) ?? []), ...partsOfPlan(plan).map((part) => part.slug)]),
        ]);
      for (const meter of catalog.meters) this.meters.set(meter.slug, meter);
      before = after;
    }
  }

  private changedBy(version: number): Set<string> {
    return this.changed.get(version) ?? new Set();
  }

  /**
   * The plans of which a version says something else than the version before it, or which it makes the default plan, or
   * the default plan no more.
   */
  plansChangedBy(version: number): string[] {
    return [...this.changedBy(version)].sort();
  }

  /** Where a version takes effect. */
  get instants(): number[] {
    return this.versions.map(({ effectiveAt }) => effectiveAt);
  }

  /** Where a version takes effect that says something else of one of these plans. */
  instantsOf(plans: readonly string[]): number[] {
    const isOfOne = ({ version }: CatalogVersion): boolean => plans.some((plan) => this.changedBy(version).has(plan));
    return this.versions.filter(isOfOne).map(({ effectiveAt }) => effectiveAt);
  }

  /** No period of a price is longer. */
  get longestPeriodMs(): number {
    this.longestPeriod ??= Math.max(
      0,
      ...this.versions.flatMap(({ catalog }) =>
        catalog.plans.flatMap((plan) =>
          partsOfPlan(plan).map(({ every = priceDefaults.every }) => (lengthInDays(every) + PERIOD_DAYS_MORE) * DAY_MS),
        ),
      ),
    );
    return this.longestPeriod;
  }

  /** As it would be if no version had taken effect after an instant. */
  until(instant: number): CatalogHistory {
    // What stands between two versions is the same at each instant, for all customers.
    const latest = Math.max(...this.versions.map(({ effectiveAt }) => effectiveAt).filter((at) => at <= instant));
    const known = this.earlier.get(latest) ?? new CatalogHistory(this.versions, latest);
    this.earlier.set(latest, known);
    return known;
  }

  /** The slugs of all prices that a plan has ever had. */
  slugsOf(plan: string): readonly string[] {
    return this.slugs.get(plan) ?? [];
  }

  /** A plan's price over time, as a subscription has it whose periods begin as `nextStart` says. */
  priceOf(plan: string, slug: string, nextStart: NextPeriodStart): Dated<Part>[] {
    const ofPlan = this.running.get(plan) ?? new Map<string, Dated<Part>[]>();
    this.running.set(plan, ofPlan);
    const known = ofPlan.get(slug);
    if (known !== undefined) return known;
    const differences = (this.differences.get(mapKey('price', plan, slug)) ?? []) as Difference<Part>[];
    const dated = resolved(differences, ({ at, appliesTo, value }, before) =>
      appliesTo === 'running' ? at : nextStart(at, (before ?? value)!),
    );
    if (differences.every(({ appliesTo }) => appliesTo === 'running')) ofPlan.set(slug, dated);
    return dated;
  }

  /** As `priceOf`, where it is the same whoever has it; null: it is asked for with the subscription's own periods. */
  runningPrice(plan: string, slug: string): readonly Dated<Part>[] | null {
    return this.running.get(plan)?.get(slug) ?? null;
  }

  /** Every price that a plan has ever had, by its newest definition; null: which that is depends on whose it is. */
  newestPrices(plan: string): readonly (readonly [slug: string, price: Part])[] | null {
    const known = this.newest.get(plan);
    if (known !== undefined) return known;
    const slugs = this.slugsOf(plan);
    const prices = slugs.flatMap((slug) => {
      const newest = this.priceOf(plan, slug, (instant) => instant).findLast(({ value }) => value !== null)?.value;
      return newest ? [[slug, newest] as const] : [];
    });
    const found = slugs.some((slug) => this.runningPrice(plan, slug) === null) ? null : prices;
    this.newest.set(plan, found);
    return found;
  }

  /** The prices of a plan that hold at an instant, for whoever's period begins there. */
  pricesAt(plan: string, instant: number): Part[] {
    return this.slugsOf(plan).flatMap((slug) => {
      const dated = this.priceOf(plan, slug, (at) => at);
      return dated.findLast(({ from }) => from <= instant)?.value ?? [];
    });
  }

  /** The plan of whoever has no subscription, over time. */
  get defaultPlan(): readonly Dated<string>[] {
    this.defaultPlans ??= this.datedOf<string>(mapKey(DEFAULT_PLAN));
    return this.defaultPlans;
  }

  private datedOf<Value>(key: string): Dated<Value>[] {
    return resolved((this.differences.get(key) ?? []) as Difference<Value>[], ({ at }) => at);
  }

  planFields(plan: string, instant: number): PlanFields {
    const held = this.fields.get(plan) ?? this.datedOf<PlanFields>(mapKey(PLAN_FIELDS, plan));
    this.fields.set(plan, held);
    const { value } = held.findLast(({ from }) => from <= instant) ?? held[0] ?? { value: null };
    return { ...planDefaults, timezone: 'UTC', ...value };
  }

  /** As in the newest version that has it: by that all usage of the slug is read, whichever counted it. */
  meter(slug: string): Meter {
    const meter = this.meters.get(slug);
    if (meter === undefined) throw new RangeError(`no catalog version has meter ${slug}`);
    return meter;
  }
}
