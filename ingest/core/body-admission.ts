// From the bytes of a request to its events: finds where each event stands, reads it and admits it, one after the
// other, so that nothing but one event is ever built. An event that costs too much to be read is rejected unread, and
// leaves the events beside it alone; a body that can't be read at all is a `Problem`, and then nothing of it is taken.
//
// The work of a large body would keep a process from everything else. It is a generator: whoever runs it may do
// something else after each part, which is so many bytes and at most one event more. What it costs grows with the
// bytes, whatever they are.
import { isAscii, isUtf8 } from 'node:buffer';
import { Problem } from '../../domain/problem.ts';
import type { AdmissionContext } from './admission.ts';
import type { BodyForm, RequestHeaders } from './body-form.ts';
import { BodyDecisions, type Decided } from './decisions.ts';
import { EventScanner, passSpace, unexpectedAt } from './event-scanner.ts';

export const EVENTS_MAX = 10_000;
/** A body that is no larger is admitted in one part. */
export const PART_BYTES = 128 * 1024;

/** Yields after each part. */
export type BodyWork = Generator<undefined, Decided, undefined>;

const NEWLINE = 0x0a;
const COMMA = 0x2c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;

const tooMany = (): Problem =>
  new Problem('too_many_events', `A request may hold ${EVENTS_MAX} events. Send them in several.`);

const notJson = (bytes: Buffer, at: number): Problem =>
  new Problem('malformed_body', `The body is not JSON: ${unexpectedAt(bytes, at, bytes.length)}.`);

/** The rest of a value that is longer than a part. */
function* scanOn(scanner: EventScanner): Generator<undefined, 'whole' | 'fault', undefined> {
  for (;;) {
    yield;
    const progress = scanner.advance(scanner.at + PART_BYTES);
    if (progress !== 'more') return progress;
  }
}

/** One event, or an array of them. */
function* admitValues(bytes: Buffer, start: number, isArray: boolean, decisions: BodyDecisions): BodyWork {
  const end = bytes.length;
  const scanner = new EventScanner();
  let at = isArray ? passSpace(bytes, start + 1, end) : start;
  let partEnd = at + PART_BYTES;
  let isOver = isArray && bytes[at] === BRACKET_CLOSE;
  while (!isOver) {
    if (decisions.count === EVENTS_MAX) throw tooMany();
    const behind = decisions.takeOrdinary(at, end);
    if (behind === null) {
      scanner.begin(bytes, at, end);
      let progress = scanner.advance(partEnd);
      if (progress === 'more') progress = yield* scanOn(scanner);
      if (progress === 'fault') throw notJson(bytes, scanner.at);
      decisions.decide(at, scanner);
    }
    at = passSpace(bytes, behind ?? scanner.at, end);
    if (!isArray) break;
    isOver = bytes[at] === BRACKET_CLOSE;
    if (isOver) break;
    if (bytes[at] !== COMMA) throw notJson(bytes, at);
    at = passSpace(bytes, at + 1, end);
    if (at < partEnd) continue;
    yield;
    partEnd = at + PART_BYTES;
  }
  if (isArray) at = passSpace(bytes, at + 1, end);
  if (at < end) throw notJson(bytes, at);
  if (decisions.count === 0) throw new Problem('empty_batch', 'The array holds no event.');
  return decisions.outcome();
}

/** What String.trim takes away of ASCII. */
const isBlank = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** A line without white space at its ends, as String.trim knows it: files that were joined hold byte order marks. */
function trimmed(bytes: Buffer, from: number, to: number): readonly [start: number, end: number] {
  let [start, end] = [from, to];
  while (start < end && isBlank(bytes[start]!)) start++;
  while (start < end && isBlank(bytes[end - 1]!)) end--;
  if (start === end || (bytes[start]! < 0x80 && bytes[end - 1]! < 0x80)) return [start, end];
  const text = bytes.toString('utf8', start, end).trimStart();
  start = end - Buffer.byteLength(text);
  return [start, start + Buffer.byteLength(text.trimEnd())];
}

function* admitLines(bytes: Buffer, start: number, decisions: BodyDecisions): BodyWork {
  const scanner = new EventScanner();
  let partEnd = start + PART_BYTES;
  for (let at = start; at < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const lineEnd = newline === -1 ? bytes.length : newline;
    const [first, end] = trimmed(bytes, at, lineEnd);
    at = lineEnd + 1;
    if (first < end) {
      if (decisions.count === EVENTS_MAX) throw tooMany();
      if (decisions.takeOrdinary(first, end, true) === null) {
        scanner.begin(bytes, first, end);
        let progress = scanner.advance(partEnd);
        if (progress === 'more') progress = yield* scanOn(scanner);
        if (progress === 'whole' && scanner.at === end) decisions.decide(first, scanner);
        else decisions.rejectLine(unexpectedAt(bytes, passSpace(bytes, scanner.at, end), end));
      }
    }
    if (at < partEnd) continue;
    yield;
    partEnd = at + PART_BYTES;
  }
  if (decisions.count === 0) throw new Problem('empty_batch', 'The body holds no line.');
  return decisions.outcome();
}

/** `headers`: those of CloudEvents in binary mode hold the attributes; the body is the data then. */
export function* admitBody(
  form: BodyForm,
  headers: RequestHeaders,
  bytes: Buffer,
  context: AdmissionContext,
): BodyWork {
  const text = isAscii(bytes) ? bytes.toString('latin1') : null;
  // A replacement character in an id would make two ids one.
  if (text === null && !isUtf8(bytes)) throw new Problem('malformed_body', 'The body is not UTF-8.');
  const decisions = new BodyDecisions(form, headers, bytes, text, context);
  const hasByteOrderMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const start = hasByteOrderMark ? 3 : 0;
  if (form === 'ndjson') return yield* admitLines(bytes, start, decisions);
  const first = passSpace(bytes, start, bytes.length);
  const isArray = bytes[first] === BRACKET_OPEN && form !== 'cloudevent-binary';
  if (form === 'cloudevent-binary' && first === bytes.length) return decisions.decideWithoutBody();
  if (form === 'cloudevent-batch' && !isArray) {
    throw new Problem(
      'malformed_body',
      'A CloudEvents batch is a JSON array. One event is application/cloudevents+json.',
    );
  }
  if (form === 'cloudevent' && isArray) {
    throw new Problem('malformed_body', 'An array of CloudEvents is sent as application/cloudevents-batch+json.');
  }
  return yield* admitValues(bytes, first, isArray, decisions);
}
