// Headers that mean one thing, sent twice. Node keeps the first of some and joins others with ", ", and a proxy before
// it may read the other one: who is asking, which event it is or how it is packed would then depend on who looks.

const SINGLE: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'content-type',
  'content-encoding',
  'content-length',
  'expect',
  'if-match',
  'idempotency-key',
  'x-request-id',
]);

/** Attributes of a CloudEvent among them. */
const isSingle = (name: string): boolean => SINGLE.has(name) || name.startsWith('ce-');

/** The name of a header that must be sent once and was sent more often, in lower case; else null. */
export function repeatedHeader(
  headers: Readonly<Record<string, unknown>>,
  rawHeaders: readonly string[],
): string | null {
  // Nearly every request has no header twice, and one comparison tells.
  if (Object.keys(headers).length * 2 === rawHeaders.length) return null;
  const seen = new Set<string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (seen.has(name) && isSingle(name)) return name;
    seen.add(name);
  }
  return null;
}
