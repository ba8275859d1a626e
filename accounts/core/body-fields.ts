// Reads the fields of a body. Every one that is wrong is named with the reason, all of them at once; none is guessed at
// or passed over. A field that is null is one that is left out.
import { storedTextFault } from '../../domain/name-text.ts';
import { Problem } from '../../domain/problem.ts';
import { LAST_INSTANT } from '../../domain/requests/parameters.ts';
import { parseRfc3339 } from '../../domain/time/rfc3339.ts';

const SHOWN_LENGTH_MAX = 64;
const FAULTS_SHOWN_MAX = 20;

export interface FieldFault {
  /** `metadata.KEY` within a map. */
  readonly field: string;
  readonly code: 'missing_field' | 'unknown_field' | 'invalid_field';
  readonly message: string;
}

/** The 400 of a body with these faults, of which there is at least one. */
export function invalidFields(faults: readonly FieldFault[]): Problem {
  const shown = faults.slice(0, FAULTS_SHOWN_MAX);
  const more = faults.length - shown.length;
  const detail = `${shown.map(({ message }) => message).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  return new Problem('invalid_field', detail, { members: { faults: shown } });
}

export const invalidField = (field: string, why: string): FieldFault => ({
  field,
  code: 'invalid_field',
  message: `${field} must ${why}`,
});

/** Why a value is refused, in words that follow "must", and at which member of it, where it has some. */
export type RefuseField = (why: string, member?: string) => null;
export type FieldReader<Value> = (given: unknown, refuse: RefuseField) => Value | null;

export const isObject = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === 'object' && given !== null && !Array.isArray(given);

const cut = (name: string): string => (name.length > SHOWN_LENGTH_MAX ? `${name.slice(0, SHOWN_LENGTH_MAX)}…` : name);

export class BodyFields {
  private readonly given: Readonly<Record<string, unknown>>;
  private readonly faults: FieldFault[];
  /** What the name of a field is put behind: `phases[0].`, or nothing. */
  private readonly place: string;

  /** Throws a `Problem` where the body is no object. */
  constructor(body: unknown, known: readonly string[], within?: { readonly place: string; readonly of: BodyFields }) {
    if (!isObject(body)) throw new Problem('malformed_body', 'The body must be a JSON object.');
    this.given = body;
    this.faults = within?.of.faults ?? [];
    this.place = within === undefined ? '' : `${within.place}.`;
    for (const name of Object.keys(body)) {
      if (known.includes(name)) continue;
      const message = `${JSON.stringify(cut(name))} is an unknown field; known are ${known.join(', ')}`;
      this.faults.push({ field: `${this.place}${cut(name)}`, code: 'unknown_field', message });
    }
  }

  /** An object within this one, such as `phases[0]`, whose faults are said with those of this; null: it is none. */
  inner(place: string, given: unknown, known: readonly string[]): BodyFields | null {
    if (isObject(given)) return new BodyFields(given, known, { place, of: this });
    this.refuse(place, 'be an object');
    return null;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.given, name) && this.given[name] !== undefined;
  }

  /** Null: it is left out, or was refused. */
  optional<Value>(name: string, read: FieldReader<Value>): Value | null {
    const given = Object.hasOwn(this.given, name) ? this.given[name] : undefined;
    if (given === undefined || given === null) return null;
    return read(given, (why, member) => {
      this.refuse(cut(member === undefined ? name : `${name}.${member}`), why);
      return null;
    });
  }

  /** Null: it was refused, and `end` throws. */
  required<Value>(name: string, read: FieldReader<Value>): Value | null {
    if (this.given[name] === undefined || this.given[name] === null) {
      const field = `${this.place}${name}`;
      this.faults.push({ field, code: 'missing_field', message: `${field} is missing` });
    }
    return this.optional(name, read);
  }

  /** `why` follows "must". */
  refuse(name: string, why: string): void {
    this.faults.push(invalidField(`${this.place}${name}`, why));
  }

  /** What is wrong in whole words, behind the name of the field. */
  say(name: string, fault: string): void {
    const field = `${this.place}${name}`;
    this.faults.push({ field, code: 'invalid_field', message: `${field}: ${fault}` });
  }

  /** Throws a `Problem` that names all faults, where there are any. */
  end(): void {
    if (this.faults.length > 0) throw invalidFields(this.faults);
  }
}

/** Why a text can't be stored, in words that follow "must"; null: it can. Characters are code points. */
function textFault(text: string, lengthMax: number): string | null {
  if (text === '') return 'not be empty; leave it out instead';
  if (text.length > lengthMax && [...text].length > lengthMax) return `be at most ${lengthMax} characters`;
  return storedTextFault(text);
}

export const flagField: FieldReader<boolean> = (given, refuse) =>
  typeof given === 'boolean' ? given : refuse('be true or false');

export const textField =
  (lengthMax: number): FieldReader<string> =>
  (given, refuse) => {
    if (typeof given !== 'string') return refuse('be a text');
    const fault = textFault(given, lengthMax);
    return fault === null ? given : refuse(fault);
  };

/** A text that fits; `what` follows "be". */
export const textLike =
  (fits: (text: string) => boolean, what: string): FieldReader<string> =>
  (given, refuse) =>
    typeof given === 'string' && fits(given) ? given : refuse(`be ${what}`);

/** Milliseconds since the epoch. */
export const instantField: FieldReader<number> = (given, refuse) => {
  const instant = typeof given === 'string' ? parseRfc3339(given) : null;
  if (instant === null) return refuse('be an RFC 3339 time, such as 2026-11-20T10:00:00Z');
  return instant >= 0 && instant < LAST_INSTANT ? instant : refuse('be between 1970 and 2106');
};

export const oneOfField =
  <const Word extends string>(words: readonly Word[]): FieldReader<Word> =>
  (given, refuse) =>
    words.find((word) => word === given) ?? refuse(`be one of ${words.join(', ')}`);

/** An object whose members are read each by itself; an unknown one is refused. */
export const objectField =
  <Member extends string>(members: Readonly<Record<Member, FieldReader<string>>>) =>
  (given: unknown, refuse: RefuseField): Readonly<Record<Member, string | null>> | null => {
    if (!isObject(given)) return refuse('be an object');
    for (const name of Object.keys(given)) {
      if (!Object.hasOwn(members, name)) return refuse(`be one of ${Object.keys(members).join(', ')}`, name);
    }
    const read: Record<string, string | null> = {};
    for (const [name, reader] of Object.entries<FieldReader<string>>(members)) {
      const value = Object.hasOwn(given, name) ? given[name] : undefined;
      read[name] = value === undefined || value === null ? null : reader(value, (why) => refuse(why, name));
    }
    return read as Record<Member, string | null>;
  };

/** A map of texts by names of the caller's. */
export const mapField =
  (limits: { readonly entriesMax: number; readonly keyLengthMax: number; readonly valueLengthMax: number }) =>
  (given: unknown, refuse: RefuseField): Readonly<Record<string, string>> | null => {
    if (!isObject(given)) return refuse('be an object of texts');
    const entries = Object.entries(given);
    if (entries.length > limits.entriesMax) return refuse(`have at most ${limits.entriesMax} members`);
    for (const [key, value] of entries) {
      const keyFault = textFault(key, limits.keyLengthMax);
      if (keyFault !== null) refuse(`have a name that must ${keyFault}`, key);
      else textField(limits.valueLengthMax)(value, (why) => refuse(why, key));
    }
    return Object.fromEntries(entries) as Record<string, string>;
  };
