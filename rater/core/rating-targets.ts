// Which billing periods of a customer a step has to rate, and from when to when each of them reaches.
//
// A stored period stands, with its plan and its price version, whatever a later catalog says about its plan: what was
// billed is not cut anew because a time zone or the default plan changed, or because a subscription that ended was
// taken off the list. Only a subscription that the newest catalog has changes it, in one of these ways:
//   cut       a subscription starts inside it: it ends there, and what lay beyond goes to the new period.
//   regrown   the subscription that had cut it is gone: it takes the time back, up to the next period that stands.
//   re-pinned a subscription starts just where it does, and names another plan: the plan is changed.
//   replaced  it begins inside a period of another subscription than its own: it stays as an empty period, start = end.
// After the targets are rated no window counts in two periods, and the line items of the old way cancel out.
import type { PeriodTerms } from '../../domain/billing/billing-period-terms.ts';
import type { CustomerTimeline } from '../../domain/catalog/subscription-book.ts';

export interface RatingTarget extends PeriodTerms {
  /** Windows from here on changed their period or its plan since they were last rated; null: none did. */
  readonly planChangedFrom: number | null;
}

/**
 * The periods to rate, by start. `touched` are instants (window starts, period starts) for which something may be due.
 */
export function ratingTargets(
  timeline: CustomerTimeline,
  stored: readonly PeriodTerms[],
  touched: Iterable<number>,
): RatingTarget[] {
  const before = new Map(stored.map((period) => [period.periodStart, period]));
  const standing = standingPeriods(timeline, stored);
  const targets = new Map<number, RatingTarget>();
  const add = (terms: PeriodTerms): void => {
    if (targets.has(terms.periodStart)) return;
    targets.set(terms.periodStart, { ...terms, planChangedFrom: changedFrom(before.get(terms.periodStart), terms) });
  };

  const standingStarts = new Set(standing.map((terms) => terms.periodStart));
  const released: PeriodTerms[] = [];
  for (const period of stored) {
    if (!standingStarts.has(period.periodStart) && period.periodEnd > period.periodStart) released.push(period);
  }
  for (const terms of standing) {
    const known = before.get(terms.periodStart)!;
    if (changedFrom(known, terms) === null) continue;
    add(terms);
    if (terms.periodEnd < known.periodEnd) released.push({ ...known, periodStart: terms.periodEnd });
  }
  // Whoever covers released time now has to take its usage.
  for (const { periodStart, periodEnd } of released) {
    let time: number | null = periodStart;
    while (time !== null && time < periodEnd) {
      const terms: PeriodTerms | null = termsAt(timeline, standing, time);
      if (terms !== null) add(terms);
      time = terms === null ? nextChange(timeline, standing, time) : terms.periodEnd;
    }
  }

  let last: PeriodTerms | null = null;
  for (const time of touched) {
    // Touched windows come in crowds of one period.
    if (last === null || time < last.periodStart || time >= last.periodEnd) last = termsAt(timeline, standing, time);
    if (last !== null) add(last);
  }
  for (const period of released) {
    // Only now: another period may have taken over the very start of a replaced one, and with it its row.
    const known = before.get(period.periodStart);
    if (known !== undefined && !standingStarts.has(known.periodStart)) add({ ...known, periodEnd: known.periodStart });
  }
  return [...targets.values()].sort((a, b) => a.periodStart - b.periodStart);
}

/** The stored periods that are not replaced, as they are now, ascending and without overlap. */
function standingPeriods(timeline: CustomerTimeline, stored: readonly PeriodTerms[]): PeriodTerms[] {
  const candidates: PeriodTerms[] = [];
  for (const period of stored.toSorted((a, b) => a.periodStart - b.periodStart)) {
    const planned = timeline.periodAt(period.periodStart);
    const subscription = planned?.subscription ?? null;
    if (planned !== null && planned.start === period.periodStart) {
      const isRepinned = subscription !== null && subscription.plan !== period.plan;
      candidates.push({
        ...period,
        periodEnd: planned.end,
        ...(isRepinned && { plan: planned.plan, catalogVersion: timeline.pin(planned.plan, period.periodStart) }),
        ...(subscription !== null && { subscriptionStart: subscription.startsAt }),
      });
    } else if (
      period.periodEnd > period.periodStart &&
      (subscription === null || subscription.startsAt === period.subscriptionStart)
    ) {
      candidates.push(period);
    }
  }
  return candidates.map((period, i) => ({
    ...period,
    periodEnd: Math.min(
      period.periodEnd,
      candidates[i + 1]?.periodStart ?? Number.POSITIVE_INFINITY,
      timeline.subscriptionStarts.find((start) => start > period.periodStart) ?? Number.POSITIVE_INFINITY,
    ),
  }));
}

function changedFrom(known: PeriodTerms | undefined, terms: PeriodTerms): number | null {
  if (known === undefined) return null;
  if (known.plan !== terms.plan) return terms.periodStart;
  return known.periodEnd === terms.periodEnd ? null : Math.min(known.periodEnd, terms.periodEnd);
}

/** The period that holds an instant: a standing one, or a new one in the room between them. Null: not billed. */
function termsAt(timeline: CustomerTimeline, standing: readonly PeriodTerms[], time: number): PeriodTerms | null {
  const previous = standing.findLast((period) => period.periodStart <= time);
  if (previous !== undefined && time < previous.periodEnd) return previous;
  const planned = timeline.periodAt(time);
  if (planned === null) return null;
  const next = standing.find((period) => period.periodStart > time);
  const periodStart = Math.max(planned.start, previous?.periodEnd ?? planned.start);
  return {
    periodStart,
    periodEnd: Math.min(planned.end, next?.periodStart ?? planned.end),
    plan: planned.plan,
    catalogVersion: timeline.pin(planned.plan, periodStart),
    subscriptionStart: planned.subscription?.startsAt ?? null,
  };
}

function nextChange(timeline: CustomerTimeline, standing: readonly PeriodTerms[], time: number): number | null {
  const starts = [...timeline.subscriptionStarts, ...standing.map((period) => period.periodStart)];
  const later = starts.filter((start) => start > time);
  return later.length === 0 ? null : Math.min(...later);
}
