// Exact fractions and prices of the slow model: nothing here is taken from the code that it is held against.

/** numerator / denominator, the denominator positive, not reduced. */
export interface Ratio {
  readonly n: bigint;
  readonly d: bigint;
}

export const ratio = (n: bigint, d = 1n): Ratio => (d < 0n ? { n: -n, d: -d } : { n, d });
export const plus = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.d + b.n * a.d, a.d * b.d);
export const less = (a: Ratio, b: Ratio): Ratio => plus(a, ratio(-b.n, b.d));
export const timesOf = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.n, a.d * b.d);
export const isMore = (a: Ratio, b: Ratio): boolean => a.n * b.d > b.n * a.d;
export const isZero = (a: Ratio): boolean => a.n === 0n;
export const zero = ratio(0n);

export function readRatio(text: string): Ratio {
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

interface SlowIncluded {
  readonly units: string;
  readonly proration?: string;
}

interface SlowDiscount {
  readonly units?: string;
  readonly rate?: string;
  readonly amount?: string;
  readonly from?: string;
  readonly until?: string;
}

/** What an amount is found by: the fields of every model, and which of them are there is the model's. */
export interface SlowAmountFields {
  readonly model: string;
  readonly unitAmount?: string;
  readonly packageSize?: string;
  readonly packageAmount?: string;
  readonly factor?: string;
  readonly rate?: string;
  readonly tiers?: readonly SlowTier[];
  readonly included?: SlowIncluded;
  readonly discounts?: readonly SlowDiscount[];
  readonly maximum?: string;
  readonly minimum?: string;
}

interface SlowCell extends SlowAmountFields {
  readonly values: readonly string[];
}

export interface SlowPrice extends SlowAmountFields {
  readonly slug: string;
  readonly meter?: string;
  readonly match?: Readonly<Record<string, string>>;
  readonly otherwise?: true;
  readonly overlap?: true;
  readonly flatAmount?: string;
  readonly fee?: { readonly meter: string; readonly amount: string; readonly included?: SlowIncluded };
  readonly dimensions?: readonly string[];
  readonly cells?: readonly SlowCell[];
  readonly onChange?: string;
  readonly per?: string;
  readonly charge?: string;
  readonly proration?: string;
  readonly giveBack?: boolean;
  readonly quantity?: string;
  readonly every?: { readonly days: number };
  /** Of a price book. */
  readonly meters?: Readonly<Record<string, string>>;
}

const one = ratio(1n);
const least = (a: Ratio, b: Ratio): Ratio => (isMore(a, b) ? b : a);

/** The tier of a quantity: the first that reaches it. */
const slowTier = (tiers: readonly SlowTier[], units: Ratio): SlowTier =>
  tiers.find(({ upTo }) => upTo === null || !isMore(units, readRatio(upTo)))!;

/** As many wholes as cover a quantity. */
function wholes(units: Ratio, size: Ratio): Ratio {
  if (units.n <= 0n) return zero;
  const [n, d] = [units.n * size.d, units.d * size.n];
  return ratio(n % d === 0n ? n / d : n / d + 1n);
}

/** What the parts of a quantity in each tier come to. */
function byTiers(tiers: readonly SlowTier[], units: Ratio, ofPart: (part: Ratio, tier: SlowTier) => Ratio): Ratio {
  let amount = zero;
  let below = zero;
  for (const tier of tiers) {
    if (!isMore(units, below)) return amount;
    const top = tier.upTo === null ? units : least(units, readRatio(tier.upTo));
    amount = plus(amount, ofPart(less(top, below), tier));
    below = top;
  }
  return amount;
}

/** What units cost by the model alone. */
function byModel(price: SlowAmountFields, units: Ratio): Ratio {
  const tiers = price.tiers ?? [];
  const isCredit = units.n < 0n;
  switch (price.model) {
    case 'per_unit':
      return timesOf(units, readRatio(price.unitAmount!));
    case 'cost_plus':
      return timesOf(units, readRatio(price.factor!));
    case 'percentage':
      return timesOf(units, readRatio(price.rate!));
    case 'package':
      return timesOf(wholes(units, readRatio(price.packageSize!)), readRatio(price.packageAmount!));
    case 'volume': {
      const { unitAmount, flatAmount } = slowTier(tiers, units);
      const amount = timesOf(units, readRatio(unitAmount!));
      return isCredit ? amount : plus(amount, readRatio(flatAmount!));
    }
    case 'stairstep':
      return isCredit ? zero : readRatio(slowTier(tiers, units).amount!);
    case 'tiered_package':
      return byTiers(tiers, units, (part, { packageSize, packageAmount }) =>
        timesOf(wholes(part, readRatio(packageSize!)), readRatio(packageAmount!)),
      );
    case 'graduated_percentage':
      if (isCredit) return timesOf(units, readRatio(tiers[0]!.rate!));
      return byTiers(tiers, units, (part, { rate }) => timesOf(part, readRatio(rate!)));
    case 'graduated':
      if (isCredit) return timesOf(units, readRatio(tiers[0]!.unitAmount!));
      return byTiers(tiers, units, (part, { unitAmount, flatAmount }) =>
        plus(timesOf(part, readRatio(unitAmount!)), readRatio(flatAmount!)),
      );
    default:
      throw new RangeError(`no amount of a ${price.model}`);
  }
}

/** Units of a period that cost nothing: what is included, and discounts of units. */
export function slowFree({ included, discounts = [] }: SlowAmountFields): Ratio {
  const units = [included?.units, ...discounts.map((discount) => discount.units)];
  return units.reduce<Ratio>((sum, each) => (each === undefined ? sum : plus(sum, readRatio(each))), zero);
}

/** Of units of which nothing is free: the price, then discounts of rates, then of amounts, then the maximum. */
export function slowCharge(price: SlowAmountFields, units: Ratio): Ratio {
  let amount = isZero(units) ? zero : byModel(price, units);
  const discounts = price.discounts ?? [];
  for (const { rate } of discounts) if (rate !== undefined) amount = timesOf(amount, less(one, readRatio(rate)));
  for (const discount of discounts) {
    if (discount.amount === undefined || amount.n <= 0n) continue;
    const left = less(amount, readRatio(discount.amount));
    amount = left.n < 0n ? zero : left;
  }
  return price.maximum === undefined ? amount : least(amount, readRatio(price.maximum));
}

/** Of the usage of a whole period. */
export function slowAmount(price: SlowAmountFields, units: Ratio): Ratio {
  if (units.n <= 0n) return slowCharge(price, units);
  const left = less(units, slowFree(price));
  return left.n <= 0n ? zero : slowCharge(price, left);
}

/** The least that a period costs, as what is charged once a period. */
export const slowMinimum = (
  name: string,
  { amount, every }: { amount: string; every?: SlowPrice['every'] | undefined },
): SlowPrice => ({ slug: name, model: 'flat', flatAmount: amount, charge: 'in_arrears', ...(every && { every }) });

const AXES = ['model', 'provider', 'context', 'service'];

/** A price book: for each bucket a matrix of the cells that have a rate of it. */
function slowBuckets(price: SlowPrice): SlowPrice[] {
  const {
    meters,
    books: _,
    standard: _s,
    ignore: _i,
    markup: _m,
    ...shared
  } = price as SlowPrice & Record<string, unknown>;
  const axes = price.dimensions as unknown as Readonly<Record<string, string>>;
  const cells = price.cells as unknown as readonly { values: string[]; rates: Readonly<Record<string, string>> }[];
  return Object.entries(meters!).map(([bucket, meter]) => ({
    ...shared,
    ...{ slug: `${price.slug}/${bucket}`, meter, model: 'matrix' },
    dimensions: AXES.filter((axis) => axis in axes).map((axis) => axes[axis]!),
    cells: cells
      .filter(({ rates }) => bucket in rates)
      .map(({ values, rates }) => ({ values, model: 'per_unit', unitAmount: rates[bucket]! })),
  }));
}

/** Each that has items of its own. */
export function slowParts(price: SlowPrice): SlowPrice[] {
  if (price.model === 'price_book') return slowBuckets(price);
  if (price.minimum !== undefined) {
    const { minimum: amount, ...own } = price;
    return [own, slowMinimum(`${price.slug}/minimum`, { amount, every: price.every })];
  }
  if (price.fee === undefined) return [price];
  const { fee, ...money } = price;
  const { rate: _, included: _included, maximum: _maximum, model: _model, ...shared } = money;
  const { meter, amount: unitAmount, included } = fee;
  const ofEvents = { ...shared, slug: `${price.slug}/fee`, meter, model: 'per_unit', unitAmount };
  return [money, included === undefined ? ofEvents : { ...ofEvents, included }];
}

/** With the discounts that hold at an instant. */
export function slowDiscounted(price: SlowPrice, at: number): SlowPrice {
  if (price.discounts === undefined) return price;
  const { discounts, ...others } = price;
  const holding = discounts
    .filter(
      ({ from, until }) =>
        (from === undefined || Date.parse(from) <= at) && (until === undefined || at < Date.parse(until)),
    )
    .map(({ from: _from, until: _until, ...of }) => of);
  return holding.length === 0 ? others : { ...others, discounts: holding };
}

/** Of a subscription: of one price, or of all. */
export interface SlowOwnDiscount extends SlowDiscount {
  readonly price?: string;
}

/** With the discounts of its subscription that hold at an instant. */
export function slowDiscountedBy(price: SlowPrice, own: readonly SlowOwnDiscount[], at: number): SlowPrice {
  const [slug, part] = price.slug.split('/') as [string, string?];
  if (part === 'minimum') return price;
  const isOfOne = price.meter !== undefined && price.cells === undefined && part === undefined;
  let changed = price;
  for (const { price: of, from, until, ...discount } of own) {
    const holds = (from === undefined || Date.parse(from) <= at) && (until === undefined || at < Date.parse(until));
    if (!holds || (of !== undefined && of !== slug) || (discount.rate === undefined && !isOfOne)) continue;
    if (price.meter !== undefined) changed = { ...changed, discounts: [...(changed.discounts ?? []), discount] };
    else {
      const left = timesOf(readRatio(changed.flatAmount!), less(one, readRatio(discount.rate!)));
      changed = { ...changed, flatAmount: ratioText(left) };
    }
  }
  return changed;
}

/** A cell as a price of what it names. */
export interface SlowCellPrice {
  readonly name: string;
  readonly match: Readonly<Record<string, string>>;
  readonly price: SlowPrice;
}

/** The cells of a price: of one that is no matrix, itself. */
export function slowCells(price: SlowPrice): SlowCellPrice[] {
  const { match = {}, dimensions, cells, ...shared } = price;
  if (cells === undefined || dimensions === undefined) return [{ name: '', match, price }];
  return cells.map(({ values, ...own }) => {
    const named = Object.fromEntries(values.flatMap((value, i) => (value === '*' ? [] : [[dimensions[i]!, value]])));
    const name = `[${values.map((value) => (value === '*' ? value : JSON.stringify(value))).join(',')}]`;
    const ofCell = { ...match, ...named };
    return { name, match: ofCell, price: { ...shared, match: ofCell, ...own } };
  });
}

/** The cell that takes usage of some group values: all are looked at; the one that names most, leftmost first. */
export function slowCellOf(price: SlowPrice, groups: Readonly<Record<string, string>>): SlowCellPrice | null {
  const matching = slowCells(price).filter(({ match }) =>
    Object.entries(match).every(([name, value]) => (groups[name] ?? '') === value),
  );
  const dimensions = price.dimensions ?? [];
  const names = ({ match }: SlowCellPrice): number => Object.keys(match).length;
  const order = ({ match }: SlowCellPrice): string => dimensions.map((each) => (each in match ? '0' : '1')).join('');
  return matching.sort((a, b) => names(b) - names(a) || (order(a) < order(b) ? -1 : 1))[0] ?? null;
}
