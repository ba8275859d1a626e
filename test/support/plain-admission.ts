// The admission of a body as it is easiest to understand: all of it is parsed, then each of its values admitted. It
// bounds nothing and is slow, and what the gateway does is held equal to it.
import { needsExactParser, parseExactJson } from '../../domain/json/exact-json.ts';
import { Rejection } from '../../domain/rejection.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { type AdmissionContext, admit, reportedId } from '../../ingest/core/admission.ts';
import { binaryModeEvent } from '../../ingest/core/binary-mode.ts';
import { EVENTS_MAX } from '../../ingest/core/body-admission.ts';
import { type BodyForm, eventFormOf, type RequestHeaders } from '../../ingest/core/body-form.ts';
import type { Admitted } from '../../ingest/core/decisions.ts';

/** Why the whole body is refused. */
export type PlainFault = 'malformed_body' | 'empty_batch' | 'too_many_events';

function parsed(text: string): { readonly value: unknown } | null {
  try {
    return { value: parseExactJson(text) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return null;
  }
}

function lines(text: string): unknown[] {
  const filled = text.split('\n').filter((line) => line.trim() !== '');
  return filled.map((line) => {
    const read = parsed(line.trim());
    return read === null ? new Rejection('malformed_line', 'the line is not JSON') : read.value;
  });
}

function values(form: BodyForm, headers: RequestHeaders, text: string): unknown[] | PlainFault {
  if (form === 'ndjson') return lines(text);
  if (form === 'cloudevent-binary' && text.trim() === '') return [binaryModeEvent(headers, undefined)];
  const read = parsed(text);
  if (read === null) return 'malformed_body';
  const { value } = read;
  if (form === 'cloudevent-binary') return [binaryModeEvent(headers, value)];
  if (Array.isArray(value) ? form === 'cloudevent' : form === 'cloudevent-batch') return 'malformed_body';
  return Array.isArray(value) ? value : [value];
}

/** The values of a body that are to be events; a Rejection stands for a line that is no JSON. */
export function plainValues(form: BodyForm, headers: RequestHeaders, bytes: Buffer): unknown[] | PlainFault {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return 'malformed_body';
  }
  const raws = values(form, headers, text);
  if (!Array.isArray(raws)) return raws;
  if (raws.length === 0) return 'empty_batch';
  return raws.length > EVENTS_MAX ? 'too_many_events' : raws;
}

export function admitPlainly(
  form: BodyForm,
  headers: RequestHeaders,
  bytes: Buffer,
  context: AdmissionContext,
): Admitted | PlainFault {
  const raws = plainValues(form, headers, bytes);
  if (!Array.isArray(raws)) return raws;
  // Of the whole body: what becomes of an event must not depend on those beside it.
  const isExact = needsExactParser(bytes.toString());
  const accepted: UsageEvent[] = [];
  const rejected: Admitted['rejected'] = [];
  for (const [index, raw] of raws.entries()) {
    const decided = admit(raw, eventFormOf(form), context, isExact);
    if (!(decided instanceof Rejection)) accepted.push(decided);
    else {
      const { code, message, field } = decided;
      rejected.push({ index, id: reportedId(raw), code, message, field });
    }
  }
  return { accepted, rejected };
}
