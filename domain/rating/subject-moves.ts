// When a customer is to be looked at because a subject of its moves: a level leaves with its subject, or grows by the
// time that it is back (G3), whether there is usage in that window or not. It counts once the window's item is closed.
// What closed since a period was rated is looked at like a window with usage; what has not closed yet makes its
// customer due.
import { stretchesIn } from '../accounts/ownership.ts';
import type { RatedPeriod } from '../billing/billing-period-terms.ts';
import { itemClosesAt } from '../billing/item-span.ts';
import { LONGEST_WINDOW_MS, windowSizeMs } from '../time/time-window.ts';
import type { BilledBy } from './billed-by.ts';
import type { CustomerWork } from './customer-work.ts';
import { isLevel } from './held-share.ts';
import { ALWAYS } from './window-span.ts';

/** In windows of a meter; milliseconds since the epoch. */
interface SubjectMove {
  readonly subject: string;
  readonly at: number;
  /** When the item of the window closes. */
  readonly closesAt: number;
}

/** Of all that are the customer's at some time, by the meters of its prices. */
function movesOf({ terms }: Pick<BilledBy, 'terms'>, { customer, subjects }: CustomerWork): SubjectMove[] {
  const moved = subjects.filter(({ assignments }) => assignments.length > 0);
  if (moved.length === 0) return [];
  const levels = terms.usageLines.flatMap(({ meter }) => (isLevel(meter!) ? [meter!] : []));
  return [...new Set(levels)].flatMap((meter) => {
    const windowMs = windowSizeMs[meter.window];
    return stretchesIn(moved, customer, windowMs, ALWAYS).flatMap(({ subject, from, to }) =>
      [from, to].filter(Number.isFinite).map((at) => ({ subject, at, closesAt: itemClosesAt(meter, at + windowMs) })),
    );
  });
}

const isOpenAt = ({ closedUpTo }: RatedPeriod, instant: number): boolean => closedUpTo === null || closedUpTo < instant;

/** Starts of periods in which moves may have closed since they were rated. */
export const openStarts = ({ subjects }: CustomerWork, stored: readonly RatedPeriod[]): number[] =>
  subjects.every(({ assignments }) => assignments.length === 0)
    ? []
    : stored.filter((rated) => isOpenAt(rated, rated.periodEnd + LONGEST_WINDOW_MS)).map((rated) => rated.periodStart);

/** The work with the windows of moves that closed since their periods were rated. */
export function withMoves(
  by: Pick<BilledBy, 'terms'>,
  work: CustomerWork,
  stored: readonly RatedPeriod[],
  closedUpTo: number,
): CustomerWork {
  const closed = movesOf(by, work).filter(
    ({ at, closesAt }) =>
      closesAt <= closedUpTo &&
      stored.some((rated) => rated.periodStart <= at && at < rated.periodEnd && isOpenAt(rated, closesAt)),
  );
  if (closed.length === 0) return work;
  const windows = new Map(work.windows);
  for (const { subject, at } of closed) windows.set(subject, new Set([...(windows.get(subject) ?? []), at]));
  return { ...work, windows };
}

/** When the next move is due that is not closed yet, by a watermark; null: there is none. */
export function nextMoveDue(
  by: Pick<BilledBy, 'terms'>,
  work: CustomerWork,
  { closedUpTo, watermark }: { readonly closedUpTo: number; readonly watermark: number },
): number | null {
  const closings = movesOf(by, work).map(({ closesAt }) => closesAt);
  const next = Math.min(...closings.filter((closesAt) => closesAt > closedUpTo));
  return Number.isFinite(next) ? next + (watermark - closedUpTo) : null;
}
