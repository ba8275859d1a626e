// The parameters of GET /v1/unpriced and its cursor. A page ends at a meter and its group values, in whose order they
// come; the cursor keeps the range, for a request without `to`.
import { decodePlace, encodePlace, isPlaceNumber, isPlaceText, notACursor } from '../../domain/requests/cursor.ts';
import {
  anyText,
  conflict,
  pageCursor,
  parametersOf,
  type QueryParameters,
  readParameters,
  time,
  wholeNumber,
} from '../../domain/requests/parameters.ts';

const GROUPS_DEFAULT = 100;
const GROUPS_MAX = 1_000;

export interface GroupPlace {
  readonly meter: string;
  readonly groupText: string;
}

export interface UnpricedRequest {
  /** Of the starts of windows, inclusive and exclusive; milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  /** Null: all. */
  readonly meter: string | null;
  readonly limit: number;
  /** Only what comes after it; null: from the first. */
  readonly after: GroupPlace | null;
}

export const unpricedParameters = parametersOf({
  from: time('the inclusive start of the range', 'Inclusive bound of the starts of windows'),
  to: time('an end', 'Exclusive bound of the starts of windows; left out: now').optional(),
  meter: anyText('Only usage of one meter').optional(),
  limit: wholeNumber(GROUPS_MAX, GROUPS_DEFAULT, 'Meters and group values in an answer, or fewer'),
  cursor: pageCursor('the same from, to and meter'),
});

/** Throws a `Problem`. */
export function parseUnpricedRequest(parameters: QueryParameters, now: number): UnpricedRequest {
  const { from, to: given = null, meter = null, limit, cursor } = readParameters(unpricedParameters, parameters);
  const read = cursor === undefined ? null : decodePlace(cursor);
  read?.requireOf([from, given, meter], 'from, to or meter');
  const [afterMeter, groupText, until] = read?.place ?? [];
  const to = given ?? (read === null ? now : until);
  if (!isPlaceNumber(to)) throw notACursor();
  if (from >= to) throw conflict('from', 'not before to');
  if (read === null) return { from, to, meter, limit, after: null };
  if (!isPlaceText(afterMeter) || !isPlaceText(groupText)) throw notACursor();
  return { from, to, meter, limit, after: { meter: afterMeter, groupText } };
}

/** `given`: the parameters as they were given; `to`: that of the range. */
export function unpricedCursor(parameters: QueryParameters, to: number, place: GroupPlace): string {
  const { from, to: given = null, meter = null } = readParameters(unpricedParameters, parameters);
  return encodePlace([from, given, meter], [place.meter, place.groupText, to]);
}
