// Which of the body forms a request is in, told by its headers alone, so that a body nobody can read is refused unread.
import { Problem } from '../../domain/problem.ts';
import type { EventForm } from './admission.ts';

/** In the first two each event may be a CloudEvent as well: it says so by its `specversion`. */
export type BodyForm =
  /** One event or an array of events. */
  | 'json'
  /** One event a line. */
  | 'ndjson'
  /** CloudEvents JSON, one event. */
  | 'cloudevent'
  /** CloudEvents JSON batch, an array. */
  | 'cloudevent-batch'
  /** CloudEvents binary mode: the attributes in ce-* headers, the body is the data. */
  | 'cloudevent-binary';

export interface RequestHeaders {
  readonly [name: string]: string | string[] | undefined;
}

const unknown = (detail: string): Problem => new Problem('unsupported_media_type', detail);

/** No content type is nearly as long. */
const CONTENT_TYPE_LENGTH_MAX = 256;
const MEDIA_TYPE = /^\s*([\w!#$&^.+-]+\/[\w!#$&^.+-]+)\s*(;.*)?$/;
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]*)"?/i;

const FORMS: Readonly<Record<string, BodyForm>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/cloudevents+json': 'cloudevent',
  'application/cloudevents-batch+json': 'cloudevent-batch',
};

/** How each event of a body in this form may be written. */
export const eventFormOf = (form: BodyForm): EventForm =>
  form === 'json' || form === 'ndjson' ? 'any' : 'cloudevents';

const TAKEN = `${Object.keys(FORMS).join(', ')} and CloudEvents binary mode are taken`;

/** Throws the 415 of a body in none of the forms. */
export function bodyFormOf(headers: RequestHeaders): BodyForm {
  const contentType = headers['content-type'];
  // The one header nearly every request has.
  if (contentType === 'application/json' && headers['ce-specversion'] === undefined) return 'json';
  const binary = headers['ce-specversion'] !== undefined || headers['ce-id'] !== undefined;
  if (typeof contentType !== 'string' || contentType === '') {
    if (binary) return 'cloudevent-binary';
    throw unknown(`The Content-Type is missing: ${TAKEN}.`);
  }
  const match = contentType.length > CONTENT_TYPE_LENGTH_MAX ? null : MEDIA_TYPE.exec(contentType);
  const mediaType = match?.[1]?.toLowerCase() ?? '';
  const charset = CHARSET.exec(match?.[2] ?? '')?.[1]?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') {
    throw unknown(`The charset must be utf-8, not ${charset.slice(0, 40)}.`);
  }
  // A content type of the cloudevents family is structured mode, whatever the other headers say (HTTP binding 1.0,
  // section 3).
  const structured = mediaType.startsWith('application/cloudevents');
  if (binary && !structured) {
    if (mediaType === 'application/json' || mediaType === 'text/json' || mediaType.endsWith('+json'))
      return 'cloudevent-binary';
    throw unknown(`The data of a CloudEvent in binary mode must be application/json, not ${mediaType || 'that'}.`);
  }
  if (!Object.hasOwn(FORMS, mediaType)) throw unknown(`The Content-Type is not one of ours: ${TAKEN}.`);
  return FORMS[mediaType]!;
}
