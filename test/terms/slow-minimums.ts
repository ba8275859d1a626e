// The minimums of the slow model: slot by slot, what each holder has to come to, less what was charged.
import {
  type HolderId,
  isLookedAt,
  LENGTH_MAX,
  lengthMs,
  periodStartOf,
  SLOT,
  type SlowDefinition,
  type SlowLine,
  type SlowModel,
  saysSame,
  windowOfMeter,
} from './slow-model.ts';
import { less, partOf, plus, type Ratio, ratio, zero } from './slow-numbers.ts';

export interface SlowMinimum {
  readonly name: string;
  /** The slug of the price; null: of all of a plan. */
  readonly price: string | null;
  readonly members: readonly HolderId[];
  readonly start: number;
  readonly length: number;
  readonly closesAt: number;
  /** What is held last. */
  readonly holder: HolderId;
  readonly from: number;
  /** Before anything is taken off. */
  readonly amount: Ratio;
}

type Entries = SlowLine['entries'];

/** Slot by slot, of the members of a price's line. */
function entriesBeside(model: SlowModel, line: SlowLine, name: string): Entries {
  const { start, end } = model.history;
  const entries: Entries = [];
  const inForce = new Map<HolderId, { at: number; of: SlowDefinition }>();
  for (let at = start; at < end + LENGTH_MAX; at += SLOT) {
    for (const holder of line.members) {
      const said = holder === null ? null : (model.feeState(holder, at)?.minimums.get(name) ?? null);
      if (said === null) continue;
      const of = model.waiting(line, inForce.get(holder), said, at, SLOT);
      inForce.set(holder, { at, of });
      entries.push({ at, holder, of });
    }
  }
  return entries;
}

/** Every minimum in each of its periods; those of prices first. */
export const slowMinimums = (model: SlowModel): readonly SlowMinimum[] =>
  model.once('minimums', () => {
    const names = model.minimumNames();
    const isOfPlan = (name: string): boolean => name.startsWith('*');
    const inOrder = [...names.filter((name) => !isOfPlan(name)), ...names.filter(isOfPlan)];
    return inOrder.flatMap((name) => {
      const price = isOfPlan(name) ? null : name.slice(0, name.indexOf('/'));
      return model
        .lines(price ?? name)
        .filter(({ members }) => !members.includes(null))
        .flatMap((line) => {
          const entries = price === null ? line.entries : entriesBeside(model, line, name);
          return inPeriods(model, line, entries).map((each) => ({ ...each, name, price }));
        });
    });
  });

function inPeriods(model: SlowModel, line: SlowLine, entries: Entries): Omit<SlowMinimum, 'name' | 'price'>[] {
  const byPeriod = new Map<string, Entries>();
  for (const entry of entries.filter(({ of }) => !of.isTrial)) {
    const key = `${periodStartOf(line, entry.of.price, entry.at)} ${lengthMs(entry.of.price)}`;
    byPeriod.set(key, [...(byPeriod.get(key) ?? []), entry]);
  }
  return [...byPeriod].map(([key, own]) => {
    const [start, length] = key.split(' ').map(Number) as [number, number];
    const slots = BigInt(length / SLOT);
    const runs: { holder: HolderId; of: SlowDefinition; from: number; to: number }[] = [];
    let amount = zero;
    for (const { at, holder, of } of own) {
      const least = ratio(
        BigInt(of.price.flatAmount!.replace('.', '')),
        10n ** BigInt(of.price.flatAmount!.split('.')[1]?.length ?? 0),
      );
      const slot = BigInt((at - start) / SLOT);
      amount = plus(amount, less(partOf(least, ratio(slot + 1n, slots)), partOf(least, ratio(slot, slots))));
      const going = runs.find((run) => run.holder === holder && run.to === at && saysSame(run.of, of));
      if (going === undefined) runs.push({ holder, of, from: at, to: at + SLOT });
      else going.to = at + SLOT;
    }
    const place = (run: { holder: HolderId }): number => line.members.indexOf(run.holder);
    const [last] = runs.sort((a, b) => b.to - a.to || b.from - a.from || place(b) - place(a));
    const { holder, from } = last!;
    return {
      members: line.members,
      start,
      length,
      holder,
      from,
      amount,
      closesAt: closesAt(model, line, start + length),
    };
  });
}

/** When the last window is closed that counts. */
function closesAt(model: SlowModel, line: SlowLine, end: number): number {
  const until = Math.min(end, Math.max(...line.members.map((id) => model.endOf(id!))));
  const above = (time: number, size: number): number => Math.ceil(time / size) * size;
  let latest = until;
  for (const slug of model.slugs()) {
    const meter = model.meterOf(slug);
    if (meter === null || (line.slug !== '*/minimum' && line.slug !== slug)) continue;
    if (!model.lines(slug).some(({ members }) => members.some((id) => line.members.includes(id)))) continue;
    const width = windowOfMeter({ window: meter.itemWidth ?? meter.window });
    latest = Math.max(latest, above(above(until, windowOfMeter(meter)), width));
  }
  return latest;
}

/** What a minimum is charged, where `charged` was of the terms that it is of. */
function slowShort({ amount }: SlowMinimum, charged: Ratio): Ratio {
  const left = less(amount, charged);
  return left.n < 0n ? zero : left;
}

/** By (line, period, term), as `charged` is: what is due of minimums once windows are closed up to an instant. */
export function slowMinimumAmounts(
  model: SlowModel,
  charged: ReadonlyMap<string, Ratio>,
  closedUpTo: number,
): Map<string, Ratio> {
  const found = new Map<string, Ratio>();
  for (const minimum of slowMinimums(model)) {
    const { name, price, members, start, length, holder, from } = minimum;
    if (minimum.closesAt > closedUpTo || !isLookedAt(model.history, start)) continue;
    let sum = zero;
    for (const [key, amount] of [...charged, ...found]) {
      const [slug, , ofLength, ofStart, ofHolder] = key.split(' ');
      const isCounted =
        ofLength === String(length) && ofStart === String(start) && members.some((id) => String(id) === ofHolder);
      if (isCounted && (price === null || slug!.split('[')[0] === price)) sum = plus(sum, amount);
    }
    found.set(`${name} ${members[0]} ${length} ${start} ${holder} ${from}`, slowShort(minimum, sum));
  }
  return found;
}
