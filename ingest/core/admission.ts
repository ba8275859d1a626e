// Admits one event: a raw JSON value becomes a `UsageEvent`, or a `Rejection` that says why not. Pure, and the hot path
// of the gateway: no schema library, no exception and no closure on the way of a good event.
//
// What holds of every admitted event: its names are well-formed and bounded, its time is within the accepted span, its
// data is an object of bounded size and depth whose every digit is kept, and every meter of its type can read it.
import { type JsonTexts, jsonTexts, NestingError } from '../../domain/json/canonical-json.ts';
import { nameFault } from '../../domain/name-text.ts';
import { ExactNumber } from '../../domain/number/exact-number.ts';
import { inWords, Rejection } from '../../domain/rejection.ts';
import { spanText } from '../../domain/time/span-text.ts';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import { parseEventTime } from './event-time.ts';
import { type MeterChecks, meterFault } from './meter-checks.ts';

export const TIME_AHEAD_MAX_MS = 5 * 60_000;
export const DATA_DEPTH_MAX = 64;
export const DATA_BYTES_MAX = 256 * 1024;

/**
 * How the events of a body may be written: with the CloudEvents 1.0 attributes, or each as it likes. An event that has
 * a `specversion` is a CloudEvent then, and any other has our own fields.
 */
export type EventForm = 'any' | 'cloudevents';

export interface AdmissionContext {
  readonly tenant: string;
  /** Whose events the key may send; null: of everybody. */
  readonly subjects: readonly string[] | null;
  /** Milliseconds since the epoch: the arrival of the request. */
  readonly now: number;
  /** How far back an event's time may lie, in milliseconds; less than the generation's horizon (`acceptedSpanMs`). */
  readonly horizonMs: number;
  readonly checks: MeterChecks;
}

const NATIVE_FIELDS: ReadonlySet<string> = new Set(['id', 'source', 'type', 'subject', 'time', 'data']);
const JSON_MEDIA_TYPE = /^\s*(?:application\/json|text\/json|[\w.+-]+\/[\w.-]+\+json)\s*(?:;|$)/i;
/** No media type is nearly as long; a pattern over a text without a bound is one without a bound. */
const MEDIA_TYPE_LENGTH_MAX = 256;
const EMPTY_DATA = {};

function requiredName(name: string, value: unknown): Rejection | null {
  if (typeof value === 'string' && value !== '') {
    const fault = nameFault(value);
    return fault === null ? null : new Rejection('invalid_field', `${name} must ${fault}`, name);
  }
  if (value === undefined || value === null) return new Rejection('missing_field', `${name} is missing`, name);
  const fault = value === '' ? 'not be empty' : `be a string, not ${inWords(value)}`;
  return new Rejection('invalid_field', `${name} must ${fault}`, name);
}

function unknownField(event: object): Rejection | null {
  for (const name in event) {
    if (!NATIVE_FIELDS.has(name)) {
      const field = name.slice(0, 64).toWellFormed();
      return new Rejection('unknown_field', `${JSON.stringify(field)} is not a field of an event`, field);
    }
  }
  return null;
}

/** Whether a CloudEvent may say that its data is of this type. */
export const isJsonMediaType = (text: string): boolean =>
  text.length <= MEDIA_TYPE_LENGTH_MAX && JSON_MEDIA_TYPE.test(text);

function cloudEventFault(event: Record<string, unknown>): Rejection | null {
  const { specversion, datacontenttype } = event;
  if (specversion === undefined || specversion === null) {
    return new Rejection('missing_field', 'specversion is missing', 'specversion');
  }
  if (specversion !== '1.0') {
    const message = `specversion must be "1.0", not ${inWords(specversion)}`;
    return new Rejection('unsupported_specversion', message, 'specversion');
  }
  const source = requiredName('source', event.source);
  if (source !== null) return source;
  if (datacontenttype !== undefined && datacontenttype !== null) {
    if (typeof datacontenttype !== 'string' || !isJsonMediaType(datacontenttype)) {
      const message = `datacontenttype must be application/json, not ${inWords(datacontenttype)}`;
      return new Rejection('unsupported_datacontenttype', message, 'datacontenttype');
    }
  }
  if (event.data_base64 !== undefined && event.data_base64 !== null) {
    return new Rejection('invalid_data', 'data_base64 is not taken: data must be a JSON object', 'data_base64');
  }
  return null;
}

/** The client's time in milliseconds since the epoch. */
function readTime(value: unknown, { now, horizonMs }: AdmissionContext): number | Rejection {
  const time = typeof value === 'string' ? parseEventTime(value) : null;
  if (time === null) {
    const message = `time must be an RFC 3339 date-time with an offset, such as "2026-11-20T10:00:00Z", not ${inWords(value)}`;
    return new Rejection('invalid_time', message, 'time');
  }
  if (time < now - horizonMs) {
    return new Rejection('time_too_old', `time is more than ${spanText(horizonMs)} in the past`, 'time');
  }
  if (time > now + TIME_AHEAD_MAX_MS) {
    return new Rejection('time_in_future', 'time is more than 5 minutes in the future', 'time');
  }
  return time;
}

/** The data as it is stored and as it is hashed, or why it is neither. */
function textsOf(data: object, isExact: boolean): JsonTexts | Rejection {
  try {
    return jsonTexts(data, DATA_DEPTH_MAX, isExact);
  } catch (error) {
    if (!(error instanceof NestingError)) throw error;
    return new Rejection('nested_too_deep', `data is ${error.message}`, 'data');
  }
}

const isTooLarge = (text: string): boolean =>
  text.length * 3 > DATA_BYTES_MAX && Buffer.byteLength(text) > DATA_BYTES_MAX;

/**
 * `raw` is a value as `parseExactJson` returns it, or the Rejection it already met. `isExact`: some of its numbers may
 * be such as only the exact parser keeps.
 */
export function admit(
  raw: unknown,
  form: EventForm,
  context: AdmissionContext,
  isExact: boolean,
): UsageEvent | Rejection {
  if (raw instanceof Rejection) return raw;
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw) || raw instanceof ExactNumber) {
    return new Rejection('invalid_event', `an event must be a JSON object, not ${inWords(raw)}`);
  }
  const event = raw as Record<string, unknown>;
  const isCloudEvent = form === 'cloudevents' || Object.hasOwn(event, 'specversion');
  const formFault = isCloudEvent ? cloudEventFault(event) : unknownField(event);
  if (formFault !== null) return formFault;

  const { id, type, subject } = event;
  const nameRejection = requiredName('id', id) ?? requiredName('type', type) ?? requiredName('subject', subject);
  if (nameRejection !== null) return nameRejection;
  if (context.subjects !== null && !context.subjects.includes(subject as string)) {
    return new Rejection('subject_not_allowed', 'this API key sends events of another subject alone', 'subject');
  }
  const source = event.source ?? '';
  if (source !== '') {
    const fault = requiredName('source', source);
    if (fault !== null) return fault;
  }

  const timeGiven = event.time !== undefined && event.time !== null;
  const eventTime = timeGiven ? readTime(event.time, context) : context.now;
  if (typeof eventTime !== 'number') return eventTime;

  const data = event.data ?? EMPTY_DATA;
  if (typeof data !== 'object' || Array.isArray(data) || data instanceof ExactNumber) {
    return new Rejection('invalid_data', `data must be a JSON object, not ${inWords(data)}`, 'data');
  }
  const checks = context.checks.get(type as string);
  if (checks !== undefined) {
    const fault = meterFault(checks, data);
    if (fault !== null) return fault;
  }
  const texts = textsOf(data, isExact);
  if (texts instanceof Rejection) return texts;
  if (isTooLarge(texts.text)) {
    return new Rejection('data_too_large', `data is larger than ${DATA_BYTES_MAX / 1024} KiB of JSON text`, 'data');
  }

  return {
    tenant: context.tenant,
    source: source as string,
    id: id as string,
    type: type as string,
    subject: subject as string,
    eventTime,
    timeGiven,
    receivedAt: context.now,
    data: texts.text,
    dedupKey: dedupKeyOf(context.tenant, source as string, id as string),
    payloadHash: payloadHashOf(type as string, subject as string, timeGiven ? eventTime : null, texts.canonical),
  };
}

/** The id a rejection is reported with; null where the event has none that can be repeated. */
export function reportedId(raw: unknown): string | null {
  if (typeof raw !== 'object' || raw === null || !Object.hasOwn(raw, 'id')) return null;
  const { id } = raw as { id: unknown };
  return typeof id === 'string' ? id.slice(0, 256).toWellFormed() : null;
}
