// The usage of the slow model: window by window and unit by unit, each unit with the term that it was used in.
import {
  type HolderId,
  isLookedAt,
  lengthMs,
  periodStartOf,
  type SlowLine,
  type SlowModel,
  same,
  slowOwner,
  windowOfMeter,
} from './slow-model.ts';
import {
  isMore,
  less,
  partOf,
  plus,
  type Ratio,
  ratio,
  type SlowAmountFields,
  type SlowPrice,
  slowAmount,
  slowCellOf,
  slowCells,
  slowCharge,
  slowFree,
  zero,
} from './slow-numbers.ts';

/** Amounts by (line, period, term), of everything that usage costs. */
export function slowUsageAmounts(model: SlowModel): Map<string, Ratio> {
  const amounts = new Map<string, Ratio>();
  for (const slug of model.slugs()) {
    if (model.meterOf(slug) === null) continue;
    for (const line of model.lines(slug)) {
      const periods = new Map<string, SlowLine['entries']>();
      for (const entry of line.entries) {
        const start = periodStartOf(line, entry.of.price, entry.at);
        if (entry.of.isTrial || !isLookedAt(model.history, start)) continue;
        const key = `${lengthMs(entry.of.price)} ${start}`;
        periods.set(key, [...(periods.get(key) ?? []), entry]);
      }
      for (const [key, entries] of periods) {
        for (const name of new Set(entries.flatMap(({ of }) => slowCells(of.price).map((cell) => cell.name)))) {
          const firstAt = Math.min(...entries.map(({ at }) => at));
          for (const { term, amount } of slowPeriod(model, line, entriesOfCell(entries, name), firstAt))
            amounts.set(`${slug}${name} ${line.members[0]} ${key} ${term.holder} ${term.from}`, amount);
        }
      }
    }
  }
  return amounts;
}

/** An entry of a price, or of a matrix's cell, which takes what comes to that cell alone. */
type CellEntry = SlowLine['entries'][number] & { readonly matrix: SlowPrice };

/** Where there is such a cell, what it is. */
export const entriesOfCell = (entries: Readonly<SlowLine['entries']>, name: string): CellEntry[] =>
  entries.flatMap((entry) => {
    const cell = slowCells(entry.of.price).find((each) => each.name === name);
    return cell === undefined ? [] : [{ ...entry, of: { ...entry.of, price: cell.price }, matrix: entry.of.price }];
  });

export interface SlowTerm {
  readonly holder: HolderId;
  readonly from: number;
  to: number;
  readonly price: SlowPrice;
}

/** Of the cell that has this match. */
const nameOf = (matrix: SlowPrice, match: object): string | undefined =>
  slowCells(matrix).find((cell) => same(cell.match, match))?.name;

export function termsOfEntries(
  { members }: SlowLine,
  entries: Readonly<SlowLine['entries']>,
  windowMs: number,
): SlowTerm[] {
  const terms: SlowTerm[] = [];
  for (const { at, holder, of } of entries) {
    const going = terms.find((term) => term.holder === holder && term.to === at && same(term.price, of.price));
    if (going === undefined) terms.push({ holder, from: at, to: at + windowMs, price: of.price });
    else going.to = at + windowMs;
  }
  return terms.sort((a, b) => a.from - b.from || members.indexOf(a.holder) - members.indexOf(b.holder));
}

/** How the amounts of terms come about. */
export function kindOfTerms(terms: readonly SlowTerm[], isLevel: boolean): string {
  const kinds = new Set(
    terms.map(({ price }) => {
      if (price.onChange !== undefined) return price.onChange;
      if (isLevel) return 'prorate';
      const hasFlat = price.tiers?.some(({ flatAmount }) => flatAmount !== '0') ?? false;
      if (price.maximum !== undefined || price.discounts?.some(({ amount }) => amount !== undefined)) return 'share';
      const isCarried = ['per_unit', 'cost_plus', 'graduated_percentage', 'percentage'].includes(price.model);
      return isCarried || (price.model === 'graduated' && !hasFlat) ? 'carry' : 'share';
    }),
  );
  return kinds.size === 1 ? [...kinds][0]! : isLevel ? 'prorate' : 'share';
}

/** Of all events alike; rounded once. */
const meanOf = (values: readonly number[]): Ratio =>
  values.length === 0
    ? zero
    : partOf(ratio(BigInt(values.reduce((sum, value) => sum + value, 0))), ratio(1n, BigInt(values.length)));

/** What counts of a subject's level: of the windows of the terms those in which it is the customer's. */
function heldPart(
  { history: { subjects = [], closedUpTo = Number.POSITIVE_INFINITY } }: SlowModel,
  level: Ratio,
  subject: string | undefined,
  terms: readonly SlowTerm[],
  windowMs: number,
): Ratio {
  const assigned = subjects.find((each) => each.subject === subject);
  if (assigned === undefined) return level;
  const windows: number[] = [];
  for (const { from, to } of terms) for (let at = from; at < to; at += windowMs) windows.push(at);
  // Whoever has it in the last closed window has it from then on, as far as is told.
  const lastClosed = Number.isFinite(closedUpTo) ? Math.floor(closedUpTo / windowMs) * windowMs - windowMs : closedUpTo;
  const isHeld = windows.map((at) => slowOwner(assigned, Math.min(at, lastClosed), windowMs) === 'c');
  const whole = BigInt(windows.length);
  let sum = zero;
  for (const [i, held] of isHeld.entries()) {
    if (!held) continue;
    // Stretch by stretch: where one begins or ends, what came up to there is rounded.
    const [begins, ends] = [!isHeld[i - 1], !isHeld[i + 1]];
    if (ends) sum = plus(sum, partOf(level, ratio(BigInt(i + 1), whole)));
    if (begins) sum = less(sum, partOf(level, ratio(BigInt(i), whole)));
  }
  return sum;
}

/** `firstAt`: the first window of the price, of whatever cell. */
function slowPeriod(model: SlowModel, line: SlowLine, entries: readonly CellEntry[], firstAt: number) {
  const meter = model.meterOf(line.slug)!;
  const windowMs = windowOfMeter(meter);
  const terms = termsOfEntries(line, entries, windowMs);
  const isMean = meter.aggregation === 'avg';
  const isLevel = isMean || ['max', 'min', 'latest'].includes(meter.aggregation);
  const kind = kindOfTerms(terms, isLevel);

  // The values of each window of each term, by time.
  const readings = entries
    .map(({ at, holder, matrix }) => {
      const index = terms.findIndex((term) => term.holder === holder && term.from <= at && at < term.to);
      const { match = {}, otherwise } = terms[index]!.price;
      const others = otherwise === true ? (model.takenBesides(meter.slug).get(at) ?? []) : [];
      const values = model.history.usage.filter(
        (usage) =>
          others.every((other) => other.model !== undefined && other.model !== usage.model) &&
          usage.meter === meter.slug &&
          usage.at >= at &&
          usage.at < at + windowMs &&
          (match.model === undefined || match.model === usage.model) &&
          slowCellOf(matrix, { model: usage.model })?.name === nameOf(matrix, match),
      );
      return { at, index, values: values.map(({ value }) => value), of: values };
    })
    .filter(({ values }) => values.length > 0)
    .sort((a, b) => a.at - b.at || a.index - b.index);
  const whole = (of: typeof readings): bigint => {
    const values = of.flatMap(({ values: each }) => each);
    if (values.length === 0) return 0n;
    switch (meter.aggregation) {
      case 'count':
        return BigInt(values.length);
      case 'max':
        return BigInt(Math.max(...values));
      case 'min':
        return BigInt(Math.min(...values));
      case 'latest':
        return BigInt(values.at(-1)!);
      case 'unique':
        return BigInt(new Set(values).size);
      default:
        return BigInt(values.reduce((sum, value) => sum + value, 0));
    }
  };
  // Of subjects that are others' for a part of the time, a level counts by that (G3): window by window.
  const isShared = isLevel && !isMean && (model.history.subjects ?? []).length > 0;
  const levelOf = (of: typeof readings, time: readonly SlowTerm[]): Ratio => {
    if (isMean) return meanOf(of.flatMap(({ values }) => values));
    if (!isShared) return ratio(whole(of));
    const names = new Set(of.flatMap((each) => each.of.map(({ subject }) => subject)));
    let level = zero;
    for (const subject of names) {
      const own = of.map((each) => ({ ...each, of: each.of.filter((usage) => usage.subject === subject) }));
      const value = whole(own.map((each) => ({ ...each, values: each.of.map((usage) => usage.value) })));
      level = plus(level, heldPart(model, ratio(value), subject, time, windowMs));
    }
    return level;
  };
  if (kind === 'restart') {
    return terms.map((term, index) => {
      const own = readings.filter((reading) => reading.index === index);
      return { term, amount: slowAmount(term.price, levelOf(own, [term])) };
    });
  }
  const periodStart = periodStartOf(line, terms[0]!.price, terms[0]!.from);
  const [bounds, length] = [(instant: number) => Math.ceil(instant / windowMs) * windowMs, lengthMs(terms[0]!.price)];
  if (kind === 'prorate') {
    const first = Math.min(bounds(periodStart), firstAt);
    const duration = BigInt(bounds(periodStart + length) - first);
    const part = (instant: number): Ratio => ratio(BigInt(instant - first), duration);
    return terms.map((term) => {
      const amount = slowAmount(term.price, levelOf(readings, terms));
      return { term, amount: less(partOf(amount, part(term.to)), partOf(amount, part(term.from))) };
    });
  }
  // A stack of single units, each with its term: what is taken back is taken from the top.
  const stack: { readonly index: number; readonly sign: number }[] = [];
  const seen = new Set<number>();
  let level = 0n;
  for (const [place, { index, values }] of readings.entries()) {
    let net = 0;
    // Of a level, a window adds what it changes.
    if (isLevel) {
      const after = whole(readings.slice(0, place + 1));
      net = Number(after - level);
      level = after;
    }
    for (const value of isLevel ? [] : values) {
      if (meter.aggregation === 'count') net += 1;
      else if (meter.aggregation !== 'unique') net += value;
      else if (!seen.has(value)) {
        seen.add(value);
        net += 1;
      }
    }
    const sign = Math.sign(net);
    for (let unit = 0; unit < Math.abs(net); unit++) {
      if ((stack.at(-1)?.sign ?? sign) === sign) stack.push({ index, sign });
      else stack.pop();
    }
  }
  const unitsOf = (index: number): bigint =>
    stack.reduce((sum, unit) => (unit.index === index ? sum + BigInt(unit.sign) : sum), 0n);
  const first = Math.min(bounds(periodStart), firstAt);
  const used = terms.map((term, index) => ({ ...term, units: ratio(unitsOf(index)) }));
  const amounts = amountsOfUnits(kind, used, first, bounds(periodStart + length));
  return terms.map((term, index) => ({ term, amount: amounts[index]! }));
}

interface UsedTerm {
  readonly price: SlowAmountFields;
  readonly from: number;
  readonly to: number;
  /** That stand at the end of the period. */
  readonly units: Ratio;
}

/** What terms that carry or share come to, in a period from `start` to `end`. */
export function amountsOfUnits(kind: string, terms: readonly UsedTerm[], start: number, end: number): Ratio[] {
  const billable = billableOf(terms, start, end);
  const total = billable.reduce(plus, zero);
  let before = zero;
  return terms.map(({ price }, index) => {
    const [from, to] = [before, plus(before, billable[index]!)];
    before = to;
    if (kind === 'carry') return less(slowCharge(price, to), slowCharge(price, from));
    if (total.n === 0n) return zero;
    const amount = slowCharge(price, total);
    const part = (of: Ratio): Ratio => ratio(of.n * total.d, of.d * total.n);
    return less(partOf(amount, part(to)), partOf(amount, part(from)));
  });
}

/** Units that are not free (T8): free ones are below the term's allowance, and below the parts of all terms so far. */
function billableOf(terms: readonly UsedTerm[], start: number, end: number): Ratio[] {
  const part = (instant: number): Ratio => ratio(BigInt(instant - start), BigInt(end - start));
  let granted = zero;
  let free = zero;
  return terms.map(({ price, from, to, units }) => {
    const own = slowFree(price);
    const isWhole = price.included?.proration === 'none';
    granted = plus(granted, isWhole ? own : less(partOf(own, part(to)), partOf(own, part(from))));
    const left = less(isMore(granted, own) ? own : granted, free);
    if (left.n <= 0n || units.n <= 0n) return units;
    const here = isMore(units, left) ? left : units;
    free = plus(free, here);
    return less(units, here);
  });
}
