// Admits an event from its bytes, in one pass and without building anything that the event does not keep. It knows the
// event that nearly every client sends: ASCII, our own fields or those of a CloudEvent, data without objects in it,
// numbers as JSON.stringify writes them. Where an event is anything else, or might be rejected, it says so and `admit`
// decides: so there is nothing that only this pass accepts, and no message that it writes. fast-admission.test.ts holds
// it equal to `admit`.
//
//   {"id": … , "type": … , "subject": … , "time": … , "data": {"key": value, …}}
//    fields: where each string is in the body          members: where each key and value of the data is
//
// A CloudEvent has a specversion, which may stand behind everything else; its extensions are passed over.

import { type Shape, shapeOf } from '../../domain/json/canonical-json.ts';
import type { JsonPath } from '../../domain/json/json-path.ts';
import type { Addend, Condition } from '../../domain/metering/meter.ts';
import { NAME_LENGTH_MAX } from '../../domain/name-text.ts';
import { QUANTITY_FRACTION_DIGITS, QUANTITY_INTEGER_DIGITS } from '../../domain/number/quantity.ts';
import { dedupKeyOf, payloadHashOf, type UsageEvent } from '../../domain/usage-event.ts';
import {
  type AdmissionContext,
  DATA_BYTES_MAX,
  type EventForm,
  isJsonMediaType,
  TIME_AHEAD_MAX_MS,
} from './admission.ts';
import { EVENT_BYTES_MAX } from './event-scanner.ts';
import { parseEventTime } from './event-time.ts';
import type { MeterCheck } from './meter-checks.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/** Behind the last byte. */
const END = -1;

// Kinds of values.
const NONE = 0;
const STRING = 1;
const INTEGER = 2;
const DECIMAL = 3;
const BOOLEAN = 4;
const NULL = 5;

/** Digits that a double gives back, whatever they are. */
const DIGITS_MAX = 15;
/** A fraction with more zeros in front is printed with an exponent. */
const LEADING_ZEROS_MAX = 5;
const MEMBERS_MAX = 64;
const EXTENSIONS_MAX = 64;
const WORDS: readonly (readonly [string, number])[] = [
  ['true', BOOLEAN],
  ['false', BOOLEAN],
  ['null', NULL],
];

const FIELDS = ['id', 'source', 'type', 'subject', 'time', 'specversion', 'datacontenttype'].map((name) =>
  Buffer.from(name),
);
const DATA = Buffer.from('data');
/** Of a CloudEvent that is not taken, unless it is null. */
const DATA_BASE64 = Buffer.from('data_base64');
const ID = 0;
const SOURCE = 1;
const TYPE = 2;
const SUBJECT = 3;
const TIME = 4;
const SPECVERSION = 5;
const DATACONTENTTYPE = 6;
const VERSION = '1.0';
const JSON_DATA = 'application/json';
const ABSENT = -1;

/** Of the checks of an event type: where a shape has what each of them reads. */
interface Places {
  readonly checks: readonly MeterCheck[];
  readonly values: readonly number[];
  /** Of the paths of a sum, and of those of a filter. */
  readonly addends: readonly (readonly number[])[];
  readonly where: readonly (readonly number[])[];
  readonly groups: readonly (readonly number[])[];
}
/** A path into an object or array in the data, or to all of its members. */
const ELSEWHERE = -2;

const EMPTY = shapeOf([]);
const NO_BODY = Buffer.alloc(0);

export class FastAdmission {
  private bytes: Buffer = NO_BODY;
  private text = '';
  private end = 0;
  /** Behind what was passed. */
  at = 0;
  // Where each field's text is; ABSENT where the event has none.
  private readonly starts = new Int32Array(FIELDS.length);
  private readonly ends = new Int32Array(FIELDS.length);
  /** Fields of none of these names. */
  private extensions = 0;
  // The data: from its brace to behind the other, and its members.
  private dataStart = ABSENT;
  private dataEnd = 0;
  private isSpaced = false;
  private members = 0;
  private readonly keyStarts = new Int32Array(MEMBERS_MAX);
  private readonly keyEnds = new Int32Array(MEMBERS_MAX);
  private readonly valueStarts = new Int32Array(MEMBERS_MAX);
  private readonly valueEnds = new Int32Array(MEMBERS_MAX);
  private readonly kinds = new Uint8Array(MEMBERS_MAX);
  private shape: Shape = EMPTY;
  private readonly places = new WeakMap<Shape, Places>();

  /**
   * The event that begins at `at`, of which nothing stands at `end` or behind; null: the plain rules are to say what it
   * is. `text` is the same as `bytes`, each of which is ASCII. `this.at` is behind the event then.
   */
  take(
    bytes: Buffer,
    text: string,
    at: number,
    end: number,
    form: EventForm,
    context: AdmissionContext,
  ): UsageEvent | null {
    this.bytes = bytes;
    this.text = text;
    this.at = at;
    // One that is longer is too much to be read.
    this.end = Math.min(end, at + EVENT_BYTES_MAX);
    const event = this.event() && this.isInForm(form) ? this.admit(context) : null;
    this.bytes = NO_BODY;
    this.text = '';
    return event;
  }

  /** Passes white space over; the next byte, or END. */
  private next(): number {
    const { bytes, end } = this;
    for (let { at } = this; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === SPACE || byte === NEWLINE || byte === CARRIAGE_RETURN || byte === TAB) continue;
      this.at = at;
      return byte;
    }
    this.at = end;
    return END;
  }

  /** Passes a string without escapes, from its opening quote. */
  private string(): boolean {
    const { bytes, end } = this;
    for (let at = this.at + 1; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) {
        this.at = at + 1;
        return true;
      }
      if (byte === BACKSLASH || byte < SPACE) return false;
    }
    return false;
  }

  /** Passes a number as JSON.stringify writes it; what kind it is, or NONE. */
  private number(): number {
    const { bytes } = this;
    const isNegative = bytes[this.at] === MINUS;
    const start = isNegative ? this.at + 1 : this.at;
    let at = start;
    while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
    const digits = at - start;
    const isZero = bytes[start] === ZERO;
    if (digits === 0 || digits > DIGITS_MAX || (isZero && digits > 1)) return NONE;
    if (bytes[at] !== DOT) {
      this.at = at;
      return isZero && isNegative ? NONE : INTEGER;
    }
    const fraction = ++at;
    while (bytes[at]! >= ZERO && bytes[at]! <= NINE) at++;
    const places = at - fraction;
    if (places === 0 || digits + places > DIGITS_MAX || places > QUANTITY_FRACTION_DIGITS) return NONE;
    if (bytes[at - 1] === ZERO) return NONE;
    if (isZero) {
      let zeros = 0;
      while (bytes[fraction + zeros] === ZERO) zeros++;
      if (zeros > LEADING_ZEROS_MAX) return NONE;
    }
    this.at = at;
    return DECIMAL;
  }

  /** Passes one event, and finds its fields. */
  private event(): boolean {
    const { bytes, starts, ends } = this;
    starts.fill(ABSENT);
    this.dataStart = ABSENT;
    this.members = 0;
    this.extensions = 0;
    if (this.next() !== BRACE_OPEN) return false;
    this.at++;
    for (;;) {
      if (this.next() !== QUOTE) return false;
      const start = this.at + 1;
      if (!this.string()) return false;
      const length = this.at - 1 - start;
      if (this.next() !== COLON) return false;
      this.at++;
      const byte = this.next();
      if (isAt(bytes, start, length, DATA)) {
        if (byte !== BRACE_OPEN || this.dataStart !== ABSENT || !this.data()) return false;
      } else {
        const field = fieldOf(bytes, start, length);
        if (field === ABSENT) {
          if (isAt(bytes, start, length, DATA_BASE64) || this.value(byte) === NONE) return false;
          if (++this.extensions > EXTENSIONS_MAX) return false;
        } else {
          if (starts[field] !== ABSENT || byte !== QUOTE) return false;
          starts[field] = this.at + 1;
          if (!this.string()) return false;
          ends[field] = this.at - 1;
        }
      }
      const behind = this.next();
      this.at++;
      if (behind === BRACE_CLOSE) return true;
      if (behind !== COMMA) return false;
    }
  }

  /** Passes the data, and finds its members. */
  private data(): boolean {
    this.dataStart = this.at++;
    // What it takes without white space: each member with a colon, and a comma or the last brace behind it.
    let bytesLeast = 1;
    let byte = this.next();
    if (byte === BRACE_CLOSE) {
      this.at++;
      return this.endData(bytesLeast + 1);
    }
    for (;;) {
      const member = this.members;
      if (byte !== QUOTE || member === MEMBERS_MAX) return false;
      this.keyStarts[member] = this.at + 1;
      if (!this.string()) return false;
      this.keyEnds[member] = this.at - 1;
      bytesLeast += this.at - this.keyStarts[member]! + 1;
      if (this.next() !== COLON) return false;
      this.at++;
      byte = this.next();
      this.valueStarts[member] = this.at;
      const kind = this.value(byte);
      if (kind === NONE) return false;
      this.valueEnds[member] = this.at;
      bytesLeast += this.at - this.valueStarts[member]! + 2;
      this.kinds[member] = kind;
      this.members++;
      byte = this.next();
      this.at++;
      if (byte === BRACE_CLOSE) return this.endData(bytesLeast);
      if (byte !== COMMA) return false;
      byte = this.next();
    }
  }

  private endData(bytesLeast: number): boolean {
    this.dataEnd = this.at;
    this.isSpaced = this.dataEnd - this.dataStart > bytesLeast;
    return true;
  }

  /** Passes a value that begins with this byte; its kind, or NONE. */
  private value(byte: number): number {
    if (byte === QUOTE) return this.string() ? STRING : NONE;
    if (byte === MINUS || (byte >= ZERO && byte <= NINE)) return this.number();
    for (const [word, kind] of WORDS) {
      if (!this.text.startsWith(word, this.at)) continue;
      this.at += word.length;
      return kind;
    }
    return NONE;
  }

  /** Whether its fields are those of its form: as `unknownField` and `cloudEventFault`, for what is certain. */
  private isInForm(form: EventForm): boolean {
    const { starts } = this;
    if (starts[SPECVERSION] === ABSENT) {
      return form === 'any' && this.extensions === 0 && starts[DATACONTENTTYPE] === ABSENT;
    }
    if (!this.isText(SPECVERSION, VERSION) || !this.isName(SOURCE)) return false;
    if (starts[DATACONTENTTYPE] === ABSENT || this.isText(DATACONTENTTYPE, JSON_DATA)) return true;
    return isJsonMediaType(this.name(DATACONTENTTYPE));
  }

  private isText(field: number, text: string): boolean {
    const start = this.starts[field]!;
    return this.ends[field]! - start === text.length && this.text.startsWith(text, start);
  }

  private name(field: number): string {
    return this.text.slice(this.starts[field], this.ends[field]);
  }

  /** Whether a name may be one: it is ASCII without control characters. */
  private isName(field: number): boolean {
    const length = this.ends[field]! - this.starts[field]!;
    return this.starts[field] !== ABSENT && length > 0 && length <= NAME_LENGTH_MAX;
  }

  /** The event that was passed; null where `admit` is to say what it is. */
  private admit({ tenant, subjects, now, horizonMs, checks }: AdmissionContext): UsageEvent | null {
    const { starts, ends } = this;
    if (!this.isName(ID) || !this.isName(TYPE) || !this.isName(SUBJECT)) return null;
    const subject = this.name(SUBJECT);
    if (subjects !== null && !subjects.includes(subject)) return null;
    const hasSource = starts[SOURCE] !== ABSENT && ends[SOURCE] !== starts[SOURCE];
    if (hasSource && !this.isName(SOURCE)) return null;
    const timeGiven = starts[TIME] !== ABSENT;
    const eventTime = timeGiven ? parseEventTime(this.name(TIME)) : now;
    if (eventTime === null || eventTime < now - horizonMs || eventTime > now + TIME_AHEAD_MAX_MS) return null;
    if (!this.findShape()) return null;
    const type = this.name(TYPE);
    const checksOfType = checks.get(type);
    if (checksOfType !== undefined && !this.canBeMetered(checksOfType)) return null;
    if (this.dataEnd - this.dataStart > DATA_BYTES_MAX) return null;

    const id = this.name(ID);
    const source = hasSource ? this.name(SOURCE) : '';
    return {
      tenant,
      source,
      id,
      type,
      subject,
      eventTime,
      timeGiven,
      receivedAt: now,
      data: this.dataText(),
      dedupKey: dedupKeyOf(tenant, source, id),
      payloadHash: payloadHashOf(type, subject, timeGiven ? eventTime : null, this.canonical()),
    };
  }

  /** Finds the shape of the data; false where its keys are not as an object would have them. */
  private findShape(): boolean {
    const { text, members, keyStarts, keyEnds } = this;
    if (this.dataStart === ABSENT) {
      this.shape = EMPTY;
      return true;
    }
    const { keys } = this.shape;
    let isSame = keys.length === members;
    for (let i = 0; isSame && i < members; i++) {
      const start = keyStarts[i]!;
      isSame = keys[i]!.length === keyEnds[i]! - start && text.startsWith(keys[i]!, start);
    }
    if (isSame) return true;
    const found: string[] = [];
    for (let i = 0; i < members; i++) {
      const first = this.bytes[keyStarts[i]!]!;
      // An object puts keys that are numbers before the others.
      if (first >= ZERO && first <= NINE) return false;
      found.push(text.slice(keyStarts[i], keyEnds[i]));
    }
    if (new Set(found).size < members) return false;
    this.shape = shapeOf(found);
    return true;
  }

  private placesOf(checks: readonly MeterCheck[]): Places {
    const known = this.places.get(this.shape);
    if (known?.checks === checks) return known;
    const { keys } = this.shape;
    const placeOf = (path: JsonPath): number =>
      path.length === 1 && typeof path[0] === 'string' ? keys.indexOf(path[0]) : ELSEWHERE;
    const places: Places = {
      checks,
      values: checks.map(({ valuePath }) => (valuePath === null ? ABSENT : placeOf(valuePath))),
      addends: checks.map(({ addends }) => (addends ?? []).map(({ path }) => placeOf(path))),
      where: checks.map(({ where }) => (where ?? []).map(({ path }) => placeOf(path))),
      groups: checks.map(({ groups }) => groups.map(({ path }) => placeOf(path))),
    };
    this.places.set(this.shape, places);
    return places;
  }

  private kindAt(place: number): number {
    return place === ABSENT ? NULL : this.kinds[place]!;
  }

  /** As `meterFault`, for what is certain. */
  private canBeMetered(checks: readonly MeterCheck[]): boolean {
    const { values, addends, where, groups } = this.placesOf(checks);
    for (let i = 0; i < checks.length; i++) {
      const check = checks[i]!;
      const { meter, valuePath, reads } = check;
      if (check.where !== null) {
        const passes = this.passes(check.where, where[i]!);
        if (passes === null) return false;
        if (!passes) continue;
      }
      if (check.addends !== null) {
        const isThere = this.isSum(check, check.addends, addends[i]!);
        if (isThere === null || (!isThere && meter.required)) return false;
        if (!isThere) continue;
      }
      if (valuePath !== null) {
        const place = values[i]!;
        if (place === ELSEWHERE) return false;
        const kind = this.kindAt(place);
        if (kind === NULL) {
          if (meter.required) return false;
          continue;
        }
        if (reads === 'quantity' && kind !== INTEGER && kind !== DECIMAL && !this.isDigits(place)) return false;
      }
      for (const place of groups[i]!) {
        if (place === ELSEWHERE) return false;
        if (this.kindAt(place) !== STRING) continue;
        // With its quotes.
        if (this.valueEnds[place]! - this.valueStarts[place]! - 2 > NAME_LENGTH_MAX) return false;
      }
    }
    return true;
  }

  /** As `passesFilter`, for what is certain; null where it is not. */
  private passes(where: readonly Condition[], places: readonly number[]): boolean | null {
    for (let i = 0; i < where.length; i++) {
      const place = places[i]!;
      if (place === ELSEWHERE) return null;
      const { values, isNot } = where[i]!;
      if (values.includes(this.scalarText(place)) === isNot) return false;
    }
    return true;
  }

  /** The text of a value as a group; "" where it is missing or null. */
  private scalarText(place: number): string {
    const kind = this.kindAt(place);
    if (kind === NULL) return '';
    const quotes = kind === STRING ? 1 : 0;
    return this.text.slice(this.valueStarts[place]! + quotes, this.valueEnds[place]! - quotes);
  }

  /** Whether the values of a sum are there and are one, where that is certain; null where it is not. */
  private isSum({ meter, rules }: MeterCheck, addends: readonly Addend[], places: readonly number[]): boolean | null {
    let isThere = false;
    for (let i = 0; i < addends.length; i++) {
      const place = places[i]!;
      if (place === ELSEWHERE) return null;
      const kind = this.kindAt(place);
      if (kind === NULL) continue;
      // Times a constant, numbers of so few digits come to few enough before the point, and perhaps to too many behind.
      if (kind !== INTEGER && kind !== DECIMAL) return null;
      const { factor } = addends[i]!;
      if (!rules.rounds(meter) && factor.includes('.')) return null;
      isThere ||= !factor.startsWith('-');
    }
    return isThere;
  }

  /** Whether a value is a string of so few digits that it is a quantity. */
  private isDigits(place: number): boolean {
    if (this.kinds[place] !== STRING) return false;
    const start = this.valueStarts[place]! + 1;
    const end = this.valueEnds[place]! - 1;
    if (end === start || end - start > QUANTITY_INTEGER_DIGITS) return false;
    for (let at = start; at < end; at++) if (this.bytes[at]! < ZERO || this.bytes[at]! > NINE) return false;
    return true;
  }

  private member(i: number): string {
    const { text, valueStarts, valueEnds } = this;
    if (this.isSpaced) return this.shape.prefixes[i]! + text.slice(valueStarts[i], valueEnds[i]);
    return text.slice(this.keyStarts[i]! - 1, valueEnds[i]);
  }

  /** As JSON.stringify writes it. */
  private dataText(): string {
    if (this.dataStart === ABSENT) return '{}';
    if (!this.isSpaced) return this.text.slice(this.dataStart, this.dataEnd);
    let text = '{';
    for (let i = 0; i < this.members; i++) text += (i === 0 ? '' : ',') + this.member(i);
    return `${text}}`;
  }

  private canonical(): string {
    const { sorted } = this.shape;
    if (sorted === null) return this.dataText();
    let text = '{';
    for (let i = 0; i < sorted.length; i++) text += (i === 0 ? '' : ',') + this.member(sorted[i]!);
    return `${text}}`;
  }
}

/** Which field a key of an event names; ABSENT: none, or `data`. */
function fieldOf(bytes: Uint8Array, start: number, length: number): number {
  for (let field = 0; field < FIELDS.length; field++) if (isAt(bytes, start, length, FIELDS[field]!)) return field;
  return ABSENT;
}

function isAt(bytes: Uint8Array, start: number, length: number, name: Uint8Array): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== name[i]) return false;
  return true;
}
