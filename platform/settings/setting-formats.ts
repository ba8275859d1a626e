// How values of settings are written: durations, sizes, lists. Each format says in words what it accepts.
import { isIP } from 'node:net';
import { z } from 'zod';

export interface Format<Value> {
  /** Completes "expected …". */
  readonly accepts: string;
  readonly schema: z.ZodType<Value, string>;
}

const durationUnitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

function withUnit(units: Readonly<Record<string, number>>, minimum: number): z.ZodType<number, string> {
  return z.string().transform((text, context) => {
    const match = /^(\d{1,12})\s?([A-Za-z]+)$/.exec(text);
    const unit = match === null || !Object.hasOwn(units, match[2]!) ? undefined : units[match[2]!];
    const value = unit === undefined ? Number.NaN : Number(match![1]) * unit;
    if (Number.isSafeInteger(value) && value >= minimum) return value;
    context.addIssue({ code: 'custom', message: 'not accepted' });
    return z.NEVER;
  });
}

/** In milliseconds; `minimum` as it would be written. */
export const duration = (minimum: string): Format<number> => ({
  accepts: `a duration such as 500ms, 30s, 5m, 1h or 35d, at least ${minimum}`,
  schema: withUnit(durationUnitsMs, withUnit(durationUnitsMs, 0).parse(minimum)),
});

/** In bytes. */
export const size = (minimum: string): Format<number> => ({
  accepts: `a size such as 900kB, 10MB or 1GiB, at least ${minimum}`,
  schema: withUnit(sizeUnits, withUnit(sizeUnits, 0).parse(minimum)),
});

export const integer = (minimum: number, maximum: number): Format<number> => ({
  accepts: `a whole number from ${minimum} to ${maximum}`,
  schema: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(minimum).max(maximum)),
});

export const boolean: Format<boolean> = {
  accepts: 'true or false',
  schema: z.enum(['true', 'false']).transform((text) => text === 'true'),
};

export const oneOf = <const Values extends readonly [string, ...string[]]>(
  ...values: Values
): Format<Values[number]> => ({
  accepts: `one of ${values.join(', ')}`,
  schema: z.enum(values) as unknown as z.ZodType<Values[number], string>,
});

/** Any text but the empty one, which counts as unset. */
export const filledText = (accepts: string): Format<string> => ({ accepts, schema: z.string().min(1) });

export const name = (maxLength: number): Format<string> => ({
  accepts: `1 to ${maxLength} of the characters A-Z a-z 0-9 . _ -`,
  schema: z.string().regex(new RegExp(`^[A-Za-z0-9._-]{1,${maxLength}}$`)),
});

export const addresses: Format<readonly string[]> = {
  accepts: 'host:port, several separated by commas',
  schema: z
    .string()
    .transform((list) => list.split(',').map((address) => address.trim()))
    .pipe(z.array(z.string().regex(/^(?:[\w.-]+|\[[\da-fA-F:]+\]):\d{1,5}$/)).min(1)),
};

/** An address, or one with the length of its network's prefix. */
function isNetwork(text: string): boolean {
  const [address = '', prefix, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}

export const networks: Format<readonly string[]> = {
  accepts: 'IP addresses or networks such as 10.0.0.0/8 or fd00::/8, several separated by commas',
  schema: z
    .string()
    .transform((list) => list.split(',').map((network) => network.trim()))
    .pipe(z.array(z.string().refine(isNetwork)).min(1)),
};

/** Of 256 bits each. */
export const secretKeys: Format<readonly Buffer[]> = {
  accepts: '32 bytes in base64, as `openssl rand -base64 32` makes them; several separated by commas',
  schema: z
    .string()
    .transform((list) => list.split(',').map((key) => key.trim()))
    .pipe(z.array(z.string().regex(/^[A-Za-z0-9+/]{43}=$/)).min(1))
    .transform((keys) => keys.map((key) => Buffer.from(key, 'base64'))),
};

export const url = (example: string, ...protocols: readonly string[]): Format<URL> => ({
  accepts: `an address such as ${example}`,
  schema: z.string().transform((address, context) => {
    const parsed = URL.canParse(address) ? new URL(address) : null;
    if (parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== '') return parsed;
    context.addIssue({ code: 'custom', message: 'not accepted' });
    return z.NEVER;
  }),
});
