// Why one event of a request was not accepted. The set of codes is closed and documented in docs/use/sending-events.md.
import { ExactNumber } from './number/exact-number.ts';

export type RejectionCode =
  | 'malformed_line'
  | 'invalid_event'
  | 'missing_field'
  | 'invalid_field'
  | 'unknown_field'
  | 'unsupported_specversion'
  | 'unsupported_datacontenttype'
  | 'subject_not_allowed'
  | 'invalid_time'
  | 'time_too_old'
  | 'time_in_future'
  | 'invalid_data'
  | 'data_too_large'
  | 'nested_too_deep'
  | 'too_many_values'
  | 'invalid_value'
  | 'missing_value'
  | 'invalid_group';

export class Rejection {
  readonly code: RejectionCode;
  /** For a person to read: what is wrong, and with which value. */
  readonly message: string;
  /** Where: "subject", "data.input_tokens"; null where it is the event as a whole. */
  readonly field: string | null;

  constructor(code: RejectionCode, message: string, field: string | null = null) {
    this.code = code;
    this.message = message;
    this.field = field;
  }
}

/** As much of a text as an error message may repeat. */
const excerpt = (text: string): string =>
  text.length > 40 ? `${text.slice(0, 40).toWellFormed()}…` : text.toWellFormed();

/** A value in words, short whatever was sent. */
export function inWords(value: unknown): string {
  if (typeof value === 'string') return `the string ${JSON.stringify(excerpt(value))}`;
  if (Array.isArray(value)) return 'an array';
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'object') return `${typeof value} ${excerpt(String(value))}`;
  // Any other object is only named: what its members say of it, its client wrote.
  return value instanceof ExactNumber ? `number ${excerpt(value.text)}` : 'an object';
}
