// Exact decimals of the reference, apart from the code under test.

/** 10^-12 units of a plain decimal. */
export function unitsOf(value: unknown): bigint {
  const [integer = '0', fraction = ''] = String(value).split('.');
  return BigInt(integer + fraction.padEnd(12, '0'));
}
