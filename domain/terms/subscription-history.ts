// The change log of one subscription: immutable records, and what its fields were at any instant.
//
// A change is a patch by field, and a field's value at t is that of the greatest (at, sequence) not above t (T13). So
// changes of different fields, or of different instants, say the same in whatever order they were recorded. (As
// snapshots, seats that were changed on the 5th would be lost in the snapshot of a plan change of the 10th that was
// recorded before.)
//
// What lasts until a time known beforehand has that time for its value: a cancellation is `endsAt`, a pause is
// `pausedUntil`, and each is one patch where it was decided. (As two patches, pause and resumption, a pause until the
// 20th that was ended on the 10th and followed by another on the 12th would end the other on the 20th.)
//
// An undo is a record too: it names a change, and the patches of it that had not begun at the undo's instant never
// count. It brings no value back. (As a patch with the old value, undoing 10 seats from the 10th and recording 7 seats
// from the 5th would come to 5 or to 7 seats, by which was recorded first.)

import type { Price } from '../pricing/prices.ts';
import { NO_DISCOUNTS, type SubscriptionDiscount } from '../pricing/subscription-discounts.ts';
import type { PeriodGrid } from './subscription-periods.ts';

/** What never changes of a subscription. Instants are milliseconds since the epoch. */
export interface SubscriptionOpening extends PeriodGrid {
  readonly id: string;
  /** May lie in the past: it draws the grid, and bills nothing by itself. */
  readonly startsAt: number;
  /** From when on it bills (T10). */
  readonly billedFrom: number;
  /**
   * Whether the window that holds `billedFrom` is its own, although it began before: the customer's first subscription,
   * and nothing had billed that window when the subscription was made (T1). It is stored, since only then it was known.
   */
  readonly takesBegunWindow: boolean;
}

/** Fields that a patch does not name stay as they are. */
export interface SubscriptionPatch {
  /** The slug. */
  readonly plan?: string;
  /** By name, as decimal text; null: not stated. */
  readonly quantities?: Readonly<Record<string, string | null>>;
  /** Prices of this subscription alone, by slug; null: the plan's again. */
  readonly overrides?: Readonly<Record<string, Price | null>>;
  /** Beside those of its prices; all of them anew. */
  readonly discounts?: readonly SubscriptionDiscount[];
  readonly endsAt?: number | null;
  readonly trialEndsAt?: number | null;
  /** `open`: until somebody resumes it; null: it is not paused. */
  readonly pausedUntil?: number | 'open' | null;
}

interface ChangeRecord {
  /** The order of recording; no two of a subscription have the same. */
  readonly sequence: number;
  readonly patches: readonly { readonly at: number; readonly patch: SubscriptionPatch }[];
}

interface UndoRecord {
  readonly sequence: number;
  /** The sequence of the change whose patches from `at` on never count. */
  readonly undoes: number;
  readonly at: number;
}

/** The first sets the plan at `startsAt`. */
export type SubscriptionRecord = ChangeRecord | UndoRecord;

/** What a subscription holds at an instant. */
export interface SubscriptionState {
  readonly plan: string;
  readonly quantities: ReadonlyMap<string, string>;
  readonly overrides: ReadonlyMap<string, Price>;
  readonly discounts: readonly SubscriptionDiscount[];
  readonly isTrial: boolean;
  readonly isPaused: boolean;
}

interface FieldValue {
  readonly at: number;
  readonly sequence: number;
  readonly value: unknown;
}

const isUndo = (record: SubscriptionRecord): record is UndoRecord => 'undoes' in record;

type NamedField = 'quantity' | 'override';
type FieldName = Exclude<keyof SubscriptionPatch, 'quantities' | 'overrides'>;

/** Each field that a patch names: itself, or what it is called among quantities or overrides. */
function fieldsOf(patch: SubscriptionPatch): [field: FieldName | NamedField, name: string, value: unknown][] {
  const { quantities = {}, overrides = {}, ...plain } = patch;
  return [
    ...Object.entries(plain).map(([field, value]) => [field as FieldName, '', value] as [FieldName, string, unknown]),
    ...Object.entries(quantities).map(([name, value]) => ['quantity', name, value] as [NamedField, string, unknown]),
    ...Object.entries(overrides).map(([slug, value]) => ['override', slug, value] as [NamedField, string, unknown]),
  ];
}

/** The patches that count, with their records' sequences. */
function standingPatches(records: readonly SubscriptionRecord[]) {
  const undoneFrom = new Map<number, number>();
  for (const record of records) {
    if (!isUndo(record)) continue;
    undoneFrom.set(record.undoes, Math.min(record.at, undoneFrom.get(record.undoes) ?? record.at));
  }
  return records.flatMap((record) =>
    isUndo(record)
      ? []
      : record.patches
          .filter(({ at }) => at < (undoneFrom.get(record.sequence) ?? Number.POSITIVE_INFINITY))
          .map(({ at, patch }) => ({ at, sequence: record.sequence, patch })),
  );
}

export class SubscriptionHistory {
  readonly opening: SubscriptionOpening;
  /** When it is over; null: it is open. What is recorded for later than its end has no effect. */
  readonly endsAt: number | null;
  /** Where anything may change, its start and end among them, ascending. */
  readonly instants: readonly number[];
  private readonly records: readonly SubscriptionRecord[];
  /** Ascending by instant and sequence, by field and by name. */
  private readonly fields = new Map<FieldName | NamedField, Map<string, FieldValue[]>>();
  /** From each of the instants on, as far as they were asked for. */
  private readonly states: (SubscriptionState | null | undefined)[] = [];

  /** `records` in any order. */
  constructor(opening: SubscriptionOpening, records: readonly SubscriptionRecord[]) {
    this.opening = opening;
    this.records = records;
    for (const { at, sequence, patch } of standingPatches(records)) {
      for (const [field, name, value] of fieldsOf(patch)) {
        const named = this.fields.get(field) ?? new Map<string, FieldValue[]>();
        this.fields.set(field, named.set(name, [...(named.get(name) ?? []), { at, sequence, value }]));
      }
    }
    for (const named of this.fields.values())
      for (const values of named.values()) values.sort((a, b) => a.at - b.at || a.sequence - b.sequence);
    this.endsAt = this.firstEnd();
    this.instants = this.instantsOfChange();
  }

  /** Every plan that it was ever to have. */
  get plans(): string[] {
    return [...new Set(this.valuesOf('plan').map(({ value }) => value as string))];
  }

  /** Null: it bills nothing then. Between two instants of change it is the same. */
  stateAt(instant: number): SubscriptionState | null {
    if (instant < this.opening.billedFrom || (this.endsAt !== null && instant >= this.endsAt)) return null;
    const since = this.instants.findLastIndex((each) => each <= instant);
    let known = this.states[since];
    if (known === undefined) {
      known = this.findState(this.instants[since]!);
      this.states[since] = known;
    }
    return known;
  }

  private findState(instant: number): SubscriptionState | null {
    const plan = this.valueAt('plan', instant);
    if (typeof plan !== 'string') return null;
    const trialEndsAt = this.trialEndsAt(instant);
    const pausedUntil = this.pausedUntil(instant);
    return {
      plan,
      quantities: this.namedAt<string>('quantity', instant),
      overrides: this.namedAt<Price>('override', instant),
      discounts: (this.valueAt('discounts', instant) as readonly SubscriptionDiscount[] | undefined) ?? NO_DISCOUNTS,
      isTrial: trialEndsAt !== null && instant < trialEndsAt,
      isPaused: pausedUntil === 'open' || (typeof pausedUntil === 'number' && instant < pausedUntil),
    };
  }

  /** When the trial ends, or ended, by what holds at an instant; null: there is none. */
  trialEndsAt(instant: number): number | null {
    return (this.valueAt('trialEndsAt', instant) as number | null | undefined) ?? null;
  }

  /** `open`: until somebody resumes it; null: nothing pauses it. */
  pausedUntil(instant: number): number | 'open' | null {
    return (this.valueAt('pausedUntil', instant) as number | 'open' | null | undefined) ?? null;
  }

  /** Where it begins to bill, and where anything that counts was decided to hold from. */
  get knownAt(): number[] {
    return [this.opening.billedFrom, ...standingPatches(this.records).map(({ at }) => at)];
  }

  /** As it would be if nothing changed after an instant: ends, trials and pauses that were known by then are kept. */
  until(instant: number): SubscriptionHistory {
    const kept = standingPatches(this.records).filter(({ at }) => at <= instant);
    return new SubscriptionHistory(
      this.opening,
      kept.map(({ at, sequence, patch }) => ({ sequence, patches: [{ at, patch }] })),
    );
  }

  private valuesOf(field: FieldName): readonly FieldValue[] {
    return this.fields.get(field)?.get('') ?? [];
  }

  /** Undefined: nothing was ever said. */
  private valueAt(field: FieldName, instant: number): unknown {
    return this.valuesOf(field).findLast(({ at }) => at <= instant)?.value;
  }

  private namedAt<Value>(field: NamedField, instant: number): Map<string, Value> {
    const found = new Map<string, Value>();
    for (const [name, values] of this.fields.get(field) ?? []) {
      const value = values.findLast(({ at }) => at <= instant)?.value;
      if (value !== null && value !== undefined) found.set(name, value as Value);
    }
    return found;
  }

  private firstEnd(): number | null {
    const values = this.valuesOf('endsAt');
    for (const [i, { at, value }] of values.entries()) {
      if (typeof value !== 'number') continue;
      const end = Math.max(at, value);
      if (end < (values[i + 1]?.at ?? Number.POSITIVE_INFINITY)) return end;
    }
    return null;
  }

  private instantsOfChange(): number[] {
    const { billedFrom } = this.opening;
    const end = this.endsAt ?? Number.POSITIVE_INFINITY;
    const instants = new Set([billedFrom, ...(this.endsAt === null ? [] : [this.endsAt])]);
    for (const [field, named] of this.fields) {
      const hasDeadline = field === 'trialEndsAt' || field === 'pausedUntil';
      for (const { at, value } of [...named.values()].flat()) {
        instants.add(at);
        if (hasDeadline && typeof value === 'number') instants.add(value);
      }
    }
    return [...instants].filter((instant) => instant >= billedFrom && instant <= end).sort((a, b) => a - b);
  }
}
