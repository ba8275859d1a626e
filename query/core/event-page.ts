// The parameters of the list of GET /v1/events and its cursor. Events come in the order in which the gateways received
// them, and of one instant in the order of the log; a page ends at an event's place in that order, which it never
// leaves.
import { decodePlace, encodePlace, isPlaceNumber, notACursor } from '../../domain/requests/cursor.ts';
import {
  anyText,
  choice,
  conflict,
  pageCursor,
  parametersOf,
  type QueryParameters,
  readParameters,
  time,
  wholeNumber,
} from '../../domain/requests/parameters.ts';

const EVENTS_DEFAULT = 100;
const EVENTS_MAX = 1_000;

/** What the log's owner made of an event as it came: copies that were counted once leave no trace. */
const listedStates = ['accepted', 'conflict', 'too_late', 'rejected'] as const;
export type ListedState = (typeof listedStates)[number];

/** Where an event is in a list. */
export interface EventPlace {
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  readonly generation: number;
  readonly partition: number;
  /** Below 2^63, as text. */
  readonly offset: string;
  /** In the record. */
  readonly index: number;
}

interface EventSelection {
  /** Of the time received, inclusive and exclusive, in milliseconds since the epoch; `to` null: no end. */
  readonly from: number;
  readonly to: number | null;
  /** Null: any. */
  readonly subject: string | null;
  readonly type: string | null;
  readonly state: ListedState | null;
}

export interface EventsRequest {
  readonly selection: EventSelection;
  readonly limit: number;
  /** Only what comes after it. */
  readonly after: EventPlace | null;
}

export const eventListParameters = parametersOf({
  from: time('the inclusive start of the range in which events were received', 'Inclusive bound of receivedAt'),
  to: time('an end', 'Exclusive bound of receivedAt').optional(),
  subject: anyText('Only those of one subject').optional(),
  type: anyText('Only those of one type').optional(),
  state: choice(listedStates, 'Only what became of them').optional(),
  limit: wholeNumber(EVENTS_MAX, EVENTS_DEFAULT, 'Events in an answer, or fewer'),
  cursor: pageCursor(),
});

export const eventCursor = (selection: EventSelection, place: EventPlace): string =>
  encodePlace(selection, [place.receivedAt, place.generation, place.partition, place.offset, place.index]);

function placeIn(selection: EventSelection, cursor: string): EventPlace {
  const read = decodePlace(cursor);
  read.requireOf(selection, 'from, to, subject, type or state');
  const [receivedAt, generation, partition, offset, index] = read.place;
  const areNumbers = [receivedAt, generation, partition, index].every(isPlaceNumber);
  if (!areNumbers || typeof offset !== 'string' || !/^\d{1,18}$/.test(offset)) throw notACursor();
  const [at, gen, part, place] = [receivedAt, generation, partition, index] as [number, number, number, number];
  if (gen > 65_535 || part > 65_535 || place > 4_294_967_295) throw notACursor();
  return { receivedAt: at, generation: gen, partition: part, offset, index: place };
}

/** Throws a `Problem`. */
export function parseEventsRequest(parameters: QueryParameters): EventsRequest {
  const { limit, cursor, ...given } = readParameters(eventListParameters, parameters);
  const { from, to = null, subject = null, type = null, state = null } = given;
  if (to !== null && from >= to) throw conflict('from', 'not before to');
  const selection = { from, to, subject, type, state };
  return { selection, limit, after: cursor === undefined ? null : placeIn(selection, cursor) };
}

/** In the order of a list. */
export function comparePlaces(a: EventPlace, b: EventPlace): number {
  const difference = a.receivedAt - b.receivedAt || a.generation - b.generation || a.partition - b.partition;
  if (difference !== 0) return difference;
  const [offsetA, offsetB] = [BigInt(a.offset), BigInt(b.offset)];
  return offsetA === offsetB ? a.index - b.index : offsetA < offsetB ? -1 : 1;
}
