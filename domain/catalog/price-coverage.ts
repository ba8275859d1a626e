// Which usage the plans of a catalog leave unpriced, and which they price twice: of the group values that usage has had
// lately, and of prices alone. Nothing of it refuses a catalog.
import { namedGroups } from '../metering/meter.ts';
import { cellMatches } from '../pricing/matrix-cells.ts';
import { partsOf } from '../pricing/parts.ts';
import type { UsagePrice } from '../pricing/prices.ts';
import { isUsagePrice } from '../pricing/prices.ts';
import { type Match, matchesGroups, mayShareUsage } from '../pricing/taken-usage.ts';
import { formatRfc3339 } from '../time/rfc3339.ts';
import type { Catalog, Plan } from './catalog.ts';

/** Group values that usage of a meter has had. */
export interface UsedGroup {
  readonly meter: string;
  /** In the order of the meter's dimensions. */
  readonly groupValues: readonly string[];
  readonly subjects: number;
  /** Starts of the first and the last window; milliseconds since the epoch. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}

export interface UntakenGroup extends Omit<UsedGroup, 'groupValues'> {
  readonly groups: Match;
  /** Those that price the meter, and not this usage. Empty: no plan prices the meter at all. */
  readonly plans: readonly string[];
  /** Of these, those that take it by now. */
  readonly lost: readonly string[];
}

const usagePrices = ({ prices }: Pick<Plan, 'prices'>): UsagePrice[] => prices.flatMap(partsOf).filter(isUsagePrice);

/** `before`: what holds by now. A group that each plan takes which prices its meter is left out. */
export function untakenGroups(before: Catalog, after: Catalog, used: readonly UsedGroup[]): UntakenGroup[] {
  const takes = (plan: Plan | undefined, meter: string, groups: Match): boolean =>
    plan !== undefined && usagePrices(plan).some((price) => price.meter === meter && matchesGroups(price, groups));
  return used.flatMap(({ meter: slug, groupValues, ...seen }) => {
    const meter = after.meters.find((each) => each.slug === slug);
    if (meter === undefined) return [];
    const groups = namedGroups(meter, groupValues);
    const pricing = after.plans.filter((plan) => usagePrices(plan).some((price) => price.meter === slug));
    const plans = pricing.filter((plan) => !takes(plan, slug, groups)).map((plan) => plan.slug);
    if (plans.length === 0 && pricing.length > 0) return [];
    const takenBefore = before.plans.filter((plan) => takes(plan, slug, groups)).map((plan) => plan.slug);
    const isLeft = (plan: string): boolean =>
      !takes(
        after.plans.find((each) => each.slug === plan),
        slug,
        groups,
      );
    return [{ meter: slug, groups, ...seen, plans, lost: takenBefore.filter(isLeft) }];
  });
}

export interface DoublePrices {
  readonly plan: string;
  readonly meter: string;
  /** Slugs. */
  readonly prices: readonly [string, string];
}

/** Prices of one plan that both charge some usage: each stands for itself, which may be what is meant. */
export const doublePrices = ({ plans }: Catalog): DoublePrices[] =>
  plans.flatMap((plan) =>
    usagePrices(plan).flatMap((one, i, all) =>
      all.slice(i + 1).flatMap((other): DoublePrices[] => {
        if (!mayShareUsage(one, other)) return [];
        return [{ plan: plan.slug, meter: one.meter, prices: [one.slug, other.slug] }];
      }),
    ),
  );

/** Whether a plan has a price that may take usage which it did not take before; `before` null: there was no catalog. */
export function takesMore(before: Catalog | null, after: Catalog): boolean {
  const takenOf = ({ plans }: Catalog): string[] =>
    plans.flatMap((plan) =>
      usagePrices(plan).flatMap((price) => {
        const { slug, meter, otherwise = false, overlap = false } = price;
        return cellMatches(price).map((match) =>
          JSON.stringify([plan.slug, slug, meter, otherwise, overlap, Object.entries(match).sort()]),
        );
      }),
    );
  const known = new Set(before === null ? [] : takenOf(before));
  return takenOf(after).some((each) => !known.has(each));
}

const groupsText = (groups: Match): string =>
  `{${Object.entries(groups)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join(', ')}}`;

/** Lines for a person. */
export function formatUntaken({ meter, groups, subjects, firstSeen, lastSeen, plans, lost }: UntakenGroup): string {
  const who = plans.length === 0 ? 'no plan prices the meter' : `no price takes it in ${plans.join(', ')}`;
  const took = lost.length === 0 ? '' : `; by now ${lost.join(', ')} does`;
  return (
    `! meter ${meter} ${groupsText(groups)}: ${who}${took} (${subjects} ${subjects === 1 ? 'subject' : 'subjects'}, ` +
    `${formatRfc3339(firstSeen)} to ${formatRfc3339(lastSeen)})`
  );
}

export const formatDouble = ({ plan, meter, prices: [one, other] }: DoublePrices): string =>
  `! plan ${plan}, prices ${one} and ${other}: both charge some usage of meter ${meter}`;
