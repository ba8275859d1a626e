// The parameters of GET /v1/line-item-subjects and its cursor. Rows come item by item, and of an item by subject: a
// page ends at an item, or at a subject of one. Whatever is added meanwhile, the rows that were there stay where they
// are.

import { Problem } from '../../domain/problem.ts';
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

const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 10_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A row, or, where `subject` is null, all rows of an item. */
export interface ItemSubjectPlace {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly sequence: bigint;
  readonly subject: string | null;
}

export interface ItemSubjectsRequest {
  /** Null: those of a customer. */
  readonly lineItem: string | null;
  /** Null: whoever's the line item is. */
  readonly customer: string | null;
  /** Of the items' windowStart, inclusive and exclusive, in milliseconds since the epoch; null: no bound. */
  readonly from: number | null;
  readonly to: number | null;
  readonly limit: number;
  readonly after: ItemSubjectPlace | null;
}

export const itemSubjectParameters = parametersOf({
  lineItem: anyText('Of one line item, by its id').optional(),
  customer: anyText('Of the line items of one customer').optional(),
  from: time('a start', 'Inclusive bound of the windowStart of line items').optional(),
  to: time('an end', 'Exclusive bound of the windowStart of line items').optional(),
  limit: wholeNumber(ROWS_MAX, ROWS_DEFAULT, 'Rows in an answer, or fewer'),
  cursor: pageCursor('the same lineItem, customer, from and to'),
});

/** Throws a `Problem`. */
export function parseItemSubjectsRequest(parameters: QueryParameters): ItemSubjectsRequest {
  const read = readParameters(itemSubjectParameters, parameters);
  const { lineItem = null, customer = null, from = null, to = null, limit, cursor } = read;
  if (lineItem === null && customer === null)
    throw new Problem('invalid_parameter', 'lineItem or customer: one of them is needed');
  if (lineItem !== null && !UUID.test(lineItem))
    throw new Problem('invalid_parameter', 'lineItem: must be the id of a line item');
  if (from !== null && to !== null && from >= to) throw conflict('from', 'not before to');
  const given = cursor === undefined ? null : decodePlace(cursor);
  given?.requireOf([lineItem, customer, from, to], 'lineItem, customer, from or to');
  return { lineItem, customer, from, to, limit, after: given === null ? null : placeOf(given.place) };
}

function placeOf([windowStart, sequence, subject]: readonly unknown[]): ItemSubjectPlace {
  const isSequence = isPlaceText(sequence) && /^\d{1,18}$/.test(sequence);
  if (!isPlaceNumber(windowStart) || !isSequence || !(subject === null || isPlaceText(subject))) throw notACursor();
  return { windowStart, sequence: BigInt(sequence), subject };
}

export const itemSubjectCursor = (
  { lineItem, customer, from, to }: ItemSubjectsRequest,
  { windowStart, sequence, subject }: ItemSubjectPlace,
): string => encodePlace([lineItem, customer, from, to], [windowStart, String(sequence), subject]);
