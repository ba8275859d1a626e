// Which version of a plan's prices holds for a billing period: the one that it is pinned to when it is first rated. A
// price that changes in the middle of a period therefore holds from the next one on.
import type { CatalogVersion, Plan } from './catalog.ts';

export interface PinnedPlan {
  readonly version: number;
  readonly plan: Plan;
  readonly currency: string;
}

/**
 * The plan as a period that starts at `periodStart` is billed: from the newest version in effect by then that has the
 * plan, else from the oldest version that has it at all (the plan is younger than the period). Null: no version has it.
 */
export function pinnedPlan(
  versions: readonly CatalogVersion[],
  planSlug: string,
  periodStart: number,
): PinnedPlan | null {
  let pinned: PinnedPlan | null = null;
  let pinnedIsInEffect = false;
  for (const { version, effectiveAt, catalog } of versions) {
    const isInEffect = effectiveAt <= periodStart;
    const isBetter =
      pinned === null ||
      (isInEffect ? !pinnedIsInEffect || version > pinned.version : !pinnedIsInEffect && version < pinned.version);
    if (!isBetter) continue;
    const plan = catalog.plans.find(({ slug }) => slug === planSlug);
    if (plan === undefined) continue;
    pinned = { version, plan, currency: catalog.currency };
    pinnedIsInEffect = isInEffect;
  }
  return pinned;
}
