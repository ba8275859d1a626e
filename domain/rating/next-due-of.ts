// When a customer is next to be looked at although no window of its usage closes, by all that it is billed by: where
// anything is said, begins, ends or is due (next-due.ts), and where a period with a minimum will be closed. Windows
// close behind the watermark, so that is due later by as much.
import { nextDueAfter } from '../terms/next-due.ts';
import type { BilledBy } from './billed-by.ts';
import type { RatedUpTo } from './period-targets.ts';

/** As a watermark, after the one up to which all is rated; null: nothing is known that will be due. */
export function nextDueOf({ terms, fees, minimums }: BilledBy, { watermark, closedUpTo }: RatedUpTo): number | null {
  const due = nextDueAfter(terms, fees, watermark);
  const closing = minimums.isEmpty ? null : minimums.nextClosing(closedUpTo);
  if (closing === null) return due;
  const closed = closing + (watermark - closedUpTo);
  return due === null ? closed : Math.min(due, closed);
}
