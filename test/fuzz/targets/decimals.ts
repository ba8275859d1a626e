// Target "decimals": what reads quantities and amounts, against an oracle that shares no code with it: characters are
// walked one by one and values are compared as fractions of two bigints.

import { parseExactJson } from '../../../domain/json/exact-json.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import { formatQuantity, parseQuantity, quantityToDecimal, readQuantity } from '../../../domain/number/quantity.ts';
import type { Random } from '../../../domain/random.ts';
import type { FuzzTarget } from '../campaign.ts';

interface Written {
  readonly negative: boolean;
  readonly integer: string;
  readonly fraction: string | null;
  readonly exponent: string | null;
}

const isDigit = (unit: number): boolean => unit >= 48 && unit <= 57;

/** The parts of a number text, leading zeros allowed; null where it is none. */
function walk(text: string): Written | null {
  let at = 0;
  const digits = (): string => {
    const start = at;
    while (at < text.length && isDigit(text.charCodeAt(at))) at++;
    return text.slice(start, at);
  };
  const negative = text[0] === '-';
  if (negative) at++;
  const integer = digits();
  if (integer === '') return null;
  let fraction: string | null = null;
  if (text[at] === '.') {
    at++;
    fraction = digits();
    if (fraction === '') return null;
  }
  let exponent: string | null = null;
  if (text[at] === 'e' || text[at] === 'E') {
    at++;
    const sign = text[at] === '+' || text[at] === '-' ? text[at++]! : '';
    const value = digits();
    if (value === '') return null;
    exponent = sign + value;
  }
  return at === text.length ? { negative, integer, fraction, exponent } : null;
}

interface Fraction {
  readonly over: bigint;
  readonly under: bigint;
}

function fractionOf({ negative, integer, fraction, exponent }: Written): Fraction {
  const shift = Number(exponent ?? 0) - (fraction ?? '').length;
  const digits = BigInt(integer + (fraction ?? '')) * (negative ? -1n : 1n);
  return shift >= 0
    ? { over: digits * 10n ** BigInt(shift), under: 1n }
    : { over: digits, under: 10n ** BigInt(-shift) };
}

/** In units of 10^-12; null where it does not fit. */
function expectedQuantity(written: Written | null): bigint | null {
  if (written === null) return null;
  const { over, under } = fractionOf(written);
  const scaled = over * 10n ** 12n;
  if (scaled % under !== 0n) return null;
  const units = scaled / under;
  return units < 10n ** 38n && units > -(10n ** 38n) ? units : null;
}

/** Longer texts are refused unread, whatever their value. */
const isLong = ({ integer, fraction, exponent }: Written): boolean =>
  integer.length > 64 || (fraction ?? '').length > 64 || (exponent ?? '').replace(/^[+-]/, '').length > 3;

function expectSame(what: string, text: string, found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${what} of ${JSON.stringify(text)} is ${found}, expected ${expected}`);
}

const JSON_INTEGER = /^(?:0|[1-9]\d*)$/;
const counts = { texts: 0, quantities: 0, decimals: 0, pairs: 0 };

function checkQuantity(text: string, written: Written | null): void {
  const expected = written === null || isLong(written) ? null : expectedQuantity(written);
  const found = parseQuantity(text);
  expectSame('parseQuantity', text, found, expected);
  expectSame('readQuantity of the string', text, readQuantity(text), written?.exponent === null ? expected : null);
  if (written !== null && JSON_INTEGER.test(written.integer)) {
    const [value] = parseExactJson(`[${text}]`) as [unknown];
    // A double holds the exact value of at most 15 digits, however many zeros the text has.
    expectSame('readQuantity of the JSON number', text, readQuantity(value), expected);
  }
  if (found === null) return;
  counts.quantities++;
  const printed = formatQuantity(found);
  expectSame('formatQuantity, read again', text, parseQuantity(printed), found);
  expectSame('quantityToDecimal', text, quantityToDecimal(found).toString(), printed);
}

function checkDecimal(text: string, written: Written | null): Decimal | null {
  const isExpected =
    written !== null &&
    written.exponent === null &&
    written.integer.length <= 400 &&
    (written.fraction ?? '').length <= 400;
  expectSame('Decimal.isDecimal', text, Decimal.isDecimal(text), isExpected);
  let decimal: Decimal;
  try {
    decimal = Decimal.parse(text);
  } catch (error) {
    if (!(error instanceof RangeError) || isExpected) throw error;
    return null;
  }
  if (!isExpected) throw new Error(`Decimal.parse took ${JSON.stringify(text)}`);
  counts.decimals++;
  const { over, under } = fractionOf(written!);
  expectSame('Decimal.parse', text, decimal.coefficient * under === over * 10n ** BigInt(decimal.scale), true);
  const printed = decimal.toString();
  if (!/^-?(?:0|[1-9]\d*)(?:\.\d*[1-9])?$/.test(printed) || printed === '-0') {
    throw new Error(`${JSON.stringify(text)} prints as ${printed}, which is not the shortest form`);
  }
  expectSame('the printed form, read again', text, Decimal.parse(printed).equals(decimal), true);
  expectSame('isNegative', text, decimal.isNegative, over < 0n);
  return decimal;
}

function checkPair(a: Decimal, b: Decimal): void {
  counts.pairs++;
  const scale = 10n ** BigInt(Math.max(a.scale, b.scale));
  const [x, y] = [(a.coefficient * scale) / 10n ** BigInt(a.scale), (b.coefficient * scale) / 10n ** BigInt(b.scale)];
  const text = `${a} and ${b}`;
  const sum = a.plus(b);
  expectSame('plus', text, sum.coefficient * scale, (x + y) * 10n ** BigInt(sum.scale));
  expectSame('minus', text, a.minus(b).plus(b).equals(a), true);
  expectSame('times', text, a.times(b).equals(new Decimal(a.coefficient * b.coefficient, a.scale + b.scale)), true);
  expectSame('compare', text, a.compare(b), x < y ? -1 : x > y ? 1 : 0);
  if (y > 0n) {
    const packages = a.dividedUp(b);
    // The smallest whole number n with n * y >= x.
    expectSame('dividedUp', text, packages * y >= x && (packages - 1n) * y < x, true);
  }
}

function digits(random: Random, lengthMax: number): string {
  let text = '';
  const fill = random.once(3) ? random.pick(['0', '9']) : null;
  for (let count = 1 + random.below(lengthMax); count > 0; count--) text += fill ?? String(random.below(10));
  return text;
}

function numberText(random: Random): string {
  const lengthMax = random.once(6) ? 70 : random.once(3) ? 28 : 6;
  let text = random.once(3) ? '-' : '';
  text += random.once(5) ? '0' : digits(random, lengthMax);
  if (random.once(2)) text += `.${digits(random, random.once(3) ? 70 : 13)}`;
  if (random.once(4)) text += `${random.pick(['e', 'E', 'e+', 'e-', 'E-'])}${digits(random, random.once(8) ? 4 : 2)}`;
  return text;
}

const samples = [
  ...[
    '0',
    '-0',
    '1',
    '12.50',
    '-3.5',
    '1e3',
    '1.5e-3',
    '1E+2',
    '99999999999999999999999999.999999999999',
    '1e25',
    '1e26',
  ],
  ...[
    '100000000000000000000000000',
    '0.000000000001',
    '0.0000000000001',
    '1e-12',
    '1e-13',
    '0e999',
    '1e999',
    '-1e-999',
  ],
  ...[
    '9007199254740993',
    '123456789012345',
    '1234567890123456',
    '0.1',
    '0.30000000000000004',
    '1e21',
    '1e-7',
    '00',
    '01',
  ],
  ...['', '-', '.', '.5', '5.', '+1', '0x10', '1_000', '1,5', ' 1', '1 ', 'NaN', 'Infinity', '١٢', '1e', '1e+', '--1'],
  ...['12.5|3', '-7|2', '0|1', '1|0.0001', '10|3|'],
];

export const decimals: FuzzTarget = {
  name: 'decimals',
  seeds: samples.map((text) => Buffer.from(text)),
  dictionary: [
    '0',
    '9',
    '.',
    'e',
    'E-',
    'e+',
    '-',
    '|',
    '000000000000',
    '99999999999999',
    'Infinity',
    '\u0661',
    '\u2212',
  ],
  generate: (random) =>
    Buffer.from(random.once(3) ? `${numberText(random)}|${numberText(random)}` : numberText(random)),
  execute(input) {
    const read: Decimal[] = [];
    for (const text of input.toString('utf8').split('|', 2)) {
      counts.texts++;
      const written = walk(text);
      checkQuantity(text, written);
      const decimal = checkDecimal(text, written);
      if (decimal !== null) read.push(decimal);
    }
    if (read.length === 2) checkPair(read[0]!, read[1]!);
  },
  tally: () => counts,
};
