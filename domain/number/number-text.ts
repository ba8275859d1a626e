// A JSON number as its significant digits and an exponent, which is the same for all ways to write it, and as the one
// text by which it names a group or is told apart from other values.

/** The value is `digits` x 10^`exponent`. */
export interface NumberParts {
  readonly sign: '' | '-';
  /** No zero at either end; '' for zero. */
  readonly digits: string;
  readonly exponent: bigint;
}

/** How many zeros a text begins with. */
function leadingZeros(text: string): number {
  let zeros = 0;
  while (text.charCodeAt(zeros) === 48) zeros++;
  return zeros;
}

/**
 * Of a JSON number token, in time proportional to its length. Null where its exponent has more digits than any quantity
 * can use: such a number is only compared with itself.
 */
export function numberParts(token: string): NumberParts | null {
  const sign = token.startsWith('-') ? '-' : '';
  const [mantissa, power = '0'] = token.slice(sign.length).toLowerCase().split('e', 2) as [string, string?];
  const exponentSign = power.startsWith('-') ? '-' : '';
  const exponentText = power.startsWith('+') ? power.slice(1) : power.slice(exponentSign.length);
  const exponentDigits = exponentText.slice(leadingZeros(exponentText)) || '0';
  if (exponentDigits.length > 20) return null;
  const [integer, fraction = ''] = mantissa.split('.', 2) as [string, string?];
  const all = integer + fraction;
  const first = leadingZeros(all);
  if (first === all.length) return { sign: '', digits: '', exponent: 0n };
  let end = all.length;
  while (all.charCodeAt(end - 1) === 48) end--;
  const exponent = BigInt(`${exponentSign}${exponentDigits}`) - BigInt(fraction.length) + BigInt(all.length - end);
  return { sign, digits: all.slice(first, end), exponent };
}

/** Beyond so many digits a plain decimal is hard to read, and the exponent is written instead. */
const PLAIN_DIGITS_MAX = 64;

/**
 * One text for every way to write a number: the plain decimal without superfluous zeros ("30", "-0.5"), or, where that
 * has more than 64 digits on a side of the point, the significant digits and an exponent ("12e80").
 */
export function numberText(token: string): string {
  const parts = numberParts(token);
  if (parts === null) return token;
  const { sign, digits, exponent } = parts;
  if (digits === '') return '0';
  if (exponent < -PLAIN_DIGITS_MAX || BigInt(digits.length) + exponent > PLAIN_DIGITS_MAX) {
    return `${sign}${digits}e${exponent}`;
  }
  if (exponent >= 0n) return sign + digits + '0'.repeat(Number(exponent));
  const places = -Number(exponent);
  const padded = digits.padStart(places + 1, '0');
  return `${sign}${padded.slice(0, -places)}.${padded.slice(-places)}`;
}
