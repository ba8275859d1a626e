// Exact decimals of the reference, apart from the code under test.

const UNIT = 10n ** 12n;

/** 10^-12 units of a plain decimal. */
export function unitsOf(value: string): bigint {
  const [integer = '0', fraction = ''] = value.split('.');
  return BigInt(integer + fraction.padEnd(12, '0'));
}

/**
 * An event's value in 10^-12 units by a rule set; null where it is none. Halves go to the even unit, but for a meter
 * that takes exact numbers alone.
 */
export function quantityOf(value: unknown, ruleSet: number, isExact = false): bigint | null {
  if (typeof value !== 'number' && typeof value !== 'string') return null;
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(String(value));
  if (match === null) return null;
  const [, sign, integer, fraction = '', power] = match;
  if (ruleSet === 1 && typeof value === 'string' && power !== undefined) return null;
  const coefficient = BigInt(integer! + fraction) * UNIT;
  const exponent = Number(power ?? 0) - fraction.length;
  if (exponent >= 0) return BigInt(`${sign}1`) * coefficient * 10n ** BigInt(exponent);
  const divisor = 10n ** BigInt(-exponent);
  const rest = coefficient % divisor;
  if ((ruleSet === 1 || isExact) && rest !== 0n) return null;
  let units = coefficient / divisor;
  if (2n * rest > divisor || (2n * rest === divisor && units % 2n === 1n)) units += 1n;
  return sign === '-' ? -units : units;
}

interface Addend {
  readonly path: readonly unknown[];
  readonly factor: string;
}

/** A meter's sum in 10^-12 units; undefined where no value that is added is there, null where one is none. */
export function sumOf(
  addends: readonly Addend[],
  data: Readonly<Record<string, unknown>>,
  ruleSet: number,
): bigint | null | undefined {
  const given = addends.filter(({ path }) => (data[String(path[0])] ?? null) !== null);
  let sum = 0n;
  for (const { path, factor } of given) {
    const quantity = quantityOf(data[String(path[0])], ruleSet);
    if (quantity === null) return null;
    sum += quantity * unitsOf(factor);
  }
  if (given.every(({ factor }) => factor.startsWith('-'))) return undefined;
  const magnitude = sum < 0n ? -sum : sum;
  const [whole, twice] = [magnitude / UNIT, 2n * (magnitude % UNIT)];
  const up = twice > UNIT || (twice === UNIT && whole % 2n === 1n) ? whole + 1n : whole;
  return sum < 0n ? -up : up;
}

interface Condition {
  readonly path: readonly unknown[];
  readonly isNot: boolean;
  readonly values: readonly string[];
}

/** Whether a filter takes an event; null where it can't be told. */
export function isTaken(
  where: readonly Condition[],
  data: Readonly<Record<string, unknown>>,
  ruleSet: number,
): boolean | null {
  const answers = where.map(({ path, isNot, values }) => {
    const text = groupOf(data[String(path[0])], ruleSet);
    return text === null ? null : isNot ? !values.includes(text) : values.includes(text);
  });
  return answers.includes(false) ? false : answers.includes(null) ? null : true;
}

/** The text of a group by a rule set; null where the value is none. */
export function groupOf(value: unknown, ruleSet: number): string | null {
  if (value === undefined || value === null) return '';
  if (typeof value === 'object') return null;
  if (ruleSet === 1 || typeof value !== 'number') return String(value);
  const units = quantityOf(value, ruleSet)!;
  const digits = String(units).padStart(13, '0');
  return `${digits.slice(0, -12)}.${digits.slice(-12)}`.replace(/\.?0+$/, '');
}
