// What a price may choose about time: how long its period is, when it is charged, and what becomes of a period in which
// its definition changes. A choice that is not made is absent, so that a catalog of before there was one is still the
// same, and so is one that chooses what holds anyway; `priceDefaults` says what that is.

/** So many days, weeks, months or years. */
export type PeriodLength =
  | { readonly days: number }
  | { readonly weeks: number }
  | { readonly months: number }
  | { readonly years: number };

/** What the stretch of one definition costs, where a period has several. */
export const changeKinds = ['carry', 'share', 'prorate', 'restart'] as const;
export type ChangeKind = (typeof changeKinds)[number];

export const chargeTimes = ['in_advance', 'in_arrears'] as const;

export const prorations = ['second', 'day', 'none'] as const;
/** What a part of a period pays of its fee: the part by time, by local days, or the whole. */
export type Proration = (typeof prorations)[number];

/** Absent: as in `priceDefaults`. */
export interface PriceChoices {
  readonly every?: PeriodLength;
  /** Of usage. Absent: by model and aggregation. */
  readonly onChange?: ChangeKind;
  /** Of a fee. */
  readonly charge?: (typeof chargeTimes)[number];
  /** Of a fee. */
  readonly proration?: Proration;
  /** Of a fee in advance: whether what was paid for a stretch that is now another's comes back. */
  readonly giveBack?: boolean;
  /** Of a fee: the name of the subscription's quantity that it is charged for, such as seats. Absent: once. */
  readonly quantity?: string;
}

export const priceDefaults = {
  every: { months: 1 },
  charge: 'in_advance',
  proration: 'second',
  giveBack: true,
} as const satisfies PriceChoices;
