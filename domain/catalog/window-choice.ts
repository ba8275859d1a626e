// What the choice of a meter's window means to plans. It is made once: a meter's window never changes, nor the width of
// its line items, and a plan whose months begin within a window can't price the meter. So it is told when a meter is
// added, and not when it is too late.
import { itemWidthOf } from '../metering/meter.ts';
import { type WindowSize, windowSizes } from '../time/time-window.ts';
import type { Meter } from './catalog.ts';
import type { Change } from './catalog-diff.ts';

/** The zones of calendar plans that can price meters of a window, in words; window-choice.test.ts asks the zones. */
const zonesServed: Readonly<Record<WindowSize, string>> = {
  '1m': 'every time zone',
  '15m': 'every time zone',
  '1h': 'time zones whole hours from UTC, so not Asia/Kolkata (+05:30) or Asia/Kathmandu (+05:45); 15m serves every one',
  '1d': 'UTC and time zones that never differ from it; 1h serves those whole hours from UTC, 15m every one',
};

/** Meters that are added and have the same window and item width. */
interface WindowChoice {
  readonly window: WindowSize;
  /** How much time a line item covers. */
  readonly lineItems: WindowSize;
  readonly meters: readonly string[];
  readonly serves: string;
}

/** Of the meters that `changes` add. */
export function windowChoices(meters: readonly Meter[], changes: readonly Change[]): WindowChoice[] {
  const added = new Set(changes.filter(({ kind }) => kind === 'added').map(({ subject }) => subject));
  const chosen = meters.filter(({ slug }) => added.has(`meter ${slug}`));
  const slugsOf = (window: WindowSize, lineItems: WindowSize): string[] =>
    chosen.filter((meter) => meter.window === window && itemWidthOf(meter) === lineItems).map(({ slug }) => slug);
  return windowSizes
    .flatMap((window) => windowSizes.map((lineItems) => ({ window, lineItems, serves: zonesServed[window] })))
    .map((choice) => ({ ...choice, meters: slugsOf(choice.window, choice.lineItems) }))
    .filter(({ meters: slugs }) => slugs.length > 0);
}

const SLUGS_SHOWN_MAX = 5;

/** A line for a person. */
export function formatWindowChoice({ window, lineItems, meters, serves }: WindowChoice): string {
  const more = meters.length - SLUGS_SHOWN_MAX;
  const shown = meters.slice(0, SLUGS_SHOWN_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '');
  return `windows of ${window}, line items of ${lineItems}, for ever (${shown}): for plans in ${serves}`;
}
