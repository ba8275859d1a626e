// When a customer is next to be looked at although no window of its usage closes: where a record or a version says
// something (an end that is decided counts from then on, a version's change of the next period from its instant), where
// a term begins or ends, and where a period with a fee does.
import type { CustomerFees } from './fees.ts';
import { segmentPeriod } from './price-lines.ts';
import type { CustomerTerms } from './price-terms.ts';

/**
 * After an instant up to which all is rated; null: nothing is known that will be due. `terms` and `fees` are of the
 * same records. What is told is early enough, and may be earlier than anything is due: who looks then asks again.
 */
export function nextDueAfter(terms: CustomerTerms, fees: CustomerFees, instant: number): number | null {
  const dues = [...terms.instants, ...fees.knownInstants];
  for (const { segments } of terms.lines) for (const { from, to } of segments) dues.push(from, to);
  for (const line of new Set([...terms.feeLines, ...fees.linesAt(instant)])) {
    // Of whoever has nothing else, the default plan's fees come with usage.
    if (line.members[0] === null && terms.holders.length === 1) continue;
    for (const segment of line.segments) {
      if (segment.to <= instant) continue;
      const period = segmentPeriod(line, segment, Math.max(instant, segment.from));
      dues.push(period.start, period.end);
    }
  }
  for (const period of fees.periodsIn(instant, instant + 1, instant)) {
    for (const { dueAt } of fees.termsAt(period, instant)) dues.push(dueAt);
  }
  const next = Math.min(...dues.filter((due) => due > instant));
  return Number.isFinite(next) ? next : null;
}
