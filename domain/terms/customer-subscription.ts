// What a customer has subscribed to, as an account object: what never changes of it, and its records.
import { SubscriptionHistory, type SubscriptionOpening, type SubscriptionRecord } from './subscription-history.ts';

export interface CustomerSubscription {
  readonly tenant: string;
  readonly customer: string;
  readonly opening: SubscriptionOpening;
  /** By sequence; that of the newest is the version. */
  readonly records: readonly SubscriptionChange[];
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A subscription, and what its maker said to make it. */
export interface MadeSubscription extends CustomerSubscription {
  readonly madeFrom: unknown;
}

/** A record, and when it was made. */
export type SubscriptionChange = SubscriptionRecord & { readonly recordedAt: number };

/** A record as it is before its subscription gave it a number. */
export type UnnumberedRecord = SubscriptionRecord extends infer Each
  ? Each extends SubscriptionRecord
    ? Omit<Each, 'sequence'>
    : never
  : never;

/** A subscription as it is before it is made. */
export interface NewSubscription {
  readonly customer: string;
  readonly opening: SubscriptionOpening;
  /** At least one, which sets the plan; more where it is brought here with what was changed of it elsewhere. */
  readonly records: readonly UnnumberedRecord[];
  readonly madeFrom: unknown;
  readonly reason: string | null;
}

/** As it is once records are added to it. */
export const grownBy = (
  stored: CustomerSubscription,
  added: readonly UnnumberedRecord[],
  recordedAt: number,
): CustomerSubscription => ({
  ...stored,
  records: [
    ...stored.records,
    ...added.map((record, i) => ({ ...record, sequence: stored.version + 1 + i, recordedAt })),
  ],
  version: stored.version + added.length,
  updatedAt: recordedAt,
});

export const historyOf = ({
  opening,
  records,
}: Pick<CustomerSubscription, 'opening' | 'records'>): SubscriptionHistory => new SubscriptionHistory(opening, records);
