// CloudEvents binary mode (HTTP binding 1.0, section 3.1): attributes are headers named "ce-…", percent-encoded where they
// hold more than printable ASCII, and the body is the data.
import type { RequestHeaders } from './body-form.ts';
import { Rejection } from './rejection.ts';

const PRINTABLE_ASCII = /^[\x20-\x7e\t]*$/;
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/;

/** The attribute in a header value, or why it has none. */
function attributeOf(name: string, value: string): string | Rejection {
  if (!PRINTABLE_ASCII.test(value)) {
    return new Rejection('invalid_field', `the header ce-${name} must be percent-encoded where it is not ASCII`, name);
  }
  const unquoted = QUOTED.exec(value)?.[1]?.replace(/\\(.)/g, '$1') ?? value;
  if (!unquoted.includes('%')) return unquoted;
  try {
    return decodeURIComponent(unquoted);
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
