// Random prices and quantities, from a seed: every model, with what may stand around it, over usage in several terms,
// part of it late and part of it taken back. What the rater's rules come to is held against the slow fractions, and
// which cell of a matrix takes some values against a look at all of them.
import type { Meter } from '../../domain/catalog/catalog.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { parseQuantity, type Quantity, quantityToDecimal } from '../../domain/number/quantity.ts';
import { cellsOfBooks } from '../../domain/pricing/book/book-cells.ts';
import { bucketPrices } from '../../domain/pricing/book/book-price.ts';
import type { Rates } from '../../domain/pricing/book/buckets.ts';
import type { MarkupRule } from '../../domain/pricing/book/markup.ts';
import type { BookModel, PriceBook } from '../../domain/pricing/book/price-book.ts';
import { cellAt } from '../../domain/pricing/matrix-cells.ts';
import { partsOf } from '../../domain/pricing/parts.ts';
import { amountOf, carriesUsage, type UsagePrice } from '../../domain/pricing/prices.ts';
import { Random } from '../../domain/random.ts';
import type { UsagePeriod } from '../../domain/terms/price-terms.ts';
import { type AddedUsage, chargesOf } from '../../domain/terms/term-amounts.ts';
import { slowRate } from './slow-books.ts';
import { type Ratio, ratio, ratioText, type SlowPrice, slowAmount, slowCellOf, slowParts } from './slow-numbers.ts';
import { amountsOfUnits } from './slow-usage.ts';

const ONE = 10n ** 12n;
const RATES = ['0', '0.07', '1', '2.5', '0.000003', '0.000000000001', '0.1234567890123456789'] as const;
const BOUNDS = [['3'], ['2', '7.5'], ['10', '1000', '100000.000000000001'], []] as const;
const VALUES = ['x', 'y', '', '*', '"', 'a,b'] as const;
const MODELS = [
  ...(['per_unit', 'graduated', 'volume', 'package', 'stairstep', 'tiered_package'] as const),
  ...(['graduated_percentage', 'cost_plus', 'percentage'] as const),
] as const;

class Draw {
  readonly random: Random;

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  private tiers(own: () => object): object[] {
    return [...this.random.pick(BOUNDS), null].map((upTo) => ({ upTo, ...own() }));
  }

  private rate = (): string => this.random.pick(RATES);
  private packages = (): object => ({
    packageSize: this.random.pick(['1', '3', '0.5', '1000']),
    packageAmount: this.rate(),
  });

  model(models: readonly string[]): object {
    const { random } = this;
    const model = random.pick(models);
    switch (model) {
      case 'per_unit':
        return { model, unitAmount: this.rate() };
      case 'cost_plus':
        return { model, factor: this.rate() };
      case 'percentage':
        return { model, rate: this.rate() };
      case 'package':
        return { model, ...this.packages() };
      case 'tiered_package':
        return { model, tiers: this.tiers(this.packages) };
      case 'stairstep':
        return { model, tiers: this.tiers(() => ({ amount: this.rate() })) };
      case 'graduated_percentage':
        return { model, tiers: this.tiers(() => ({ rate: this.rate() })) };
      default: {
        const flatAmount = () => (random.once(3) ? random.pick(['1', '0.3']) : '0');
        return { model, tiers: this.tiers(() => ({ unitAmount: this.rate(), flatAmount: flatAmount() })) };
      }
    }
  }

  around(): object {
    const { random } = this;
    const discount = () =>
      random.pick([
        ...[{ rate: '0.2' }, { rate: '1' }, { rate: '0.333333333' }, { amount: '0.7' }, { amount: '12' }],
        ...[{ units: '1.5' }, { units: '0.000000000001' }],
      ]);
    const units = random.pick(['1', '2.5', '100', '0.000000000003']);
    return {
      ...(random.once(3) && { included: { units, ...(random.once(3) && { proration: 'none' }) } }),
      ...(random.once(3) && { discounts: Array.from({ length: random.int(1, 3) }, discount) }),
      ...(random.once(4) && { maximum: random.pick(['0.5', '3', '70.123456789012345']) }),
    };
  }

  price(): UsagePrice {
    return { slug: 's', meter: 'm', match: {}, ...this.model(MODELS), ...this.around() } as unknown as UsagePrice;
  }

  /** Whole or not, mostly small. */
  quantity(): Quantity {
    const { random } = this;
    const whole = random.once(4) ? random.int(0, 200_000) : random.int(0, 12);
    const fraction = random.once(3) ? random.pick(['5', '25', '000000000001', '333333333333']) : '0';
    return parseQuantity(`${whole}.${fraction}`)!;
  }
}

const slowOf = (price: UsagePrice): SlowPrice => price as unknown as SlowPrice;
const ratioOf = (quantity: Quantity): Ratio => ratio(quantity, ONE);
const meter: Meter = {
  ...{ slug: 'm', eventType: 'e', aggregation: 'sum', valuePath: ['n'], required: false, dimensions: [], window: '1h' },
};

/** Of one price, the amount of each running sum of quantities, some of them below zero, and of their parts. */
function amountFaults(draw: Draw): string[] {
  const price = draw.price();
  let sum: Quantity = 0n;
  return Array.from({ length: 4 }).flatMap(() => {
    sum += draw.random.once(4) ? -draw.quantity() : draw.quantity();
    const [fast, slow] = [amountOf(price)(quantityToDecimal(sum)), slowAmount(slowOf(price), ratioOf(sum))];
    return fast.toString() === ratioText(slow)
      ? []
      : [`${sum} of ${JSON.stringify(price)}: ${fast}, not ${ratioText(slow)}`];
  });
}

/** What stands of usage, the last taken back first. */
function standing(added: readonly AddedUsage[], terms: number): Quantity[] {
  const stack: { index: number; left: Quantity }[] = [];
  for (const { index, quantity } of added) {
    let left = quantity;
    while (left !== 0n && stack.length > 0 && left > 0n !== stack.at(-1)!.left > 0n) {
      const top = stack.at(-1)!;
      const rest = top.left + left;
      const isGone = rest === 0n || rest > 0n === left > 0n;
      if (isGone) stack.pop();
      else top.left = rest;
      left = isGone ? rest : 0n;
    }
    if (left !== 0n) stack.push({ index, left });
  }
  return Array.from({ length: terms }, (_, index) =>
    stack.reduce((units, each) => (each.index === index ? units + each.left : units), 0n),
  );
}

/** Of a period in which a price changes, what each term comes to, and that its items lead there one by one. */
function termFaults(draw: Draw): string[] {
  const { random } = draw;
  const bounds = [0, ...[10, 25, 26].filter(() => random.once(2)), 31];
  const isLate = random.once(4);
  const terms = bounds.slice(0, -1).map((from, i) => ({
    ...{ from: isLate && i === 0 ? from + 3 : from, to: bounds[i + 1]!, price: draw.price() },
    ...{ subscription: 's1', plan: 'p', catalogVersion: 1, taken: [] },
  }));
  const added: AddedUsage[] = Array.from({ length: random.int(0, 8) }, () => random.int(0, 30))
    .sort((a, b) => a - b)
    .flatMap((at) => {
      const index = terms.findIndex(({ from, to }) => from <= at && at < to);
      const quantity = random.once(4) ? -draw.quantity() : draw.quantity();
      return index === -1 ? [] : [{ index, windowStart: at, windowEnd: at + 1, quantity }];
    });
  const period = { line: { meter }, windows: { from: 0, to: 31 }, terms } as unknown as UsagePeriod;
  const kinds = new Set(terms.map(({ price }) => (carriesUsage(price) ? 'carry' : 'share')));
  const kind = kinds.size === 1 ? [...kinds][0]! : 'share';
  const units = standing(added, terms.length);
  const slow = amountsOfUnits(
    kind,
    terms.map((term, i) => ({ ...term, price: slowOf(term.price), units: ratioOf(units[i]!) })),
    0,
    31,
  );
  return chargesOf(period, added).flatMap(({ amount, quantity, contributions, price }, i) => {
    const where = `${kind} ${i} of ${JSON.stringify(terms)} with ${added.map((each) => `${each.windowStart}: ${each.quantity}`)}`;
    const total = contributions.reduce((sum, each) => sum + each.quantity, 0n);
    const faults: string[] = [];
    if (amount.toString() !== ratioText(slow[i]!)) faults.push(`${where}: ${amount}, not ${ratioText(slow[i]!)}`);
    if (quantity !== units[i] || total !== quantity) faults.push(`${where}: ${quantity} units, not ${units[i]}`);
    if (!price(Decimal.zero).isZero) faults.push(`${where}: no usage costs ${price(Decimal.zero)}`);
    return faults;
  });
}

/** Which cell takes some values, and what it costs. */
function cellFaults(draw: Draw): string[] {
  const { random } = draw;
  const dimensions = ['a', 'b', 'c', 'd'].slice(0, random.int(1, 4));
  const cells = new Map<string, object>();
  for (let i = random.int(1, 12); i > 0; i--) {
    const values = dimensions.map(() => random.pick(VALUES));
    cells.set(JSON.stringify(values), { values, ...draw.model(MODELS.slice(0, -1)) });
  }
  const price = { slug: 's', meter: 'm', match: {}, model: 'matrix', dimensions, cells: [...cells.values()] };
  const values = dimensions.map(() => random.pick(VALUES));
  const fast = cellAt(price as unknown as UsagePrice, values);
  const slow = slowCellOf(
    price as unknown as SlowPrice,
    Object.fromEntries(dimensions.map((name, i) => [name, values[i]!])),
  );
  const where = `${JSON.stringify(values)} in ${JSON.stringify(price)}`;
  if (fast?.name !== slow?.name) return [`${where}: ${fast?.name}, not ${slow?.name}`];
  if (fast === null || slow === null) return [];
  const quantity = draw.quantity();
  const [amount, expected] = [
    amountOf(fast.price)(quantityToDecimal(quantity)),
    slowAmount(slow.price, ratioOf(quantity)),
  ];
  return amount.toString() === ratioText(expected) ? [] : [`${where}: ${amount}, not ${ratioText(expected)}`];
}

/** A percentage with a fee: each part by itself. */
function partFaults(draw: Draw): string[] {
  const fee = { meter: 'n', amount: draw.random.pick(RATES), ...(draw.random.once(2) && { included: { units: '2' } }) };
  const discounts = draw.random.once(2) ? { discounts: [{ rate: '0.2' }] } : {};
  const base = { slug: 's', meter: 'm', match: {}, included: { units: '2.5' }, ...discounts };
  const price = { ...base, ...draw.model(['percentage']), fee } as unknown as UsagePrice;
  const quantity = draw.quantity();
  const fast = partsOf(price).map((part) => `${part.slug} ${amountOf(part)(quantityToDecimal(quantity))}`);
  const slow = slowParts(slowOf(price)).map((part) => `${part.slug} ${ratioText(slowAmount(part, ratioOf(quantity)))}`);
  return fast.join() === slow.join() ? [] : [`${quantity} of ${JSON.stringify(price)}: ${fast}, not ${slow}`];
}

const NAMES = ['m', 'm-1', 'm-1-x', 'n', '*'] as const;
const PROVIDERS = ['', 'p', 'q'] as const;
const FAMILIES = ['f', 'g', undefined] as const;
const BUCKETS = ['input', 'cache_read', 'output', 'images'] as const;

function drawnBook(random: Random, slug: string, providers: readonly string[]): PriceBook {
  const rates = (): Rates =>
    Object.fromEntries(
      [...BUCKETS.filter(() => random.chance(0.6)), 'input'].map((bucket) => [bucket, random.pick(RATES)]),
    );
  const taken = new Set<string>();
  const models = Array.from({ length: random.int(1, 5) }, (): BookModel[] => {
    const [model, provider, family] = [random.pick(NAMES), random.pick(providers), random.pick(FAMILIES)];
    const alias = model === '*' ? undefined : random.pick(['m-1', 'z', undefined]);
    const keys = [model, ...(alias === undefined ? [] : [alias])].map((name) => JSON.stringify([provider, name]));
    if (new Set(keys).size < keys.length || keys.some((key) => taken.has(key))) return [];
    for (const key of keys) taken.add(key);
    return [
      {
        ...{ model, provider, rates: rates() },
        ...(family !== undefined && { family }),
        ...(alias !== undefined && { aliases: [alias] }),
        ...(random.once(2) && { contexts: { long: rates() } }),
        ...(random.once(3) && { services: { batch: random.once(2) ? '0.25' : rates() } }),
      },
    ];
  }).flat();
  return {
    ...{ slug, per: random.pick(['1', '1000', '1000000'] as const), models },
    ...(random.once(2) && { sameAs: { output: 'input' as const } }),
    ...(random.once(2) && { services: { batch: '0.5', fast: '1.75' } }),
  };
}

/** What a price makes of books, cell by cell, against a look through all of their models. */
function bookFaults(draw: Draw): string[] {
  const { random } = draw;
  const byProvider = random.once(2);
  const books = ['one', 'two']
    .slice(0, random.int(1, 2))
    .map((slug) => drawnBook(random, slug, byProvider ? PROVIDERS : ['']));
  const rule = (): MarkupRule => {
    const [model, family, provider] = [
      random.pick(['m', 'm*', 'm-*', undefined]),
      random.pick(FAMILIES),
      random.pick(['p', undefined]),
    ];
    return {
      factor: random.pick(['1.2', '0', '3']),
      ...(model !== undefined && { model }),
      ...(family !== undefined && { family }),
      ...(provider !== undefined && { provider }),
    };
  };
  const rules = new Map(
    Array.from({ length: random.int(0, 5) }, rule).map((each) => [JSON.stringify({ ...each, factor: 0 }), each]),
  );
  const markup = [...rules.values()];
  const axes = ['model', ...(byProvider ? ['provider'] : []), 'context', 'service'];
  const cells = cellsOfBooks(books, {
    ...{ has: (axis) => axes.includes(axis), ignores: () => false, standard: ['', 'usual'], buckets: BUCKETS, markup },
  });
  if (typeof cells === 'string') return [`${cells}: ${JSON.stringify(books)}`];
  const meters = Object.fromEntries(BUCKETS.map((bucket) => [bucket, `of ${bucket}`]));
  const dimensions = Object.fromEntries(axes.map((axis) => [axis, axis]));
  const of = { slug: 's', match: {}, books: ['one'], meters, dimensions, cells };
  const parts = bucketPrices({ ...of, model: 'price_book' });
  return Array.from({ length: 12 }).flatMap(() => {
    const [model, provider] = [random.pick([...NAMES.slice(0, 4), 'z', 'new']), random.pick(PROVIDERS)];
    const [context, service] = [
      random.pick(['', 'usual', 'long', 'other']),
      random.pick(['', 'usual', 'batch', 'fast']),
    ];
    const part = random.pick(parts);
    const bucket = part.slug.slice(2);
    const fast = cellAt(part, [model, ...(byProvider ? [provider] : []), context, service])?.price;
    const usual = (value: string): string => (value === 'usual' ? '' : value);
    const asked = { books, markup, byProvider, provider, model, bucket };
    const slow = slowRate({ ...asked, context: usual(context), service: usual(service) });
    const [text, expected] = [
      fast === undefined ? 'none' : amountOf(fast)(Decimal.parse('1')).toString(),
      slow === null ? 'none' : ratioText(slow),
    ];
    if (text === expected && (fast === undefined || fast.meter === `of ${bucket}`)) return [];
    return [
      `${bucket} of ${JSON.stringify([model, provider, context, service])}: ${text}, not ${expected}; ${JSON.stringify([books, markup])}`,
    ];
  });
}

/** What differs in the case of a seed; empty where all is well. */
export function caseFaults(seed: number): string[] {
  const draw = new Draw(seed);
  switch (seed % 9) {
    case 0:
      return cellFaults(draw);
    case 8:
      return bookFaults(draw);
    case 1:
      return partFaults(draw);
    case 2:
    case 3:
    case 4:
      return amountFaults(draw);
    default:
      return termFaults(draw);
  }
}
