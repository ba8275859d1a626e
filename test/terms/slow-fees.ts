// The fees of the slow model: slot by slot, each with the plan that it belongs to, and what was paid for it before.
import {
  DAY,
  type HolderId,
  isLookedAt,
  lengthMs,
  periodStartOf,
  SLOT,
  type SlowDefinition,
  type SlowHistory,
  type SlowLine,
  SlowModel,
  saysSame,
  slowFee,
  WINDOW_SIZES,
} from './slow-model.ts';
import { isMore, isZero, less, partOf, plus, type Ratio, ratio, zero } from './slow-numbers.ts';

/** Amounts of fees by (line, period, term) as they are due at an instant. */
export function slowFeeAmounts(history: SlowHistory, asOf: number): Map<string, Ratio> {
  const amounts = new Map<string, Ratio>();
  const last = new SlowModel(history, asOf);
  for (const slug of last.slugs()) {
    if (last.meterOf(slug) !== null) continue;
    for (const line of last.lines(slug)) {
      const periods = new Map<string, { start: number; length: number }>();
      for (const { at, of } of line.entries) {
        const [start, length] = [periodStartOf(line, of.price, at), lengthMs(of.price)];
        if (isLookedAt(history, start)) periods.set(`${length} ${start}`, { start, length });
      }
      for (const [key, period] of periods) {
        for (const { holder, from, amount } of slowFeeTerms(history, last, line, period, asOf))
          amounts.set(`${slug} ${line.members[0]} ${key} ${holder} ${from}`, amount);
      }
    }
  }
  return amounts;
}

interface FeePart {
  readonly unit: number;
  readonly holder: HolderId;
  readonly of: SlowDefinition;
  /** Where the term begins that the unit is of. */
  from: number;
}

export interface SlowFeeTerm {
  readonly holder: HolderId;
  readonly from: number;
  to: number;
  amount: Ratio;
}

/** Those of one period that are due at an instant; `last`: the model of what is known then. */
export function slowFeeTerms(
  history: SlowHistory,
  last: SlowModel,
  line: SlowLine,
  { start, length }: { readonly start: number; readonly length: number },
  asOf: number,
): SlowFeeTerm[] {
  const end = start + length;
  const ways = line.entries.filter(({ at }) => at >= start && at < end).map(({ of }) => of.price.proration ?? 'second');
  const way = ways.includes('none') ? 'none' : ways.includes('day') ? 'day' : 'second';
  const cells = cellsOf(start, end, way);
  const whole = BigInt(cells.length);
  const partsAt = (instant: number): FeePart[] => {
    const model = instant === asOf ? last : new SlowModel(history, instant);
    const known = model.lines(line.slug).find(({ members }) => members[0] === line.members[0]);
    return known === undefined
      ? []
      : model.once(
          `parts ${line.slug} ${line.members[0]} ${length}`,
          () => feeParts(model, known, length, cells, way, end),
          start,
        );
  };
  const paid = cells.map(() => zero);
  const terms = new Map<string, SlowFeeTerm>();
  const cuts = new Map<string, Ratio>();
  const cut = (fee: Ratio, unit: number): Ratio =>
    once(cuts, `${fee.n}/${fee.d} ${unit}`, () => partOf(fee, ratio(BigInt(unit), whole)));
  const share = (fee: Ratio, unit: number): Ratio => less(cut(fee, unit + 1), cut(fee, unit));
  const charge = ({ unit, holder, of, from }: FeePart, keeps: boolean): void => {
    const fee = slowFee(of);
    const before = paid[unit]!;
    const isPaid = !isZero(before) && !isMore(fee, before);
    const key = `${holder} ${from}`;
    const own = isPaid ? zero : share(fee, unit);
    const amount = isPaid || isZero(before) ? own : less(own, share(before, unit));
    const term = terms.get(key) ?? { holder, from, to: from, amount: zero };
    term.to = Math.max(term.to, cells[unit + 1] ?? end);
    term.amount = plus(term.amount, amount);
    terms.set(key, term);
    if (keeps && isMore(fee, before)) paid[unit] = fee;
  };
  const isKept = ({ of: { price } }: FeePart): boolean => price.giveBack === false && price.charge !== 'in_arrears';
  const final = partsAt(asOf);
  if (line.entries.some(({ of }) => of.price.giveBack === false)) {
    for (let instant = start; instant < Math.min(end, asOf + 1); instant += SLOT) {
      if (!isEventful(history, instant) && instant !== start && !final.some(({ from }) => from === instant)) continue;
      const next = nextEvent(history, final, instant, asOf);
      for (const part of partsAt(instant)) if (isKept(part) && part.from < next) charge(part, true);
    }
  }
  const dueAt = ({ from, holder, of }: FeePart): number => {
    if (of.price.charge !== 'in_arrears') return from;
    return holder === null ? end : Math.min(end, last.endOf(holder));
  };
  for (const part of final) if (dueAt(part) <= asOf) charge(part, isKept(part));
  return [...terms.values()];
}

const written = new WeakMap<SlowHistory, string>();

/** Whether anything in the records happens at an instant. */
function isEventful(history: SlowHistory, instant: number): boolean {
  const { versions, subscriptions } = history;
  const text = written.get(history) ?? JSON.stringify([versions.map(({ effectiveAt }) => effectiveAt), subscriptions]);
  written.set(history, text);
  return text.includes(String(instant));
}

function nextEvent(history: SlowHistory, final: readonly FeePart[], instant: number, asOf: number): number {
  for (let next = instant + SLOT; next <= asOf; next += SLOT)
    if (isEventful(history, next) || final.some(({ from }) => from === next)) return next;
  return asOf + 1;
}

function cellsOf(start: number, end: number, way: string): number[] {
  if (way === 'none') return [start];
  const cells: number[] = [];
  for (let at = start; at < end; at += SLOT) {
    const isLastDay = way === 'day' && Math.floor(at / DAY) === Math.floor(end / DAY);
    if (way === 'second' || (!isLastDay && (at === start || at % DAY === 0))) cells.push(at);
  }
  return cells;
}

function once<Value>(known: Map<string, Value>, name: string, find: () => Value): Value {
  if (!known.has(name)) known.set(name, find());
  return known.get(name)!;
}

function feeParts(
  model: SlowModel,
  line: SlowLine,
  length: number,
  cells: readonly number[],
  way: string,
  end: number,
): FeePart[] {
  const feeIn = (holder: HolderId, at: number): SlowDefinition | null => {
    const fee = model.feeState(holder, at)?.fees.find(({ slug }) => slug === line.slug);
    return fee !== undefined && lengthMs(fee.definition.price) === length ? fee.definition : null;
  };
  const parts: FeePart[] = [];
  const add = (unit: number, from: number, owner: { holder: HolderId; at: number } | null): void => {
    const of = owner === null ? null : feeIn(owner.holder, owner.at);
    if (owner === null || of === null) return;
    // Since when the same was held, without a gap, but no earlier than the unit.
    let since = owner.at;
    while (way !== 'second' && since > from && saysSame(feeIn(owner.holder, since - SLOT), of)) since -= SLOT;
    parts.push({ unit, holder: owner.holder, of, from: way === 'second' ? from : Math.max(from, since) });
  };
  const members = model.holders.filter((holder) => line.members.includes(holder));
  if (way === 'second') {
    for (const holder of members) {
      const isOfOne = new Map<string, boolean>();
      const owners = new Map<string, HeldSlot | null>();
      for (const [unit, at] of cells.entries()) {
        if (model.feeState(holder, at) === null) continue;
        // The longest window that a plan prices which is held in it.
        const longest = WINDOW_SIZES.find((size) => {
          const cell = Math.floor(at / size) * size;
          return once(isOfOne, `${cell} ${size}`, () => {
            const held = slotsOf(model, holder, cell, cell + size);
            return held.some((slot) => model.feeState(holder, slot.at)!.windows.includes(size));
          });
        });
        const size = longest ?? SLOT;
        const cell = Math.floor(at / size) * size;
        add(
          unit,
          at,
          once(owners, `${cell} ${size}`, () => ownerOf(model, holder, cell, cell + size)),
        );
      }
    }
  } else {
    for (const [unit, from] of cells.entries()) {
      const held = members.flatMap((holder) => slotsOf(model, holder, from, cells[unit + 1] ?? end));
      add(unit, from, dearestOf(model, held));
    }
  }
  return asTerms(parts);
}

/** Units that follow each other and pay the same are one term, which begins where the first does. */
function asTerms(parts: readonly FeePart[]): FeePart[] {
  const name = ({ holder }: FeePart): string => holder ?? '';
  const sorted = parts.toSorted((a, b) => (name(a) < name(b) ? -1 : name(a) > name(b) ? 1 : a.unit - b.unit));
  for (const [i, part] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before === undefined || before.unit + 1 !== part.unit || before.holder !== part.holder) continue;
    if (saysSame(before.of, part.of)) part.from = before.from;
  }
  return sorted;
}

interface HeldSlot {
  readonly holder: HolderId;
  readonly at: number;
}

function slotsOf(model: SlowModel, holder: HolderId, from: number, to: number): HeldSlot[] {
  const slots: HeldSlot[] = [];
  for (let at = from; at < to; at += SLOT) if (model.feeState(holder, at) !== null) slots.push({ holder, at });
  return slots;
}

function dearestOf(model: SlowModel, slots: readonly HeldSlot[]): HeldSlot | null {
  let best: HeldSlot | null = null;
  for (const slot of slots) {
    const rate = model.feeState(slot.holder, slot.at)!.rate;
    if (best === null || isMore(rate, model.feeState(best.holder, best.at)!.rate)) best = slot;
  }
  return best;
}

/** The dearest that prices a window starting in the stretch; where none does, the dearest that is held in it. */
function ownerOf(model: SlowModel, holder: HolderId, from: number, to: number): HeldSlot | null {
  const held = slotsOf(model, holder, from, to);
  const opening = holder === null ? null : model.subscription(holder).opening;
  const claims = held.filter(({ at }) => {
    const { isPaused, windows } = model.feeState(holder, at)!;
    if (isPaused || windows.length === 0) return true;
    const takes = opening?.takesBegunWindow === true && at === opening.billedFrom;
    return takes || windows.some((size) => at % size === 0);
  });
  return dearestOf(model, claims.length > 0 ? claims : held);
}
