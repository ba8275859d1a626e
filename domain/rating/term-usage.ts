// What the terms of a price come to in a period, of all subjects of the customer together or of each.
//
// The terms of a period may take other usage (a successor's `match`, or what is left to an `otherwise` price): they are
// counted together all the same, so that the greatest value of all is told, and which values came before. What is read
// is by what counts once (`countedTogether`), and by whether each subject is by itself.
//
// Of a matrix one read has the windows of all cells, by the values of its dimensions. Each cell is then a price of its
// own: its terms are those stretches in which the matrix has it and says the same of it, and it is charged by what came
// to it in them.

import { aggregationRules } from '../aggregation/aggregations.ts';
import { keptTogether } from '../aggregation/period-value.ts';
import { POOLED } from '../billing/billing-period-terms.ts';
import { cellAt, cellNamed, dimensionsOf } from '../pricing/matrix-cells.ts';
import { atAllTimes, type TakenUsage } from '../pricing/taken-usage.ts';
import { sameDefinition } from '../terms/catalog-history.ts';
import type { UsagePeriod, UsageTerm } from '../terms/price-terms.ts';
import { chargesOf, countedTogether, type TermCharge } from '../terms/term-amounts.ts';
import { addedAcross, type SubjectUsage, type WindowValue } from './contributions.ts';

/** Terms of a period whose usage is one: a value that comes again counts once in it. */
export interface CountedTerms {
  /** By time, without overlap. */
  readonly terms: readonly UsageTerm[];
  /** At all times, in order of time. */
  readonly taken: readonly TakenUsage[];
  readonly isBySubject: boolean;
  /** The period has other terms: which of them gives back is told window by window. */
  readonly byWindow: boolean;
  /** Of a matrix: what tells its cells apart. Else none. */
  readonly dimensions: readonly string[];
}

/** Of one subject, or of several that are one for the meter: the windows in the terms. Each subject is told once. */
export interface SubjectWindows extends SubjectUsage {
  readonly subject: string;
}

export type UsageOfCounted = (counted: CountedTerms) => readonly SubjectWindows[];

/** Of one subject by itself, or of all together (`POOLED`). */
export interface ChargedTerm extends TermCharge {
  readonly subject: string;
  /** The name of a matrix's cell; '' where the price is no matrix. */
  readonly cell: string;
}

const isBySubject = ({ price }: UsageTerm): boolean => price.per === 'subject';

/** What has to be read of a period. */
export function countedTerms(period: UsagePeriod): CountedTerms[] {
  const [only, ...others] = period.terms;
  if (only !== undefined && others.length === 0)
    return [
      {
        terms: period.terms,
        taken: atAllTimes(only.taken),
        isBySubject: isBySubject(only),
        byWindow: false,
        dimensions: dimensionsOf(only.price),
      },
    ];
  return countedTogether(period).flatMap((together) =>
    [...new Set(together.map(readAlike))].map((alike) => {
      const terms = together.filter((term) => readAlike(term) === alike);
      return {
        terms,
        taken: atAllTimes(terms.flatMap(({ taken }) => taken)),
        isBySubject: isBySubject(terms[0]!),
        byWindow: true,
        dimensions: dimensionsOf(terms[0]!.price),
      };
    }),
  );
}

/** Terms with the same are read as one: for each subject or not, and by the same dimensions. */
const readAlike = (term: UsageTerm): string => JSON.stringify([isBySubject(term), ...dimensionsOf(term.price)]);

/**
 * In the order of subjects, then of terms. A term without usage is charged for none, where all are together; a cell
 * without usage is not told.
 */
export function chargedTerms(
  period: UsagePeriod,
  counted: readonly CountedTerms[],
  usageOf: UsageOfCounted,
): ChargedTerm[] {
  if (counted.every(({ dimensions }) => dimensions.length === 0)) return chargedAlike(period, counted, usageOf, '');
  const plain = counted.filter(({ dimensions }) => dimensions.length === 0);
  const ofOthers = plain.length === 0 ? [] : chargedAlike(withoutOthers(period, plain), plain, usageOf, '');
  const byDimensions = new Map<string, CountedTerms[]>();
  for (const each of counted) {
    if (each.dimensions.length === 0) continue;
    const key = JSON.stringify(each.dimensions);
    byDimensions.set(key, [...(byDimensions.get(key) ?? []), each]);
  }
  return [...ofOthers, ...[...byDimensions.values()].flatMap((of) => chargedCells(period, of, usageOf))];
}

/** What came to a cell from a subject, or from several that are one for the meter. */
interface SubjectInCell extends SubjectUsage {
  readonly subject: string;
  readonly isBySubject: boolean;
  readonly windows: WindowValue[];
  /** Usage of several group values is in it: a window may be there more than once. */
  isMixed: boolean;
}

function chargedCells(period: UsagePeriod, counted: readonly CountedTerms[], usageOf: UsageOfCounted): ChargedTerm[] {
  // A level of a subject that moves counts in each cell by the time of the cell's terms.
  const cells = new Map<string, SubjectInCell[]>();
  for (const each of counted) for (const of of usageOf(each)) addToCells(cells, each, of);
  const terms = counted.flatMap((each) => each.terms).sort((a, b) => a.from - b.from);
  return [...cells].flatMap(([name, used]) => {
    const ofCell: UsagePeriod = { ...period, terms: cellTerms(terms, name) };
    const merged = used.map((each) =>
      each.isMixed ? { ...each, windows: mergedWindows(period, each.windows) } : each,
    );
    const usage: UsageOfCounted = ({ isBySubject: is }) => merged.filter((each) => each.isBySubject === is);
    return chargedAlike(ofCell, countedTerms(ofCell), usage, name);
  });
}

function addToCells(
  cells: Map<string, SubjectInCell[]>,
  { terms, isBySubject: bySubject }: CountedTerms,
  { subject, windows, held }: SubjectWindows,
): void {
  const [only, ...others] = terms;
  const own = new Map<string, SubjectInCell>();
  for (const window of windows) {
    const { windowStart, groups } = window;
    const term = others.length === 0 ? only! : terms.find(({ from, to }) => from <= windowStart && windowStart < to);
    const cell = term === undefined ? null : cellAt(term.price, groups!);
    if (cell === null) continue;
    const used = own.get(cell.name);
    if (used === undefined) {
      const first = { subject, isBySubject: bySubject, windows: [window], isMixed: false };
      own.set(cell.name, held === undefined ? first : { ...first, held });
    } else {
      used.isMixed ||= used.windows[0]!.groups !== groups;
      used.windows.push(window);
    }
  }
  for (const [name, used] of own) {
    const known = cells.get(name);
    if (known === undefined) cells.set(name, [used]);
    else known.push(used);
  }
}

/** Several group values of one cell come to one value of the window. */
function mergedWindows({ line }: UsagePeriod, windows: readonly WindowValue[]): WindowValue[] {
  const rules = aggregationRules(line.meter!.aggregation);
  const merged = new Map<number, WindowValue>();
  for (const { groups: _, ...window } of windows) {
    const known = merged.get(window.windowStart);
    merged.set(window.windowStart, known === undefined ? window : keptTogether(rules, known, window));
  }
  return [...merged.values()];
}

/** The stretches in which a matrix has a cell; those that follow each other and say the same of it are one (T4). */
function cellTerms(terms: readonly UsageTerm[], name: string): UsageTerm[] {
  const found: UsageTerm[] = [];
  for (const term of terms) {
    const cell = cellNamed(term.price, name);
    if (cell === null) continue;
    const last = found.at(-1);
    const goesOn =
      last !== undefined &&
      last.to === term.from &&
      last.subscription === term.subscription &&
      sameDefinition(last.price, cell.price);
    if (goesOn) found[found.length - 1] = { ...last, to: term.to, taken: [...last.taken, ...term.taken] };
    else found.push({ ...term, price: cell.price });
  }
  return found;
}

function chargedAlike(
  period: UsagePeriod,
  counted: readonly CountedTerms[],
  usageOf: UsageOfCounted,
  cell: string,
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
        for (const charge of chargesOf(own, inTime(added))) charged.push({ ...charge, subject, cell });
      }
      continue;
    }
    const added = of.flatMap((each) => {
      const usage = usageOf(each);
      return usage.length === 0
        ? []
        : indexedIn(own, each, addedAcross(own.line.meter!, each.terms, usage, each.byWindow));
    });
    for (const charge of chargesOf(own, inTime(added))) charged.push({ ...charge, subject: POOLED, cell });
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
