// CloudEvents binary mode (HTTP binding 1.0, section 3.1): attributes are headers named "ce-…", percent-encoded where
// they hold more than printable ASCII, and the body is the data.

import { Rejection } from '../../domain/rejection.ts';
import type { RequestHeaders } from './body-form.ts';

const NOT_PRINTABLE_ASCII = /[^\x20-\x7e\t]/;
const QUOTE = '"';
const BACKSLASH = '\\';

/** What a quoted string holds (RFC 9110, section 5.6.4); the text itself where it is none. */
function unquoted(text: string): string {
  if (text.length < 2 || !text.startsWith(QUOTE)) return text;
  let held = '';
  for (let at = 1; at < text.length - 1; at++) {
    if (text[at] === QUOTE) return text;
    if (text[at] === BACKSLASH && ++at === text.length - 1) return text;
    held += text[at];
  }
  return text.endsWith(QUOTE) ? held : text;
}

/** The attribute in a header value, or why it has none. */
function attributeOf(name: string, value: string): string | Rejection {
  if (NOT_PRINTABLE_ASCII.test(value)) {
    return new Rejection('invalid_field', `the header ce-${name} must be percent-encoded where it is not ASCII`, name);
  }
  const text = unquoted(value);
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return new Rejection('invalid_field', `the header ce-${name} is not percent-encoded UTF-8; a bare % is %25`, name);
  }
}

/** The event as structured mode would write it. `data`: undefined for an empty body. */
export function binaryModeEvent(headers: RequestHeaders, data: unknown): Record<string, unknown> | Rejection {
  const event: Record<string, unknown> = {};
  for (const header in headers) {
    const value = headers[header];
    if (!header.startsWith('ce-') || typeof value !== 'string') continue;
    const name = header.slice(3);
    // The body is the data: no header may stand in for it, nor name a prototype.
    if (name === 'data' || name === 'data_base64' || name === '__proto__') continue;
    const attribute = attributeOf(name, value);
    if (attribute instanceof Rejection) return attribute;
    event[name] = attribute;
  }
  if (data !== undefined) event.data = data;
  return event;
}
