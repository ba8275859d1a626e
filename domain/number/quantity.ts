// Usage quantities: exact decimals with at most 26 integer and 12 fraction digits, held as a bigint count of 10^-12 so
// that a sum is one integer addition. Sums may grow beyond 26 integer digits; single values may not.
import { Decimal } from './decimal.ts';
import { ExactNumber } from './exact-number.ts';
import { numberParts } from './number-text.ts';

/** A count of 10^-12 units. */
export type Quantity = bigint;

export const QUANTITY_FRACTION_DIGITS = 12;
export const QUANTITY_INTEGER_DIGITS = 26;
/** One whole unit. */
export const QUANTITY_ONE: Quantity = 10n ** BigInt(QUANTITY_FRACTION_DIGITS);
const QUANTITY_LIMIT: Quantity = 10n ** BigInt(QUANTITY_INTEGER_DIGITS + QUANTITY_FRACTION_DIGITS);

/** Whether one event may say it; a window's sum may be more. */
export const fitsQuantity = (quantity: Quantity): boolean => quantity < QUANTITY_LIMIT && -quantity < QUANTITY_LIMIT;

/** What becomes of digits beyond the twelfth: rounded half to even, or the number is none of ours. */
export const precisions = ['rounded', 'exact'] as const;
export type Precision = (typeof precisions)[number];

/** Of the text of a number. */
function decimalOf(text: string, precision: Precision): Quantity | null {
  const parts = numberParts(text);
  if (parts === null) return null;
  const { sign, digits, exponent } = parts;
  if (digits === '') return 0n;
  const size = BigInt(digits.length) + exponent;
  if (size > QUANTITY_INTEGER_DIGITS) return null;
  const shift = exponent + BigInt(QUANTITY_FRACTION_DIGITS);
  let units: bigint;
  if (shift >= 0n) units = BigInt(digits) * 10n ** shift;
  else if (precision === 'exact') return null;
  else if (size < -QUANTITY_FRACTION_DIGITS) return 0n;
  else {
    const kept = digits.length + Number(shift);
    units = BigInt(digits.slice(0, kept) || '0');
    // `digits` does not end with a zero, so what follows a 5 makes it more than a half.
    const isHalf = digits.length === kept + 1 && digits[kept] === '5';
    if (isHalf ? units % 2n === 1n : digits[kept]! >= '5') units += 1n;
    if (units >= QUANTITY_LIMIT) return null;
  }
  return sign === '-' ? -units : units;
}

/** A count of 10^-6 units of so many digits is told from its neighbours by every double. */
const MICRO_UNITS_LIMIT = 1e15;
const MICRO_UNIT: Quantity = QUANTITY_ONE / 1_000_000n;

/**
 * A number as a count of 10^-6 units, or NaN where it is none of at most 15 digits. Two decimals of so few digits are
 * never the same double, and a division is rounded to the nearest: so the one that gives the number is the one that
 * `String` prints.
 */
function microUnits(value: number): number {
  const count = Math.round(value * 1_000_000);
  return Math.abs(count) < MICRO_UNITS_LIMIT && count / 1_000_000 === value ? count : Number.NaN;
}

/** Of a value that was read as a quantity: whether it surely has no digit that was rounded away. */
export const isSurelyExact = (value: unknown): boolean =>
  typeof value === 'number' && (Number.isSafeInteger(value) || !Number.isNaN(microUnits(value)));

type TextReader = (text: string) => Quantity | null;

/** Of a value as `parseExactJson` returns it, by how the text of a number, and a string, is read. */
function quantityOf(value: unknown, readNumber: TextReader, readString: TextReader): Quantity | null {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return BigInt(value) * QUANTITY_ONE;
    const micros = microUnits(value);
    if (!Number.isNaN(micros)) return BigInt(micros) * MICRO_UNIT;
    return Number.isFinite(value) ? readNumber(String(value)) : null;
  }
  if (typeof value === 'string') return readString(value);
  return value instanceof ExactNumber ? readNumber(value.text) : null;
}

const BOUNDED_NUMBER = /^-?\d{1,64}(?:\.\d{1,64})?(?:[eE][+-]?\d{1,3})?$/;
const BOUNDED_PLAIN = /^-?\d{1,64}(?:\.\d{1,64})?$/;

/**
 * Reads the text of a JSON number token, exponent allowed. Null when it is not one, is longer than any quantity is
 * written, or does not fit.
 */
export const parseQuantity: TextReader = (text) => (BOUNDED_NUMBER.test(text) ? decimalOf(text, 'exact') : null);
const parsePlain: TextReader = (text) => (BOUNDED_PLAIN.test(text) ? decimalOf(text, 'exact') : null);

/**
 * As rule set 1 reads a value of an event's data: a number, a number kept as text, or a decimal string (no exponent).
 * Null when it is none of these or does not fit into 26 integer and 12 fraction digits.
 */
export const readQuantity = (value: unknown): Quantity | null => quantityOf(value, parseQuantity, parsePlain);

const ANY_NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Reads a value of an event's data as the world writes it: a number, or a string of one, either with an exponent.
 * Null when it is neither, when it has more than 26 integer digits, or, where `exact` is asked for, more than 12
 * fraction digits.
 */
export function decimalQuantity(value: unknown, precision: Precision): Quantity | null {
  const ofNumber: TextReader = (text) => decimalOf(text, precision);
  return quantityOf(value, ofNumber, (text) => (ANY_NUMBER.test(text) ? ofNumber(text) : null));
}

export const quantityToDecimal = (quantity: Quantity): Decimal => new Decimal(quantity, QUANTITY_FRACTION_DIGITS);

/** Shortest plain decimal text. */
export const formatQuantity = (quantity: Quantity): string =>
  quantity % QUANTITY_ONE === 0n ? (quantity / QUANTITY_ONE).toString() : quantityToDecimal(quantity).toString();
