// What the terms of a usage price cost in one of its periods (T6), as a function of the period's windows and of nothing
// else: not of what was rated before, nor of the order in which usage or changes became known.
//
//   carry     the price of the quantity at the term's end, less the price of the quantity at its start
//   share     the price of the whole period's quantity, and of it the term's share of the units
//   prorate   the price of the whole period's value, and of it the term's share of the time
//   restart   the price of the term's own usage, as if it were a period
//
// A term comes as contributions of windows and a price of their running sum: what a period with one definition has
// always been. So whoever writes line items does for a term what it did for a period. What negative usage takes back
// is taken from the term that was charged last, and stands there as a contribution of the window it happened in.
//
// Units that are included (and discounts of units) are taken off the units first: terms that carry or share have them
// by their part of the time (T8), and what is left is carried or shared. A level has them off its value.
import { type Aggregation, countsUnits } from '../aggregation/aggregations.ts';
import { type KeptUsage, PeriodValue } from '../aggregation/period-value.ts';
import { Decimal } from '../number/decimal.ts';
import { type Quantity, quantityToDecimal } from '../number/quantity.ts';
import { freeUnitsOf } from '../pricing/around/charge.ts';
import type { ChangeKind } from '../pricing/price-choices.ts';
import { amountOf, amountOfBillable, carriesUsage, hasAllowance, type UsagePrice } from '../pricing/prices.ts';
import { type AllowanceTerm, freeRooms } from './allowances.ts';
import { amountBetween } from './exact-share.ts';
import type { UsagePeriod, UsageTerm } from './price-terms.ts';

/** What is kept of a window; for `unique`, how many of its values no earlier window has (see `countedTogether`). */
export interface UsedWindow extends KeptUsage {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
}

/** The usage that a term's price matches, in any order; what is not in its windows is left out. */
export type UsageOfTerm = (term: UsageTerm) => readonly UsedWindow[];

/** What a window adds to a term, or takes from it. */
interface TermContribution {
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly quantity: Quantity;
}

export interface TermCharge {
  readonly term: UsageTerm;
  /** In order of time. Their sum is the term's quantity; that of a prorated term is the whole period's value. */
  readonly contributions: readonly TermContribution[];
  readonly quantity: Quantity;
  /** The amount for a running sum of the contributions; 0 for none. */
  readonly price: (cumulative: Decimal) => Decimal;
  /** `price` of the quantity. */
  readonly amount: Decimal;
}

/** What a price chooses, or its model and aggregation do for it. */
function kindOf(price: UsagePrice, aggregation: Aggregation): ChangeKind {
  if (price.onChange !== undefined) return price.onChange;
  if (!countsUnits(aggregation)) return 'prorate';
  return carriesUsage(price) ? 'carry' : 'share';
}

/** The one kind of all terms of a period: where they differ, all are shared, or prorated where the meter is a level. */
export function changeKindOf({ line, terms }: UsagePeriod): ChangeKind {
  const { aggregation } = line.meter!;
  const [first = 'share', ...others] = new Set(terms.map(({ price }) => kindOf(price, aggregation)));
  if (others.length === 0) return first;
  return countsUnits(aggregation) ? 'share' : 'prorate';
}

/**
 * Which terms a value that comes again counts once in: all of the period's, or, where each begins anew, each by itself.
 */
export const countedTogether = (period: UsagePeriod): readonly (readonly UsageTerm[])[] =>
  changeKindOf(period) === 'restart' ? period.terms.map((term) => [term]) : [period.terms];

/** How much one of a line's windows, or some that follow each other in a term, add to a period's value. */
export interface AddedUsage {
  /** Which of the period's terms they are in. */
  readonly index: number;
  /** Milliseconds since the epoch, end exclusive. */
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly quantity: Quantity;
}

interface UsageInTerm extends UsedWindow {
  readonly index: number;
}

/** The windows that terms price, in order of time. */
const pricedWindows = (terms: readonly UsageTerm[], usageOf: UsageOfTerm): UsageInTerm[] =>
  terms
    .flatMap((term, index) =>
      usageOf(term)
        .filter(({ windowStart }) => term.from <= windowStart && windowStart < term.to)
        .map((window) => ({ ...window, index })),
    )
    .sort((a, b) => a.windowStart - b.windowStart || a.index - b.index);

/** How much each window adds to the value of a level, or of units. */
function additions(aggregation: Aggregation, windows: readonly UsageInTerm[], windowMs: number): AddedUsage[] {
  const value = new PeriodValue(aggregation);
  return windows.map((window) => ({
    ...window,
    windowEnd: window.windowStart + windowMs,
    quantity: value.add(window),
  }));
}

/** What stands, last in, first out: usage of the other sign takes from the term that came last. */
function givenBackLast(windows: readonly AddedUsage[]): AddedUsage[] {
  const standing: { readonly index: number; quantity: Quantity }[] = [];
  const isOpposite = (one: Quantity, other: Quantity): boolean => one > 0n !== other > 0n;
  return windows.flatMap((window) => {
    const parts: AddedUsage[] = [];
    let left = window.quantity;
    for (let last = standing.at(-1); left !== 0n && last !== undefined; last = standing.at(-1)) {
      if (!isOpposite(left, last.quantity)) break;
      const taken = left > 0n === left < -last.quantity ? left : -last.quantity;
      parts.push({ ...window, index: last.index, quantity: taken });
      left -= taken;
      last.quantity += taken;
      if (last.quantity === 0n) standing.pop();
    }
    if (left === 0n) return parts;
    standing.push({ index: window.index, quantity: left });
    return [...parts, { ...window, quantity: left }];
  });
}

const sumOf = (windows: readonly { readonly quantity: Quantity }[]): Quantity =>
  windows.reduce((sum, { quantity }) => sum + quantity, 0n);

/** Of one window, one contribution to a term. */
function contributionsOfTerm(windows: readonly AddedUsage[]): TermContribution[] {
  const byStart = new Map<number, TermContribution>();
  for (const { windowStart, windowEnd, quantity } of windows) {
    const known = byStart.get(windowStart);
    byStart.set(windowStart, { windowStart, windowEnd, quantity: quantity + (known?.quantity ?? 0n) });
  }
  return [...byStart.values()];
}

/** Of all terms of a period, in their order. */
export function termCharges(period: UsagePeriod, usageOf: UsageOfTerm): TermCharge[] {
  const { aggregation } = period.line.meter!;
  const priced = pricedWindows(period.terms, usageOf);
  const added = countedTogether(period).flatMap((together) =>
    additions(
      aggregation,
      priced.filter(({ index }) => together.includes(period.terms[index]!)),
      period.line.windowMs,
    ),
  );
  return chargesOf(period, added);
}

/**
 * The same, by what windows add to the values of the terms that are counted together (`countedTogether`), in order of
 * time.
 */
export function chargesOf(period: UsagePeriod, added: readonly AddedUsage[]): TermCharge[] {
  const { terms } = period;
  const kind = changeKindOf(period);
  const charge = (
    term: UsageTerm,
    of: readonly AddedUsage[],
    priceOf: (full: (cumulative: Decimal) => Decimal) => (cumulative: Decimal) => Decimal,
  ): TermCharge => {
    const price = priceOf(amountOf(term.price));
    const quantity = sumOf(of);
    const amount = price(quantityToDecimal(quantity));
    return { term, contributions: contributionsOfTerm(of), quantity, price, amount };
  };

  if (terms.length === 1 || kind === 'restart') {
    const sharesTime = kind === 'prorate' || (kind !== 'restart' && hasAllowance(terms[0]!.price));
    const isWhole = !sharesTime || isAllOf(period);
    if (isWhole) {
      return terms.map((term, index) =>
        charge(
          term,
          added.filter((window) => window.index === index),
          (full) => full,
        ),
      );
    }
  }
  if (kind === 'prorate') {
    const whole = BigInt(period.windows.to - period.windows.from);
    return terms.map((term) => {
      const [from, to] = [BigInt(term.from - period.windows.from), BigInt(term.to - period.windows.from)];
      return charge(term, added, (full) => (cumulative) => amountBetween(full(cumulative), from, to, whole));
    });
  }
  const standing = givenBackLast(added);
  if (terms.some(({ price }) => hasAllowance(price))) return billableCharges(period, standing, kind, charge);
  const whole = sumOf(standing);
  let before = 0n;
  return terms.map((term, index) => {
    const own = standing.filter((window) => window.index === index);
    const start = before;
    before += sumOf(own);
    // Whatever has all the units costs what they cost, at every step of the way.
    if (start === 0n && before === whole) return charge(term, own, (full) => full);
    if (kind === 'carry') {
      const paid = quantityToDecimal(start);
      return charge(term, own, (full) => (cumulative) => full(paid.plus(cumulative)).minus(full(paid)));
    }
    return charge(term, own, (full) => {
      const amount = full(quantityToDecimal(whole));
      return (cumulative) => amountBetween(amount, start, start + quantityOf(cumulative), whole);
    });
  });
}

/** What a term is charged of its units, once it is known which are free. */
type ChargeOfTerm = (
  term: UsageTerm,
  of: readonly AddedUsage[],
  priceOf: (full: (cumulative: Decimal) => Decimal) => (cumulative: Decimal) => Decimal,
) => TermCharge;

/** With units that are free: what is left of them is carried or shared. */
function billableCharges(
  { windows, terms }: UsagePeriod,
  standing: readonly AddedUsage[],
  kind: ChangeKind,
  charge: ChargeOfTerm,
): TermCharge[] {
  const units = terms.map((_, index) => standing.filter((window) => window.index === index));
  const allowances = terms.map(({ price, from, to }, index): AllowanceTerm => {
    const isWhole = price.included?.proration === 'none';
    return {
      quantity: sumOf(units[index]!),
      allowance: quantityOf(freeUnitsOf(price)),
      from: isWhole ? 0 : from - windows.from,
      to: isWhole ? windows.to - windows.from : to - windows.from,
    };
  });
  const rooms = freeRooms(allowances, windows.to - windows.from);
  const billable = (index: number, used: Quantity): Quantity => {
    const room = rooms[index]!;
    return used <= 0n ? used : used > room ? used - room : 0n;
  };
  const whole = allowances.reduce((sum, { quantity }, index) => sum + billable(index, quantity), 0n);
  let before = 0n;
  return terms.map((term, index) => {
    const start = before;
    before += billable(index, allowances[index]!.quantity);
    const full = amountOfBillable(term.price);
    const upTo = (cumulative: Decimal): Quantity => start + billable(index, quantityOf(cumulative));
    if (kind === 'carry' || (start === 0n && before === whole)) {
      const paid = full(quantityToDecimal(start));
      return charge(term, units[index]!, () => (cumulative) => full(quantityToDecimal(upTo(cumulative))).minus(paid));
    }
    if (whole === 0n) return charge(term, units[index]!, () => () => Decimal.zero);
    const amount = full(quantityToDecimal(whole));
    return charge(term, units[index]!, () => (cumulative) => amountBetween(amount, start, upTo(cumulative), whole));
  });
}

/** Its one term has all of its time. */
const isAllOf = ({ windows, terms }: UsagePeriod): boolean =>
  terms.length === 1 && terms[0]!.from === windows.from && terms[0]!.to === windows.to;

const quantityOf = (cumulative: Decimal): Quantity =>
  cumulative.scale <= 12 ? cumulative.coefficient * 10n ** BigInt(12 - cumulative.scale) : notAQuantity(cumulative);

function notAQuantity(value: Decimal): never {
  throw new RangeError(`${value} has more digits than a quantity`);
}
