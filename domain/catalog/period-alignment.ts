// The checks that a plan's period boundaries are window boundaries of every meter it prices. Usage is stored per
// window, so a period that began inside one could not be billed exactly.

import { type Field, refuse } from '../fields/catalog-fields.ts';
import { formatRfc3339 } from '../time/rfc3339.ts';
import { windowSizeMs, windowStartOf } from '../time/time-window.ts';
import { daysKeepWindows, largestWindow, midnightsKeepWindows } from '../time/time-zone.ts';
import type { Meter, Plan } from './catalog.ts';

export interface PlanDraft {
  readonly plan: Plan;
  /** The meters it prices, as far as their definitions are sound. */
  readonly meters: readonly Meter[];
}

/** `calendar` may differ from the plan's own for the default plan. */
export function checkPlanPeriods(at: Field, { plan, meters }: PlanDraft, calendar: boolean): void {
  const { timezone } = plan;
  const keeps = calendar ? midnightsKeepWindows : daysKeepWindows;
  for (const meter of meters) {
    if (keeps(timezone, meter.window)) continue;
    const window = largestWindow((size) => keeps(timezone, size));
    const why = calendar
      ? `midnight in ${timezone} is not always a window boundary of meter "${meter.slug}" (${meter.window}, aligned to UTC)`
      : `daylight saving in ${timezone} moves a month's boundary off the windows of meter "${meter.slug}" (${meter.window}, aligned to UTC)`;
    refuse(at, `${why}: meter it with window: ${window}, or bill in UTC`);
  }
}

export function checkSubscriptionStart(at: Field, startsAt: number, meters: readonly Meter[]): void {
  const [coarsest] = meters.toSorted((a, b) => windowSizeMs[b.window] - windowSizeMs[a.window]);
  if (coarsest === undefined) return;
  const sizeMs = windowSizeMs[coarsest.window];
  const windowStart = windowStartOf(startsAt, sizeMs);
  if (windowStart === startsAt) return;
  refuse(
    at,
    `must be the start of a ${coarsest.window} window (aligned to UTC) of meter "${coarsest.slug}", such as ` +
      `${formatRfc3339(windowStart)} or ${formatRfc3339(windowStart + sizeMs)}`,
  );
}
