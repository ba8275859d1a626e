// How a catalog names a place in an event's data: `data.usage.model` is ["usage", "model"]. It is the JSONPath of RFC
// 9535, with `data` for `$`, and of its selectors the name, the index and the wildcard. A text that is no path is
// refused, as it would name a key that no event has, and count nothing without a word. A minus without spaces is part
// of a key (`data.meta-data.tokens`); any other operator makes an expression, which is none: value-expression.ts.
import { type JsonPath, WILDCARD } from '../json/json-path.ts';

const SEGMENTS_MAX = 16;

/** A character of a key without quotes. */
const CHARACTER = '[^.\\p{Cc}\\p{Cs}\\s()\\[\\]{}\'"`*+%=<>,;|&!?^~\\\\\\u00d7\\u00f7\\u2212]';
/** A word of a key of several: it has no operator at its ends. */
const WORD = `[\\p{L}\\p{N}_](${CHARACTER}*[\\p{L}\\p{M}\\p{N}_])?`;
/** An operator of an expression, which ends a path in it. */
const OPERATOR = ' [-+*] ';

/** A key without quotes. `end`: what may stand behind it, which looks at the text and takes nothing of it. */
function plainKey(end: string): string {
  // After an operator that is none here stands another path, or a number to divide by.
  const operand = `((?!${OPERATOR})[^.[])*( data|/data|/[0-9]+)(${end})`;
  return `(?!__proto__(${end}))(?!${operand})(${WORD}( ${WORD})+|${CHARACTER}+)`;
}

/** In quotes a key has any characters that a catalog's texts may have; a quote or backslash has one in front. */
const quotedKey = (quote: string): string =>
  `${quote}(?!__proto__${quote})([^${quote}\\\\\\p{Cc}\\p{Cs}]|\\\\[${quote}\\\\])+${quote}`;
const INDEX = '(0|-?[1-9][0-9]{0,8})';
const IN_BRACKETS = `${INDEX}|${quotedKey('"')}|${quotedKey("'")}`;
const singular = (end: string): string => `\\.${plainKey(end)}|\\[(${IN_BRACKETS})\\]`;

/** `data` is an object, so no element of it can be named. */
const path = (segment: string): string => `data(?!\\[-?[0-9])(${segment}){1,${SEGMENTS_MAX}}`;

const END = '\\.|\\[|$';
const END_IN_EXPRESSION = `${END}|${OPERATOR}`;

/** Of a whole path, for JSON Schema. */
export const eventPathPattern = `^${path(`${singular(END)}|\\[\\*\\]`)}$`;
/** Of one that names one value at most. */
export const singularPathPattern = `^${path(singular(END))}$`;
/** Of a path within an expression, without its ends. */
export const expressionPathPattern = path(`${singular(END_IN_EXPRESSION)}|\\[\\*\\]`);
/** Of one that names one value at most. */
export const singularExpressionPathPattern = path(singular(END_IN_EXPRESSION));

const PATH = new RegExp(eventPathPattern, 'u');
const PLAIN_KEY = new RegExp(`^${plainKey(END)}$`, 'u');
const BRACKETS = new RegExp(`\\[(${IN_BRACKETS}|\\*)\\]`, 'gu');

/** The text with a letter for each character in brackets: what is left may be an operator. */
export const withoutBrackets = (text: string): string =>
  text.replaceAll(BRACKETS, (bracket) => '_'.repeat(bracket.length));

/** The segments of a text that is a path, and what each of them names. */
const SEGMENTS =
  /\.(?<key>[^.[]+)|\[(?:(?<index>-?\d+)|(?<wildcard>\*)|"(?<double>(?:\\.|[^"\\])+)"|'(?<single>(?:\\.|[^'\\])+)')\]/gu;

type EventPathReading =
  | { readonly ok: true; readonly path: JsonPath }
  /** `hint`: what to do instead, or "". */
  | { readonly ok: false; readonly reason: 'no_path'; readonly hint: string }
  | { readonly ok: false; readonly reason: 'refused'; readonly message: string };

export function readEventPath(text: string): EventPathReading {
  if (PATH.test(text)) return { ok: true, path: segmentsOf(text) };
  const refused = (message: string): EventPathReading => ({ ok: false, reason: 'refused', message });
  const noPath = (hint: string): EventPathReading => ({ ok: false, reason: 'no_path', hint });
  if (segmentsOf(text).length > SEGMENTS_MAX) return refused(`is deeper than ${SEGMENTS_MAX} keys`);
  if (/(?:\.|\[["'])__proto__(?:[.["']|$)/.test(text)) return refused('must not name __proto__');
  if (/^data\[-?\d/.test(text)) return refused('names an element of data, which is an object and has none');
  const plain = text.replaceAll(BRACKETS, '');
  if (/[[\]'"`]/.test(plain)) {
    return noPath(' (in brackets stands a name in quotes, ["a.b"], an index, [0], or [*] for all elements)');
  }
  const [root, ...keys] = plain.split('.');
  if (!/^\W*data\b/.test(root!) || /^data$/.test(plain) || keys.includes('')) return noPath('');
  return noPath(
    ' (operators have no meaning in it; arithmetic is for a `value`, with a space on each side of +, - and *)',
  );
}

const unescaped = (quoted: string): string => quoted.replaceAll(/\\(.)/gu, '$1');

function segmentsOf(text: string): JsonPath {
  return [...text.matchAll(SEGMENTS)].map(({ groups }) => {
    const { key, index, wildcard, double, single } = groups!;
    if (wildcard !== undefined) return WILDCARD;
    if (index !== undefined) return Number(index);
    return key ?? unescaped((double ?? single)!);
  });
}

/** The text that `readEventPath` reads as this path: with quotes only where they are needed. */
export function eventPathText(path: JsonPath): string {
  let text = 'data';
  for (const segment of path) {
    if (segment === WILDCARD) text += '[*]';
    else if (typeof segment === 'number') text += `[${segment}]`;
    else if (PLAIN_KEY.test(segment)) text += `.${segment}`;
    else text += `["${segment.replaceAll(/["\\]/g, '\\$&')}"]`;
  }
  return text;
}
