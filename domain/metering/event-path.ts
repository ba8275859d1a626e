// How a catalog names a place in an event's data: `data.usage.model` is ["usage", "model"]. A text that is no path is
// refused, as it would name a key that no event has, and count nothing without a word. A minus without spaces is part
// of a key (`data.meta-data.tokens`); any other operator makes an expression, which is none.

const KEYS_MAX = 16;

/** A character of a key. Brackets and quotes are kept for array elements and quoted keys. */
const CHARACTER = '[^.\\p{Cc}\\p{Cs}\\s()\\[\\]{}\'"`*+%=<>,;|&!?^~\\\\\\u00d7\\u00f7\\u2212]';
/** A word of a key of several: it has no operator at its ends. */
const WORD = `[\\p{L}\\p{N}_](${CHARACTER}*[\\p{L}\\p{M}\\p{N}_])?`;
/** What stands after an operator: another path, or a number to divide by. */
const OPERAND = '[^.]*( data|/data|/[0-9]+)(\\.|$)';
const KEY = `(?!__proto__(\\.|$))(?!${OPERAND})(${WORD}( ${WORD})+|${CHARACTER}+)`;

/** Of a whole path, for JSON Schema. */
export const eventPathPattern = `^data(\\.${KEY}){1,${KEYS_MAX}}$`;

const PATH = new RegExp(eventPathPattern, 'u');
const QUOTED_OR_INDEXED = /[[\]'"`]/;

type EventPathReading =
  | { readonly ok: true; readonly path: readonly string[] }
  /** `hint`: what to do instead, or "". */
  | { readonly ok: false; readonly reason: 'no_path'; readonly hint: string }
  | { readonly ok: false; readonly reason: 'refused'; readonly message: string };

export function readEventPath(text: string): EventPathReading {
  const [root, ...path] = text.split('.');
  const noPath = (hint: string): EventPathReading => ({ ok: false, reason: 'no_path', hint });
  if (path.length > KEYS_MAX) return { ok: false, reason: 'refused', message: `is deeper than ${KEYS_MAX} keys` };
  if (path.includes('__proto__')) return { ok: false, reason: 'refused', message: 'must not name __proto__' };
  if (PATH.test(text)) return { ok: true, path };
  if (QUOTED_OR_INDEXED.test(text)) return noPath(' (elements of arrays and keys in quotes have no path yet)');
  if (!/^\W*data\W*$/.test(root!) || path.length === 0 || path.includes('')) return noPath('');
  return noPath(' (operators have no meaning in it, arithmetic comes later: send the result as a property of its own)');
}
