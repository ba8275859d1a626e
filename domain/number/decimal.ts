// Exact decimal arithmetic on a bigint coefficient: amounts and rates of any length, with no precision to run out of.
// Immutable; every operation is exact, so there is no rounding mode to choose and none to forget.

const DECIMAL = /^(-?)(\d{1,400})(?:\.(\d{1,400}))?$/;

/** coefficient * 10^-scale, scale >= 0. */
export class Decimal {
  readonly coefficient: bigint;
  readonly scale: number;

  constructor(coefficient: bigint, scale = 0) {
    this.coefficient = coefficient;
    this.scale = scale;
  }

  static readonly zero = new Decimal(0n);

  /**
   * Reads plain decimal text ("-12.50"; no exponent, no spaces, at most 400 digits a side). Throws a RangeError
   * otherwise.
   */
  static parse(text: string): Decimal {
    const match = DECIMAL.exec(text);
    if (match === null) throw new RangeError(`not a decimal number: ${JSON.stringify(text.slice(0, 64))}`);
    const [, sign, integer, fraction = ''] = match;
    const magnitude = BigInt(integer + fraction);
    return new Decimal(sign === '-' ? -magnitude : magnitude, fraction.length);
  }

  static isDecimal(text: string): boolean {
    return DECIMAL.test(text);
  }

  /** The coefficient at a scale that is not smaller than this one's. */
  private at(scale: number): bigint {
    return scale === this.scale ? this.coefficient : this.coefficient * 10n ** BigInt(scale - this.scale);
  }

  plus(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale) + other.at(scale), scale);
  }

  minus(other: Decimal): Decimal {
    return this.plus(other.negated());
  }

  times(other: Decimal): Decimal {
    return new Decimal(this.coefficient * other.coefficient, this.scale + other.scale);
  }

  negated(): Decimal {
    return new Decimal(-this.coefficient, this.scale);
  }

  /** The smallest whole number of `size`s that covers this value; `size` must be positive. */
  dividedUp(size: Decimal): bigint {
    const scale = Math.max(this.scale, size.scale);
    const divisor = size.at(scale);
    if (divisor <= 0n) throw new RangeError('dividedUp: size must be positive');
    const dividend = this.at(scale);
    const quotient = dividend / divisor;
    return dividend > 0n && dividend % divisor !== 0n ? quotient + 1n : quotient;
  }

  /** Negative, zero or positive, as for a sort. */
  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const [a, b] = [this.at(scale), other.at(scale)];
    return a < b ? -1 : a > b ? 1 : 0;
  }

  equals(other: Decimal): boolean {
    return this.compare(other) === 0;
  }

  get isZero(): boolean {
    return this.coefficient === 0n;
  }

  get isNegative(): boolean {
    return this.coefficient < 0n;
  }

  static min(a: Decimal, b: Decimal): Decimal {
    return a.compare(b) <= 0 ? a : b;
  }

  /** Shortest plain text: no exponent, no trailing zeros of a fraction, "0" for zero. */
  toString(): string {
    const sign = this.coefficient < 0n ? '-' : '';
    const digits = (this.coefficient < 0n ? -this.coefficient : this.coefficient)
      .toString()
      .padStart(this.scale + 1, '0');
    const split = digits.length - this.scale;
    const fraction = digits.slice(split).replace(/0+$/, '');
    const text = digits.slice(0, split) + (fraction === '' ? '' : `.${fraction}`);
    return text === '0' ? '0' : sign + text;
  }

  toJSON(): string {
    return this.toString();
  }
}
