// The check that midnights of a calendar are window boundaries of every meter that a plan prices. A window belongs to
// the period that it begins in, so where a month of the calendar begins within a window, the window's usage is the
// month's before. That is exact too, and not what a calendar says; and a meter's window is chosen once.
//
// It is checked of a plan that runs by a calendar. A subscription may begin at any instant, and choose another zone:
// its periods take the windows that begin in them.
import { type Field, refuse } from '../fields/catalog-fields.ts';
import { largestWindow, midnightsKeepWindows } from '../time/time-zone.ts';
import type { Meter, Plan } from './catalog.ts';

export interface PlanDraft {
  readonly field: Field;
  readonly plan: Plan;
  readonly priceFields: readonly Field[];
  /** The meters it prices, as far as their definitions are sound. */
  readonly meters: readonly Meter[];
}

export function checkCalendar(at: Field, { plan, meters }: PlanDraft): void {
  const { timezone } = plan;
  for (const { slug, window } of meters) {
    if (midnightsKeepWindows(timezone, window)) continue;
    const largest = largestWindow((size) => midnightsKeepWindows(timezone, size));
    refuse(
      at,
      `midnight in ${timezone} is not always a window boundary of meter "${slug}" (${window}, aligned to UTC): meter ` +
        `it with window: ${largest}, or bill in UTC`,
    );
  }
}
