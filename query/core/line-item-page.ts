// The parameters of GET /v1/line-items and its cursor. A page ends at a (window start, sequence) pair, which names a
// place in the order and not a count of rows, so rows that are added meanwhile neither repeat nor hide the ones that
// were there.
import { digestOf, notACursor, ofAnotherSelection } from '../../domain/requests/cursor.ts';
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

const LINE_ITEMS_DEFAULT = 1_000;
const LINE_ITEMS_MAX = 10_000;

/** The last line item of a page. */
export interface LineItemPlace {
  /** Milliseconds since the epoch. */
  readonly windowStart: number;
  readonly sequence: bigint;
}

export interface LineItemsRequest {
  /** Null: every customer of the tenant. */
  readonly customer: string | null;
  /** Null: every subject. */
  readonly subject: string | null;
  /** Of the window start, inclusive and exclusive, in milliseconds since the epoch; null: no bound. */
  readonly from: number | null;
  readonly to: number | null;
  readonly limit: number;
  /** Only what comes after it. */
  readonly after: LineItemPlace | null;
}

type Selection = Pick<LineItemsRequest, 'customer' | 'subject' | 'from' | 'to'>;

const selectionDigest = ({ customer, subject, from, to }: Selection): string => digestOf([customer, subject, from, to]);

export function encodeCursor(selection: Selection, place: LineItemPlace): string {
  return Buffer.from(`1.${place.windowStart}.${place.sequence}.${selectionDigest(selection)}`).toString('base64url');
}

/** A window may start before 1970: a flat price is due from the start of its first period. */
const CURSOR = /^1\.(-?\d{1,15})\.(\d{1,18})\.([\w-]{11})$/;

function decodeCursor(selection: Selection, cursor: string): LineItemPlace {
  const match = /^[\w-]{1,100}$/.test(cursor) ? CURSOR.exec(Buffer.from(cursor, 'base64url').toString('latin1')) : null;
  if (match === null) throw notACursor();
  if (match[3] !== selectionDigest(selection)) throw ofAnotherSelection('customer, subject, from or to');
  return { windowStart: Number(match[1]), sequence: BigInt(match[2]!) };
}

export const lineItemParameters = parametersOf({
  customer: anyText('Only those of one customer').optional(),
  subject: anyText('Only those of one subject, and those that its customer has of all its subjects').optional(),
  from: time('a start', 'Inclusive bound of windowStart').optional(),
  to: time('an end', 'Exclusive bound of windowStart').optional(),
  limit: wholeNumber(LINE_ITEMS_MAX, LINE_ITEMS_DEFAULT, 'Line items in an answer'),
  cursor: pageCursor('the same customer, subject, from and to'),
});

/** Throws a `Problem`. */
export function parseLineItemsRequest(parameters: QueryParameters): LineItemsRequest {
  const read = readParameters(lineItemParameters, parameters);
  const { customer = null, subject = null, from = null, to = null, limit, cursor } = read;
  const selection = { customer, subject, from, to };
  if (selection.from !== null && selection.to !== null && selection.from >= selection.to) {
    throw conflict('from', 'not before to');
  }
  return { ...selection, limit, after: cursor === undefined ? null : decodeCursor(selection, cursor) };
}
