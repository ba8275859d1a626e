// What is decided once, when a record is made, and then stands in it: so that what follows from the records depends on
// nothing else.
import type { CatalogVersion } from '../catalog/catalog.ts';
import { LONGEST_WINDOW_MS, windowStartOf } from '../time/time-window.ts';
import type { UnnumberedRecord } from './customer-subscription.ts';
import type { SubscriptionOpening } from './subscription-history.ts';

/** Where a change stands against what was rated. Milliseconds since the epoch. */
export interface ChangeSituation {
  /** Postgres's clock. */
  readonly clock: number;
  /** Null: nothing of the subscription was ever rated. */
  readonly ratedUpTo: number | null;
  /** The change asks that what was billed is rated again, by adjustments. */
  readonly rerate: boolean;
}

/**
 * How far back a subject can be given to another customer where that is to be rated again. (What a subscription has, it
 * has from an instant of its own; what the default plan charges might be looked for through all of time.)
 */
export const RERATED_BACK_MAX_MS = 400 * 86_400_000;

/** Now, for a subscription: never before what it was rated up to (T2). */
export const changeNow = ({ clock, ratedUpTo }: Pick<ChangeSituation, 'clock' | 'ratedUpTo'>): number =>
  ratedUpTo === null ? clock : Math.max(clock, ratedUpTo);

/** The instant a change holds from; null: windows were billed after it, and the change does not ask to re-rate (P2). */
export function changeInstant(asked: number | 'now', situation: ChangeSituation): number | null {
  if (asked === 'now') return changeNow(situation);
  const isBilled = situation.ratedUpTo !== null && asked < situation.ratedUpTo;
  return isBilled && !situation.rerate ? null : asked;
}

/** Of a catalog version; or the earliest instant at which it can take effect, since windows were billed up to it. */
type VersionFacts = Pick<Required<CatalogVersion>, 'effectiveAt' | 'closedUpTo'> | { readonly earliest: number };

/** Where a version stands against what was rated. `closingUpTo`: null where nothing was ever closed. */
interface VersionSituation {
  readonly clock: number;
  readonly closingUpTo: number | null;
  /** Absent: false. */
  readonly rerate?: boolean;
}

/**
 * What nothing had priced is priced from the windows on that were open when the version took effect (T3): by what is
 * closed now, or, where it is made before its time or asks to rate again, from the window that holds its instant.
 */
export function versionFacts(
  asked: number | 'now',
  { clock, closingUpTo, rerate = false }: VersionSituation,
): VersionFacts {
  const effectiveAt = changeInstant(asked, { clock, ratedUpTo: closingUpTo, rerate });
  if (effectiveAt === null) return { earliest: closingUpTo! };
  const closedUpTo = effectiveAt > clock ? effectiveAt : Math.min(closingUpTo ?? 0, effectiveAt);
  return { effectiveAt, closedUpTo };
}

/** From when on a subscription bills that says nothing of it: not before it was made, nor before it starts (T10). */
export const billedFromOf = (startsAt: number, billedFrom: number | undefined, madeAt: number): number =>
  Math.max(startsAt, billedFrom ?? madeAt);

/**
 * Whether a subscription takes the window that had begun (T1): it is the customer's first, and no window that holds its
 * start was billed. `windowMs`: the longest window that its plans price.
 */
export const takesBegunWindow = (
  billedFrom: number,
  windowMs: number,
  { isFirst, ratedUpTo }: { readonly isFirst: boolean; readonly ratedUpTo: number | null },
): boolean => isFirst && (ratedUpTo === null || ratedUpTo < windowStartOf(billedFrom, windowMs) + windowMs);

/** Why a customer can't be charged in a currency, in words that follow its name; null: it can (T15). */
export const currencyFault = (ofFirstLineItem: string | null, currency: string): string | null =>
  ofFirstLineItem === null || ofFirstLineItem === currency
    ? null
    : `is charged in ${ofFirstLineItem} since its first line item, and can't be in ${currency}: nothing is converted`;

/** The first instant that a record says anything of. */
export const saysFrom = (record: UnnumberedRecord): number =>
  'undoes' in record ? record.at : Math.min(...record.patches.map(({ at }) => at));

/**
 * From when on a record may change what is billed: from then on its customer is due. A window that had begun and is the
 * subscription's own counts from its start, whichever window its prices have. What a record says of later is known from
 * now on, and may change what a stretch before it costs: so it is due by the next step of a rater, whose time lies
 * behind the clock. `ratedUpTo`: what was announced to be closed; null: nothing was.
 */
export function billsFrom(
  { billedFrom, takesBegunWindow }: Pick<SubscriptionOpening, 'billedFrom' | 'takesBegunWindow'>,
  record: UnnumberedRecord,
  { recordedAt, ratedUpTo }: { readonly recordedAt: number; readonly ratedUpTo: number | null },
): number {
  const says = saysFrom(record);
  const begins = takesBegunWindow ? windowStartOf(billedFrom, LONGEST_WINDOW_MS) : billedFrom;
  return Math.min(says > billedFrom ? says : begins, recordedAt, ratedUpTo ?? recordedAt);
}
