// What becomes of the events of one body, one after the other: those that are accepted, and the entries of the
// `rejected` list. An ordinary event is admitted from its bytes; any other is read and admitted by the plain rules, if
// it is not too much to read.

import { parseExactJson } from '../../domain/json/exact-json.ts';
import { Rejection, type RejectionCode } from '../../domain/rejection.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { type AdmissionContext, admit, type EventForm, reportedId } from './admission.ts';
import { binaryModeEvent } from './binary-mode.ts';
import { type BodyForm, eventFormOf, type RequestHeaders } from './body-form.ts';
import type { EventScanner } from './event-scanner.ts';
import { FastAdmission } from './fast-admission.ts';
import { type RefusedExample, refusedExample } from './refused-event.ts';

/** A client writes its events alike: after so many in a row that were not ordinary, no other of the body is tried. */
const MISSES_MAX = 4;
const BRACKET_OPEN = 0x5b;
/** Stands for any array: what it holds does not matter, as it is no event. */
const ARRAY: readonly unknown[] = [];

/** One entry of the `rejected` list. */
export interface RejectedEntry {
  /** The event's place in the request, from 0; blank lines of NDJSON do not count. */
  readonly index: number;
  /** Null also where the event was too much to read. */
  readonly id: string | null;
  readonly code: RejectionCode;
  readonly message: string;
  readonly field: string | null;
}

export interface Admitted {
  readonly accepted: UsageEvent[];
  readonly rejected: RejectedEntry[];
}

export interface Decided extends Admitted {
  /** One of each code, and of few codes. */
  readonly examples: readonly RefusedExample[];
}

/** Of one body. */
const EXAMPLES_MAX = 4;

// It keeps nothing from one event to the next but shapes of objects, so the bodies that are under way share it.
const fastAdmission = new FastAdmission();

export class BodyDecisions {
  private readonly accepted: UsageEvent[] = [];
  private readonly rejected: RejectedEntry[] = [];
  private readonly examples: RefusedExample[] = [];
  private readonly form: BodyForm;
  private readonly eventForm: EventForm;
  private readonly headers: RequestHeaders;
  private readonly bytes: Buffer;
  private readonly context: AdmissionContext;
  /** The body as text, where each of its bytes is a character; else null. */
  private readonly text: string | null;
  private misses = 0;

  constructor(form: BodyForm, headers: RequestHeaders, bytes: Buffer, text: string | null, context: AdmissionContext) {
    this.form = form;
    this.eventForm = eventFormOf(form);
    this.headers = headers;
    this.bytes = bytes;
    this.text = text;
    this.context = context;
    if (text === null || form === 'cloudevent-binary') this.misses = MISSES_MAX;
  }

  /** How many events are decided. */
  get count(): number {
    return this.accepted.length + this.rejected.length;
  }

  /** Without what they were decided from: they wait for the log much longer than for this. */
  outcome(): Decided {
    return { accepted: this.accepted, rejected: this.rejected, examples: this.examples };
  }

  /**
   * Accepts the ordinary event that begins at `at`, and ends at `end` if it `mustEnd` there; the place behind it, or
   * null.
   */
  takeOrdinary(at: number, end: number, mustEnd = false): number | null {
    if (this.misses === MISSES_MAX) return null;
    const event = fastAdmission.take(this.bytes, this.text!, at, end, this.eventForm, this.context);
    if (event === null || (mustEnd && fastAdmission.at < end)) {
      this.misses++;
      return null;
    }
    this.misses = 0;
    this.accepted.push(event);
    return fastAdmission.at;
  }

  /** The event between `start` and the scanner's place, in which it found no fault. */
  decide(start: number, scanner: EventScanner): void {
    if (this.form !== 'cloudevent-binary' && this.bytes[start] === BRACKET_OPEN) this.admit(ARRAY, false);
    else this.admit(scanner.excess() ?? this.read(start, scanner.at, scanner.isExact), scanner.isExact);
  }

  /** CloudEvents in binary mode with an empty body: the event has no data. */
  decideWithoutBody(): Decided {
    this.admit(binaryModeEvent(this.headers, undefined), false);
    return this.outcome();
  }

  /** A line that is no JSON; why, in words. */
  rejectLine(reason: string): void {
    this.admit(new Rejection('malformed_line', `the line is not JSON: ${reason}`), false);
  }

  private read(start: number, end: number, isExact: boolean): unknown {
    const text = this.text === null ? this.bytes.toString('utf8', start, end) : this.text.slice(start, end);
    const value = parseExactJson(text, isExact);
    return this.form === 'cloudevent-binary' ? binaryModeEvent(this.headers, value) : value;
  }

  private admit(raw: unknown, isExact: boolean): void {
    const decided = admit(raw, this.eventForm, this.context, isExact);
    if (!(decided instanceof Rejection)) this.accepted.push(decided);
    else {
      const { code, message, field } = decided;
      this.rejected.push({ index: this.count, id: reportedId(raw), code, message, field });
      if (this.examples.length < EXAMPLES_MAX && !this.examples.some((each) => each.code === code)) {
        this.examples.push(refusedExample(raw, decided));
      }
    }
  }
}
