// Exact fractions and prices of the slow model: nothing here is taken from the code that it is held against.

/** numerator / denominator, the denominator positive, not reduced. */
export interface Ratio {
  readonly n: bigint;
  readonly d: bigint;
}

export const ratio = (n: bigint, d = 1n): Ratio => (d < 0n ? { n: -n, d: -d } : { n, d });
export const plus = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.d + b.n * a.d, a.d * b.d);
export const less = (a: Ratio, b: Ratio): Ratio => plus(a, ratio(-b.n, b.d));
const timesOf = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.n, a.d * b.d);
export const isMore = (a: Ratio, b: Ratio): boolean => a.n * b.d > b.n * a.d;
export const isZero = (a: Ratio): boolean => a.n === 0n;
export const zero = ratio(0n);

function readRatio(text: string): Ratio {
  const [whole = '0', fraction = ''] = text.split('.');
  return ratio(BigInt(whole + fraction), 10n ** BigInt(fraction.length));
}

/** Rounded to 12 decimals, half to even. */
function rounded({ n, d }: Ratio): Ratio {
  const scaled = n * 10n ** 12n;
  let floor = scaled / d;
  if (scaled < 0n && floor * d !== scaled) floor -= 1n;
  const above = 2n * (scaled - floor * d) - d;
  const isUp = above > 0n || (above === 0n && floor % 2n !== 0n);
  return ratio(isUp ? floor + 1n : floor, 10n ** 12n);
}

/** Of a whole amount, what has come up to a part of it: the end of the whole is not rounded. */
export const partOf = (whole: Ratio, part: Ratio): Ratio => (part.n === part.d ? whole : rounded(timesOf(whole, part)));

/** Decimal text without trailing zeros; the denominator has to divide a power of ten. */
export function ratioText(value: Ratio): string {
  let digits = 0n;
  while ((value.n * 10n ** digits) % value.d !== 0n) {
    digits++;
    if (digits > 60n) throw new RangeError(`no decimal: ${value.n}/${value.d}`);
  }
  const scaled = (value.n * 10n ** digits) / value.d;
  const text = (scaled < 0n ? -scaled : scaled).toString().padStart(Number(digits) + 1, '0');
  const at = text.length - Number(digits);
  const shown = digits === 0n ? text : `${text.slice(0, at)}.${text.slice(at)}`;
  return scaled < 0n ? `-${shown}` : shown;
}

/** As its model has it. */
interface SlowTier {
  readonly upTo: string | null;
  readonly unitAmount?: string;
  readonly flatAmount?: string;
  readonly amount?: string;
  readonly rate?: string;
  readonly packageSize?: string;
  readonly packageAmount?: string;
}

/** The fields of every model; which of them are there is the model's. */
export interface SlowPrice {
  readonly slug: string;
  readonly model: string;
  readonly meter?: string;
  readonly match?: Readonly<Record<string, string>>;
  readonly otherwise?: true;
  readonly overlap?: true;
  readonly unitAmount?: string;
  readonly packageSize?: string;
  readonly packageAmount?: string;
  readonly factor?: string;
  readonly flatAmount?: string;
  readonly tiers?: readonly SlowTier[];
  readonly onChange?: string;
  readonly per?: string;
  readonly charge?: string;
  readonly proration?: string;
  readonly giveBack?: boolean;
  readonly quantity?: string;
  readonly every?: { readonly days: number };
}

/** What a level costs, which may be a part of a unit; of models that tell a level as a whole. */
export function slowLevelAmount(price: SlowPrice, level: Ratio): Ratio {
  if (isZero(level)) return zero;
  const upTo = ({ upTo: bound }: SlowTier): boolean => bound === null || !isMore(level, ratio(BigInt(bound)));
  switch (price.model) {
    case 'per_unit':
      return timesOf(level, readRatio(price.unitAmount!));
    case 'package': {
      let packages = 0n;
      while (isMore(level, ratio(packages * BigInt(price.packageSize!)))) packages++;
      return timesOf(ratio(packages), readRatio(price.packageAmount!));
    }
    case 'volume': {
      const tier = price.tiers!.find(upTo)!;
      return plus(timesOf(level, readRatio(tier.unitAmount!)), readRatio(tier.flatAmount!));
    }
    case 'stairstep':
      return readRatio(price.tiers!.find(upTo)!.amount!);
    default:
      throw new RangeError(`the slow model prices no part of a unit by ${price.model}`);
  }
}

/** What whole units cost, unit by unit where tiers say so. */
export function slowAmount(price: SlowPrice, units: bigint): Ratio {
  if (units === 0n) return zero;
  const tiers = price.tiers ?? [];
  switch (price.model) {
    case 'per_unit':
      return timesOf(ratio(units), readRatio(price.unitAmount!));
    case 'package': {
      let packages = 0n;
      while (packages * BigInt(price.packageSize!) < units) packages++;
      return timesOf(ratio(packages), readRatio(price.packageAmount!));
    }
    case 'volume': {
      const tier = tiers.find(({ upTo }) => upTo === null || units <= BigInt(upTo))!;
      const amount = timesOf(ratio(units), readRatio(tier.unitAmount!));
      return units < 0n ? amount : plus(amount, readRatio(tier.flatAmount!));
    }
    case 'stairstep': {
      if (units < 0n) return zero;
      return readRatio(tiers.find(({ upTo }) => upTo === null || units <= BigInt(upTo))!.amount!);
    }
    case 'tiered_package': {
      let amount = zero;
      let inTier = 0n;
      for (let unit = 1n, reached = 0; unit <= units; unit++, inTier++) {
        const index = tiers.findIndex(({ upTo }) => upTo === null || unit <= BigInt(upTo));
        if (index !== reached) inTier = 0n;
        reached = index;
        // The first of each package pays for all of it.
        if (inTier % BigInt(tiers[index]!.packageSize!) === 0n)
          amount = plus(amount, readRatio(tiers[index]!.packageAmount!));
      }
      return amount;
    }
    case 'cost_plus':
      return timesOf(ratio(units), readRatio(price.factor!));
    case 'graduated_percentage': {
      if (units < 0n) return timesOf(ratio(units), readRatio(tiers[0]!.rate!));
      let amount = zero;
      for (let unit = 1n; unit <= units; unit++)
        amount = plus(amount, readRatio(tiers.find(({ upTo }) => upTo === null || unit <= BigInt(upTo))!.rate!));
      return amount;
    }
    default: {
      if (units < 0n) return timesOf(ratio(units), readRatio(tiers[0]!.unitAmount!));
      let amount = zero;
      const reached = new Set<number>();
      for (let unit = 1n; unit <= units; unit++) {
        const index = tiers.findIndex(({ upTo }) => upTo === null || unit <= BigInt(upTo));
        for (let each = 0; each <= index; each++) {
          if (reached.has(each)) continue;
          reached.add(each);
          amount = plus(amount, readRatio(tiers[each]!.flatAmount!));
        }
        amount = plus(amount, readRatio(tiers[index]!.unitAmount!));
      }
      return amount;
    }
  }
}
