// How a catalog says what a meter reads of an event: one path, or a sum of paths, each of them times a constant if need
// be: `data.input_tokens - 0.5 * data.cached_tokens`. Operators have a space on each side, because a minus or a space
// may be part of a key. The first path is added: a value that is only taken away is none (quantity-reading.ts).
import { isSingular } from '../json/json-path.ts';
import { Decimal } from '../number/decimal.ts';
import {
  eventPathText,
  expressionPathPattern,
  readEventPath,
  singularExpressionPathPattern,
  withoutBrackets,
} from './event-path.ts';
import type { Addend, Meter } from './meter.ts';

const ADDENDS_MAX = 16;
/** Sums of so many numbers of fifteen digits, times such constants, are still quantities. */
const CONSTANT = '[0-9]{1,9}(\\.[0-9]{1,12})?';
/** Behind a constant. */
const IS_ZERO = '0+(\\.0+)?( |$)';

const expression = (path: string): string => {
  const constant = `(?!${IS_ZERO})${CONSTANT}`;
  const addend = `(${constant} \\* ${path}|${path}( \\* ${constant})?)`;
  return `^${addend}( [-+] ${addend}){0,${ADDENDS_MAX - 1}}$`;
};

/** For JSON Schema. */
export const valuePattern = expression(expressionPathPattern);
/** Of one whose paths each name one value at most. */
export const singularValuePattern = expression(singularExpressionPathPattern);

export type ValueReading =
  | { readonly ok: true; readonly addends: readonly Addend[] }
  /**
   * `at`: which character it is said of; `isPath`: a path was expected there, and the words are a hint behind that, or
   * "".
   */
  | { readonly ok: false; readonly at: number; readonly isPath: boolean; readonly message: string };

interface Piece {
  readonly text: string;
  readonly at: number;
  /** What stands before it; "" before the first. */
  readonly operator: string;
}

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let operator = '';
  for (const { 1: next, index } of withoutBrackets(text).matchAll(/ ([-+*])(?= )/g)) {
    pieces.push({ text: text.slice(at, index), at, operator });
    at = index + 3;
    operator = next!;
  }
  return [...pieces, { text: text.slice(at), at, operator }];
}

const isNumber = ({ text }: Piece): boolean => /^[0-9.]/.test(text);

export function readValueExpression(text: string): ValueReading {
  const refused = (at: number, message: string): ValueReading => ({ ok: false, at, isPath: false, message });
  if (/^[-+] /.test(text)) return refused(0, 'begins with an operator: the first path is added and has none in front');
  const addends: Addend[] = [];
  const pieces = piecesOf(text);
  for (let i = 0; i < pieces.length; ) {
    const first = pieces[i++]!;
    const factors = [first];
    while (pieces[i]?.operator === '*') factors.push(pieces[i++]!);
    if (factors.length > 2) return refused(factors[2]!.at, 'multiplies twice: a path may have one constant');
    const constants = factors.filter(isNumber);
    const paths = factors.filter((piece) => !isNumber(piece));
    if (paths.length === 0 && pieces.length > 1) return refused(first.at, 'is a number without a path to multiply');
    if (paths.length === 2) return refused(paths[1]!.at, 'multiplies two paths: one of the two must be a number');
    const reading = readEventPath((paths[0] ?? first).text);
    if (!reading.ok) {
      const isPath = reading.reason === 'no_path';
      return { ok: false, at: (paths[0] ?? first).at, isPath, message: isPath ? reading.hint : reading.message };
    }
    const [constant] = constants;
    const factor = constant === undefined ? '1' : constant.text;
    if (!new RegExp(`^(?!${IS_ZERO})${CONSTANT}$`).test(factor)) {
      return refused(constant!.at, 'must be a number above 0 of at most 9 digits, and 12 behind the point');
    }
    addends.push({
      path: reading.path,
      factor: Decimal.parse(`${first.operator === '-' ? '-' : ''}${factor}`).toString(),
    });
  }
  if (addends.length > ADDENDS_MAX) return refused(0, `adds up more than ${ADDENDS_MAX} paths`);
  return { ok: true, addends };
}

/** The first path with a wildcard of a sum of several; undefined: there is none. */
export const wildcardOf = (addends: readonly Addend[]): Addend | undefined =>
  addends.find(({ path }) => !isSingular(path));

/** The text that says what a meter reads; null: it reads nothing. */
export function valueText({ valuePath, addends }: Pick<Meter, 'valuePath' | 'addends'>): string | null {
  if (addends === undefined) return valuePath === null ? null : eventPathText(valuePath);
  let text = '';
  for (const { path, factor } of addends) {
    const size = factor.replace('-', '');
    if (text !== '') text += factor.startsWith('-') ? ' - ' : ' + ';
    text += `${size === '1' ? '' : `${size} * `}${eventPathText(path)}`;
  }
  return text;
}
