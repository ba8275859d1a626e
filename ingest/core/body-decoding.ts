// Turns the bytes of a request into raw events: JSON values not yet admitted. A body that can't be read at all is a `BodyFault`;
// a line of NDJSON that can't be read is one rejected event, and leaves the lines beside it alone.
import { isUtf8 } from 'node:buffer';
import { needsExactParser, parseExactJson } from '../../domain/exact-json.ts';
import type { EventForm } from './admission.ts';
import { binaryModeEvent } from './binary-mode.ts';
import type { BodyForm, RequestHeaders } from './body-form.ts';
import { Rejection } from './rejection.ts';

export const EVENTS_MAX = 10_000;

/** Why the body as a whole is refused; the codes are those of the problem document. */
export class BodyFault {
  readonly code: 'malformed_body' | 'empty_batch' | 'too_many_events';
  readonly detail: string;

  constructor(code: BodyFault['code'], detail: string) {
    this.code = code;
    this.detail = detail;
  }
}

export interface DecodedBody {
  readonly form: EventForm;
  /** Raw events, or the rejection a line already met; in the order of the body. */
  readonly items: readonly unknown[];
  /** True when a number was read that a double can't hold. */
  readonly exact: boolean;
}

const BOM = '\ufeff';

/** Fatal where the bytes are not UTF-8: a replacement character in an id would make two ids one. A byte order mark is dropped. */
function decodeText(bytes: Buffer): string | BodyFault {
  if (!isUtf8(bytes)) return new BodyFault('malformed_body', 'The body is not UTF-8.');
  const text = bytes.toString('utf8');
  return text.startsWith(BOM) ? text.slice(1) : text;
}

/** The parsed value, or the reason there is none, in words. */
function parse(text: string, isExact: boolean): { readonly value: unknown } | { readonly reason: string } {
  try {
    return { value: parseExactJson(text, isExact) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { reason: reasonOf(error) };
  }
}

/** The parser's own words, without a copy of the text it stumbled over beyond a few characters. */
const reasonOf = (error: SyntaxError): string => error.message.slice(0, 120).toWellFormed();

const tooMany = (): BodyFault =>
  new BodyFault('too_many_events', `A request may hold ${EVENTS_MAX} events. Send them in several.`);

function decodeLines(text: string): DecodedBody | BodyFault {
  const items: unknown[] = [];
  const exact = needsExactParser(text);
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end === -1) end = text.length;
    const line = text.slice(start, end).trim();
    start = end + 1;
    if (line === '') continue;
    if (items.length === EVENTS_MAX) return tooMany();
    const parsed = parse(line, exact);
    items.push(
      'value' in parsed ? parsed.value : new Rejection('malformed_line', `the line is not JSON: ${parsed.reason}`),
    );
  }
  if (items.length === 0) return new BodyFault('empty_batch', 'The body holds no line.');
  return { form: 'native', items, exact };
}

export function decodeBody(form: BodyForm, headers: RequestHeaders, bytes: Buffer): DecodedBody | BodyFault {
  const text = decodeText(bytes);
  if (text instanceof BodyFault) return text;
  if (form === 'ndjson') return decodeLines(text);
  const eventForm = form === 'json' ? 'native' : 'cloudevents';
  const exact = needsExactParser(text);
  if (form === 'cloudevent-binary' && text.trim() === '') {
    return { form: eventForm, items: [binaryModeEvent(headers, undefined)], exact };
  }
  const parsed = parse(text, exact);
  if (!('value' in parsed)) return new BodyFault('malformed_body', `The body is not JSON: ${parsed.reason}.`);
  const { value } = parsed;
  if (form === 'cloudevent-binary') return { form: eventForm, items: [binaryModeEvent(headers, value)], exact };
  if (form === 'cloudevent-batch' && !Array.isArray(value)) {
    return new BodyFault(
      'malformed_body',
      'A CloudEvents batch is a JSON array. One event is application/cloudevents+json.',
    );
  }
  if (form === 'cloudevent' && Array.isArray(value)) {
    return new BodyFault('malformed_body', 'An array of CloudEvents is sent as application/cloudevents-batch+json.');
  }
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (items.length === 0) return new BodyFault('empty_batch', 'The array holds no event.');
  if (items.length > EVENTS_MAX) return tooMany();
  return { form: eventForm, items, exact };
}
