// What the terms of a price come to in a period, of all subjects of the customer together or of each.
//
// The terms of a period may take other usage (a successor's `match`, or what is left to an `otherwise` price): they are
// counted together all the same, so that the greatest value of all is told, and which values came before. What is read
// is by what counts once (`countedTogether`), and by whether each subject is by itself.
import { POOLED } from '../billing/billing-period-terms.ts';
import { atAllTimes, type TakenUsage } from '../pricing/taken-usage.ts';
import type { UsagePeriod, UsageTerm } from '../terms/price-terms.ts';
import { chargesOf, countedTogether, type TermCharge } from '../terms/term-amounts.ts';
import { addedAcross, type SubjectUsage } from './contributions.ts';

/** Terms of a period whose usage is one: a value that comes again counts once in it. */
export interface CountedTerms {
  /** By time, without overlap. */
  readonly terms: readonly UsageTerm[];
  /** At all times, in order of time. */
  readonly taken: readonly TakenUsage[];
  readonly isBySubject: boolean;
  /** The period has other terms: which of them gives back is told window by window. */
  readonly byWindow: boolean;
}

/** Of one subject, or of several that are one for the meter: the windows in the terms. */
export interface SubjectWindows extends SubjectUsage {
  readonly subject: string;
}

export type UsageOfCounted = (counted: CountedTerms) => readonly SubjectWindows[];

/** Of one subject by itself, or of all together (`POOLED`). */
export interface ChargedTerm extends TermCharge {
  readonly subject: string;
}

const isBySubject = ({ price }: UsageTerm): boolean => price.per === 'subject';

/** What has to be read of a period. */
export function countedTerms(period: UsagePeriod): CountedTerms[] {
  const [only, ...others] = period.terms;
  if (only !== undefined && others.length === 0)
    return [{ terms: period.terms, taken: atAllTimes(only.taken), isBySubject: isBySubject(only), byWindow: false }];
  return countedTogether(period).flatMap((together) =>
    [false, true].flatMap((bySubject) => {
      const terms = together.filter((term) => isBySubject(term) === bySubject);
      if (terms.length === 0) return [];
      return [
        { terms, taken: atAllTimes(terms.flatMap(({ taken }) => taken)), isBySubject: bySubject, byWindow: true },
      ];
    }),
  );
}

/** In the order of subjects, then of terms. A term without usage is charged for none, where all are together. */
export function chargedTerms(
  period: UsagePeriod,
  counted: readonly CountedTerms[],
  usageOf: UsageOfCounted,
): ChargedTerm[] {
  const charged: ChargedTerm[] = [];
  for (const bySubject of [false, true]) {
    const of = counted.filter((each) => each.isBySubject === bySubject);
    if (of.length === 0) continue;
    const own = of.length === counted.length ? period : withoutOthers(period, of);
    if (bySubject) {
      const subjects = new Set(of.flatMap((each) => usageOf(each).map(({ subject }) => subject)));
      for (const subject of subjects) {
        const added = of.flatMap((each) => {
          const usage = usageOf(each).filter((ofOne) => ofOne.subject === subject);
          const [first] = usage;
          if (first === undefined) return [];
          const windows = usage.flatMap((ofOne) => ofOne.windows);
          return indexedIn(own, each, addedAcross(own.line.meter!, each.terms, [{ ...first, windows }], each.byWindow));
        });
        for (const charge of chargesOf(own, inTime(added))) charged.push({ ...charge, subject });
      }
      continue;
    }
    const added = of.flatMap((each) => {
      const usage = usageOf(each);
      return usage.length === 0
        ? []
        : indexedIn(own, each, addedAcross(own.line.meter!, each.terms, usage, each.byWindow));
    });
    for (const charge of chargesOf(own, inTime(added))) charged.push({ ...charge, subject: POOLED });
  }
  return charged;
}

function withoutOthers(period: UsagePeriod, counted: readonly CountedTerms[]): UsagePeriod {
  const terms = new Set(counted.flatMap((each) => each.terms));
  return { ...period, terms: period.terms.filter((term) => terms.has(term)) };
}

/** By the numbers of the terms among those of the period. */
function indexedIn<Item extends { readonly index: number }>(
  { terms }: UsagePeriod,
  { terms: own }: CountedTerms,
  added: readonly Item[],
): readonly Item[] {
  if (own.length === terms.length) return added;
  return added.map((each) => ({ ...each, index: terms.indexOf(own[each.index]!) }));
}

const inTime = <Item extends { readonly windowStart: number; readonly index: number }>(
  added: readonly Item[],
): Item[] => added.toSorted((a, b) => a.windowStart - b.windowStart || a.index - b.index);
