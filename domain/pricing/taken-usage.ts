// What a price takes of its meter's usage, window by window (P3).
//
// An ordinary price takes the group values that it matches, whatever other prices do. A price that is `otherwise` takes
// of what it matches only what no ordinary price of the customer matches that is in force at the window's start. So
// what it takes may change in the middle of a term: the definition does not, and neither does the term (T4).
//
// A price that may overlap stands beside others: it takes what it matches, and leaves all of it to them. So neither the
// order in which prices came nor who has them makes a difference. The same slug twice at once is never beside itself.
//
// A matrix takes what one of its cells matches. What it takes is told by the `match` of all of them, and usage of
// values that no cell matches is left aside where cells are told apart (domain/rating/term-usage.ts).
import { cellAt, cellMatches, dimensionsOf } from './matrix-cells.ts';
import type { UsagePrice } from './prices.ts';

export type Match = UsagePrice['match'];

/** What is taken of the windows that start from `from` on and before `to`; milliseconds, or infinite. */
export interface TakenUsage {
  readonly from: number;
  readonly to: number;
  readonly match: Match;
  /** What others take; sorted, and none of them is within another. */
  readonly leftOut: readonly Match[];
}

/** A price of the meter and the windows that it holds for. */
interface HeldPrice {
  readonly from: number;
  readonly to: number;
  readonly price: UsagePrice;
}

const NOTHING: readonly Match[] = [];

export const isOtherwise = ({ otherwise }: UsagePrice): boolean => otherwise === true;

export const mayOverlap = ({ overlap }: UsagePrice): boolean => overlap === true;

/** Whether what it matches is taken from those that are `otherwise`. */
export const isOrdinary = (price: UsagePrice): boolean => !isOtherwise(price) && !mayOverlap(price);

export const isMatched = (match: Match, groups: Match): boolean =>
  Object.entries(match).every(([name, value]) => groups[name] === value);

/** Whether usage of some group values is taken. */
export const isTaken = (taken: readonly TakenUsage[], groups: Match, windowStart: number): boolean =>
  taken.some(
    ({ from, to, match, leftOut }) =>
      from <= windowStart &&
      windowStart < to &&
      isMatched(match, groups) &&
      !leftOut.some((others) => isMatched(others, groups)),
  );

/** Whether usage of some group values is a price's, whatever other prices do. */
export const matchesGroups = (price: UsagePrice, groups: Match): boolean =>
  isMatched(price.match, groups) &&
  cellAt(
    price,
    dimensionsOf(price).map((name) => groups[name] ?? ''),
  ) !== null;

/** Whether some usage could match both. */
const mayMatchBoth = (one: Match, other: Match): boolean =>
  Object.entries(one).every(([name, value]) => (other[name] ?? value) === value);

/** Matches by the names that they have: of thousands of cells, there are a few. */
function byNames(matches: readonly Match[]): Map<string, { readonly names: readonly string[]; readonly all: Match[] }> {
  const found = new Map<string, { readonly names: readonly string[]; readonly all: Match[] }>();
  for (const match of matches) {
    const names = Object.keys(match).sort();
    const key = JSON.stringify(names);
    const known = found.get(key);
    if (known === undefined) found.set(key, { names, all: [match] });
    else known.all.push(match);
  }
  return found;
}

const valuesText = (match: Match, names: readonly string[]): string => JSON.stringify(names.map((name) => match[name]));

/** Whether some usage could match one of these and one of those. */
function mayMeet(these: readonly Match[], those: readonly Match[]): boolean {
  if (these.length === 1 && those.length === 1) return mayMatchBoth(these[0]!, those[0]!);
  const others = [...byNames(those).values()];
  return [...byNames(these).values()].some(({ names, all }) =>
    others.some((other) => {
      const common = names.filter((name) => other.names.includes(name));
      const texts = new Set(other.all.map((match) => valuesText(match, common)));
      return all.some((match) => texts.has(valuesText(match, common)));
    }),
  );
}

/** Whether some usage could match both prices. */
export const mayMatchSame = (one: UsagePrice, other: UsagePrice): boolean =>
  mayMeet(cellMatches(one), cellMatches(other));

/**
 * Whether two prices may both take some usage, and neither says that it may: they are of one meter, and of one kind. An
 * `otherwise` price never takes what an ordinary one does.
 */
export const mayShareUsage = (one: UsagePrice, other: UsagePrice): boolean =>
  one.meter === other.meter &&
  isOtherwise(one) === isOtherwise(other) &&
  mayMatchSame(one, other) &&
  (one.slug === other.slug || !(mayOverlap(one) || mayOverlap(other)));

const textOf = (match: Match): string => JSON.stringify(Object.entries(match).sort());

/** One form for what says the same: each once, the wider ones in place of what is within them. */
function widest(matches: readonly Match[]): Match[] {
  const byText = new Map(matches.map((match) => [textOf(match), match]));
  const groups = [...byNames([...byText.values()]).values()];
  const texts = new Map(groups.map(({ names, all }) => [names, new Set(all.map((match) => valuesText(match, names)))]));
  const isWithin = (match: Match): boolean => {
    const count = Object.keys(match).length;
    return groups.some(
      ({ names }) =>
        names.length < count &&
        names.every((name) => Object.hasOwn(match, name)) &&
        texts.get(names)!.has(valuesText(match, names)),
    );
  };
  return [...byText]
    .filter(([, match]) => !isWithin(match))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, match]) => match);
}

const takesTheSame = (one: TakenUsage, other: TakenUsage): boolean =>
  textOf(one.match) === textOf(other.match) &&
  one.leftOut.length === other.leftOut.length &&
  one.leftOut.every((match, i) => match === other.leftOut[i] || textOf(match) === textOf(other.leftOut[i]!));

/**
 * Stretches, in order of time, as what is taken at all times: those that follow each other and say the same are one,
 * each goes on until the next, and the first and the last have no end. So customers whose prices say the same take the
 * same, whenever they began.
 */
export function atAllTimes(stretches: readonly TakenUsage[]): TakenUsage[] {
  const joined: TakenUsage[] = [];
  for (const stretch of stretches) {
    const last = joined.at(-1);
    if (last !== undefined && takesTheSame(last, stretch)) continue;
    if (last !== undefined) joined[joined.length - 1] = { ...last, to: stretch.from };
    const from = last === undefined ? Number.NEGATIVE_INFINITY : stretch.from;
    joined.push({ ...stretch, from, to: Number.POSITIVE_INFINITY });
  }
  return joined;
}

/** What is left of some usage, window by window, where others take what they match. */
export function restOf(
  match: Match,
  { from, to }: Omit<HeldPrice, 'price'>,
  others: readonly HeldPrice[],
): TakenUsage[] {
  const near = others.filter(
    (other) => other.from < to && other.to > from && mayMeet([match], cellMatches(other.price)),
  );
  const bounds = new Set([from, ...near.flatMap((other) => [other.from, other.to])]);
  const starts = [...bounds].filter((bound) => from <= bound && bound < to).sort((a, b) => a - b);
  return starts.map((start, i) => {
    const inForce = near.filter((other) => other.from <= start && start < other.to);
    return {
      from: start,
      to: starts[i + 1] ?? to,
      match,
      leftOut: widest(inForce.flatMap((other) => cellMatches(other.price))),
    };
  });
}

/**
 * What a price takes in a term of it. `others`: the ordinary prices of the meter, of all subscriptions of the customer,
 * those that are free in a trial among them.
 */
export function takenBy({ from, to, price }: HeldPrice, others: () => readonly HeldPrice[]): TakenUsage[] {
  const { match } = price;
  return isOtherwise(price) ? restOf(match, { from, to }, others()) : [{ from, to, match, leftOut: NOTHING }];
}
