// Random histories of one customer, from a seed: plans, seats, prices and catalogs that change, pauses, trials, ends,
// successors, undone changes, negative usage. Everything happens at the start of a slot of half an hour, so that the
// slow model can look at each; windows of an hour begin between two of them.
import type { CatalogVersion, Meter, Plan, Price } from '../../domain/catalog/catalog.ts';
import type { UsagePrice } from '../../domain/pricing/prices.ts';
import type { SubscriptionDiscount } from '../../domain/pricing/subscription-discounts.ts';
import { Random } from '../../domain/random.ts';
import type {
  SubscriptionOpening,
  SubscriptionPatch,
  SubscriptionRecord,
} from '../../domain/terms/subscription-history.ts';
import { catalogOf, meterOf } from './records.ts';
import { SLOT, type SlowHistory, type SlowUsage } from './slow-model.ts';

/** A Monday. */
const START = Date.UTC(2026, 0, 5);
const SLOTS = 3 * 48;
const PLANS = ['p', 'q', 'r'] as const;
// Some have more digits than a share is rounded to.
const RATES = ['0', '0.07', '0.1', '1', '2.5', '0.000000000001', '0.1234567890123456789'] as const;

const slotAt = (slot: number): number => START + slot * SLOT;

/** Draws histories; a price is drawn so that it may be rather like another. */
class Draw {
  private readonly random: Random;
  /** What stands around prices, and those of several quantities: by a stream of its own. */
  private readonly around: Random;
  /** Minimums, likewise. */
  private readonly least: Random;
  /** Discounts of subscriptions, likewise. */
  private readonly off: Random;
  private meters: readonly Meter[] = [];

  constructor(random: Random) {
    this.random = random;
    this.around = random.fork('around');
    this.least = random.fork('minimum');
    this.off = random.fork('discounts');
  }

  history(): SlowHistory {
    const { random } = this;
    const meters = [
      meterOf('one', { aggregation: random.pick(['sum', 'sum', 'count', 'unique']), window: '1h' }),
      meterOf('two', {
        aggregation: random.pick(['sum', 'max', 'min', 'latest', 'unique', 'avg']),
        window: random.pick(['1h', '1d']),
      }),
    ];
    this.meters = meters;
    const keepsFees = random.once(12);
    const history = {
      start: START,
      end: slotAt(SLOTS),
      versions: this.versions(meters, keepsFees),
      subscriptions: this.subscriptions(keepsFees),
      usage: this.usage(meters),
    };
    return history;
  }

  private slot(from = 0, to = SLOTS - 1): number {
    // Full hours and days more often than half hours.
    const slot = this.random.int(from, to);
    return this.random.once(3) ? slot : Math.max(from, slot - (slot % (this.random.once(3) ? 48 : 2)));
  }

  private tiers(own: () => object): object[] {
    const bounds = this.random.pick([['3'], ['2', '7']]);
    return [...bounds, null].map((upTo) => ({ upTo, ...own() }));
  }

  private every(): object {
    return this.random.pick([{ days: 2 }, { days: 2 }, { days: 1 }]);
  }

  private usagePrice(slug: string, meter: string, match: Record<string, string>, every: object): Price {
    const { random } = this;
    const beside = { ...(random.once(6) && { overlap: true }) };
    const base = { slug, meter, match, every, ...beside, ...(random.once(8) && { onChange: this.kind(meter) }) };
    return this.withMinimum(this.ofSeveral({ ...base, ...this.model(), ...this.aroundOne() } as Price));
  }

  private minimum(): string {
    return this.least.pick(['1', '4', '12.5', '30', '7.123456789012345']);
  }

  private withMinimum(price: Price): Price {
    const hasFee = 'fee' in price && price.fee !== undefined;
    return hasFee || !this.least.once(4) ? price : ({ ...price, minimum: this.minimum() } as Price);
  }

  private ofPlan(): Partial<Plan> {
    const { least } = this;
    const every = least.pick([{ days: 2 }, { days: 2 }, { days: 1 }]);
    return least.once(3) ? { minimum: { amount: this.minimum(), every } } : {};
  }

  /** An allowance, a maximum or discounts, of some prices. */
  private aroundOne(): object {
    const { around } = this;
    if (!around.once(4)) return {};
    const from = around.once(2) ? { from: new Date(slotAt(this.aroundSlot())).toISOString() } : {};
    const until = around.once(2) ? { until: new Date(slotAt(this.aroundSlot() + 60)).toISOString() } : {};
    const discount = () => ({
      ...around.pick([{ rate: '0.5' }, { rate: '0.25' }, { rate: '1' }, { amount: '0.7' }, { units: '1.5' }]),
      ...from,
      ...until,
    });
    const units = around.pick(['1', '2', '2.5', '0.3']);
    return {
      ...(around.once(2) && { included: { units, ...(around.once(3) && { proration: 'none' }) } }),
      ...(around.once(2) && { discounts: around.once(3) ? [discount(), discount()] : [discount()] }),
      ...(around.once(3) && { maximum: around.pick(['0.5', '3', '7.123456789012345']) }),
    };
  }

  private aroundSlot(): number {
    return this.around.below(SLOTS / 2);
  }

  /** Now and then a matrix, or a percentage with a fee by the other meter. */
  private ofSeveral(price: Price): Price {
    const { around } = this;
    const { slug, meter, match, every, overlap } = price as UsagePrice;
    const shared = {
      slug,
      meter,
      match,
      every,
      ...(overlap && { overlap }),
      ...(price.onChange !== undefined && { onChange: price.onChange }),
    };
    const rates = () => (around.once(4) ? { discounts: [{ rate: '0.5' }] } : {});
    const { aggregation } = this.meters.find((each) => each.slug === meter)!;
    if (around.once(8) && aggregation !== 'latest' && aggregation !== 'unique' && match.model === undefined)
      return { ...shared, ...rates(), model: 'matrix', dimensions: ['model'], cells: this.cells() } as Price;
    if (!around.once(10)) return price;
    const included = () => (around.once(2) ? { included: { units: around.pick(['1', '2.5']) } } : {});
    const feeMeter = meter === 'one' && !this.isMean('two') ? 'two' : 'one';
    const fee = { meter: feeMeter, amount: around.pick(RATES), ...included() };
    const rate = around.pick(RATES);
    return { ...shared, ...rates(), ...included(), model: 'percentage', rate, ...(around.once(2) && { fee }) } as Price;
  }

  private cells(): object[] {
    const { around } = this;
    const all = [['x'], ['y'], ['*']].filter(() => around.chance(0.7));
    return (all.length === 0 ? [['x']] : all).map((values) => {
      const bounds = around.once(3) ? { included: { units: '1.5' } } : around.once(4) ? { maximum: '2' } : {};
      return { values, ...this.model(), ...bounds };
    });
  }

  /** Most of them; now and then one is as others are. */
  private otherwise(price: Price): Price {
    const { overlap: _, ...alone } = price as UsagePrice;
    return this.random.once(8) ? price : ({ ...alone, otherwise: true } as Price);
  }

  private model(): object {
    const { random } = this;
    const model = random.pick([
      ...(['per_unit', 'per_unit', 'graduated', 'graduated', 'volume', 'volume', 'package'] as const),
      ...(['stairstep', 'tiered_package', 'graduated_percentage', 'cost_plus'] as const),
    ]);
    const packages = () => ({ packageSize: random.pick(['2', '3']), packageAmount: random.pick(RATES) });
    switch (model) {
      case 'per_unit':
        return { model, unitAmount: random.pick(RATES) };
      case 'cost_plus':
        return { model, factor: random.pick(RATES) };
      case 'package':
        return { model, ...packages() };
      case 'tiered_package':
        return { model, tiers: this.tiers(packages) };
      case 'stairstep':
        return { model, tiers: this.tiers(() => ({ amount: random.pick(RATES) })) };
      case 'graduated_percentage':
        return { model, tiers: this.tiers(() => ({ rate: random.pick(RATES) })) };
      default: {
        const flatAmount = () => (random.once(5) ? random.pick(['1', '0.3']) : '0');
        return { model, tiers: this.tiers(() => ({ unitAmount: random.pick(RATES), flatAmount: flatAmount() })) };
      }
    }
  }

  /** Of levels also what catalogs refuse; a mean has no units, whole or not, that could be told one by one. */
  private kind(meter: string): string {
    const kind = this.random.pick(['carry', 'share', 'prorate', 'restart']);
    return this.isMean(meter) && kind !== 'restart' ? 'prorate' : kind;
  }

  private isMean(meter: string): boolean {
    return this.meters.find(({ slug }) => slug === meter)!.aggregation === 'avg';
  }

  private fee(slug: string, every: object, keepsFees: boolean): Price {
    const { random } = this;
    return {
      slug,
      model: 'flat',
      flatAmount: random.pick(['0', '1', '2.5', '10', '7.77', '0.000000000003', '9.87654321098765']),
      every,
      ...(random.once(3) && { proration: random.pick(['second', 'day', 'none']) }),
      ...(random.once(3) && { quantity: 'seats' }),
      ...(keepsFees && random.chance(0.7) && { giveBack: false }),
    } as Price;
  }

  private prices(keepsFees: boolean): Price[] {
    const { random } = this;
    const every = this.every();
    const all = [
      this.usagePrice('a', 'one', {}, every),
      this.usagePrice('b', 'one', { model: random.pick(['x', 'x', 'y']) }, every),
      this.usagePrice('c', 'two', random.once(4) ? { model: 'x' } : {}, random.once(6) ? this.every() : every),
      this.otherwise(this.usagePrice('d', 'one', random.once(6) ? { model: 'y' } : {}, every)),
      this.otherwise(this.usagePrice('e', 'two', {}, random.once(6) ? this.every() : every)),
      this.fee('f', every, keepsFees),
      this.fee('g', every, keepsFees),
    ];
    return all.filter(() => random.chance(0.6));
  }

  private versions(meters: readonly Meter[], keepsFees: boolean): CatalogVersion[] {
    const { random } = this;
    const fields = PLANS.map(
      (slug) =>
        [slug, { afterEnd: random.pick(['none', 'default']), trialUsage: random.pick(['charged', 'free']) }] as const,
    );
    let plans = new Map(PLANS.map((slug) => [slug as string, this.prices(keepsFees)]));
    let minimums = new Map(PLANS.map((slug) => [slug as string, this.ofPlan()]));
    const defaults = random.once(3) ? [...PLANS] : [null];
    let defaultPlan = random.once(3) ? null : random.pick(defaults);
    const versions: CatalogVersion[] = [];
    for (let version = 1; version <= random.int(1, 4); version++) {
      if (version > 1) {
        plans = this.changed(plans, keepsFees);
        if (random.once(4)) defaultPlan = random.pick(defaults);
        if (this.least.once(3)) minimums = new Map([...minimums, [this.least.pick(PLANS), this.ofPlan()]]);
      }
      const effectiveAt = slotAt(version === 1 ? (random.once(2) ? -96 : this.slot(0, 20)) : this.slot());
      versions.push({
        version,
        effectiveAt,
        catalog: catalogOf(
          Object.fromEntries(
            fields.map(([slug, of]) => [
              slug,
              { ...(of as Partial<Plan>), ...minimums.get(slug), prices: plans.get(slug)! },
            ]),
          ),
          { meters: [...meters], defaultPlan },
        ),
        ...(random.once(4) && { appliesTo: 'next' as const }),
        ...(random.once(2) && { closedUpTo: effectiveAt - random.int(0, 8) * SLOT }),
      });
    }
    return versions;
  }

  /** One price of one plan changes, comes or goes; now and then everything. */
  private changed(plans: Map<string, Price[]>, keepsFees: boolean): Map<string, Price[]> {
    const { random } = this;
    const slug = random.pick(PLANS);
    const prices = plans.get(slug)!;
    const fresh = this.prices(keepsFees);
    if (random.once(4) || prices.length === 0) return new Map([...plans, [slug, fresh]]);
    const changing = random.pick(prices);
    const kept = prices.filter((price) => price !== changing);
    if (random.once(4)) return new Map([...plans, [slug, kept]]);
    const next = fresh.find((price) => price.slug === changing.slug) ?? changing;
    return new Map([...plans, [slug, [...kept, random.once(2) ? { ...next, every: changing.every! } : next]]]);
  }

  private subscriptions(keepsFees: boolean): SlowHistory['subscriptions'] {
    const { random } = this;
    let from = this.slot(0, 70);
    return Array.from({ length: random.int(1, 3) }, (_, i) => {
      const subscription = this.subscription(`s${i + 1}`, from, i === 0, keepsFees);
      from = random.once(6) ? this.slot(from, SLOTS - 2) : Math.min(SLOTS - 2, from + random.int(1, 70));
      return subscription;
    });
  }

  private subscription(id: string, from: number, isFirst: boolean, keepsFees: boolean) {
    const { random } = this;
    const startsAt = random.once(4) ? slotAt(from - random.int(0, 48)) : slotAt(from);
    const opening: SubscriptionOpening = {
      id,
      startsAt,
      billedFrom: slotAt(from),
      takesBegunWindow: isFirst && random.once(2),
      anchor: random.once(3) ? 'calendar' : startsAt,
      timezone: 'UTC',
    };
    const records: SubscriptionRecord[] = [
      {
        sequence: 1,
        patches: [
          { at: startsAt, patch: { plan: random.pick(PLANS), quantities: { seats: '2' }, ...this.discounts(6) } },
        ],
      },
    ];
    for (let sequence = 2; sequence <= random.int(1, 7); sequence++) {
      const at = slotAt(this.slot(from));
      if (sequence > 2 && random.once(8)) records.push({ sequence, undoes: random.int(2, sequence - 1), at });
      else records.push({ sequence, patches: [{ at, patch: { ...this.patch(at, keepsFees), ...this.discounts(8) } }] });
    }
    // Most of them end, so that others follow.
    if (random.chance(0.7)) {
      const at = slotAt(this.slot(from));
      records.push({ sequence: 50, patches: [{ at, patch: { endsAt: at + random.int(0, 30) * SLOT } }] });
    }
    return { opening, records };
  }

  /** Now and then: one is of one price, or of all. */
  private discounts(rarity: number): Pick<SubscriptionPatch, 'discounts'> {
    const { off } = this;
    if (!off.once(rarity)) return {};
    const discount = (): SubscriptionDiscount => {
      const price = off.pick(['a', 'a', 'c', 'd', 'f']);
      const from = slotAt(off.below(SLOTS));
      return {
        ...off.pick([
          { rate: '0.5' },
          { rate: '1' },
          { price, rate: '0.25' },
          { price, units: '2.5' },
          { price, amount: '0.9' },
        ]),
        ...(off.once(2) && { from: new Date(from).toISOString() }),
        ...(off.once(2) && { until: new Date(from + off.int(1, 60) * SLOT).toISOString() }),
      };
    };
    return { discounts: Array.from({ length: off.int(0, 2) }, discount) };
  }

  private patch(at: number, keepsFees: boolean): SubscriptionPatch {
    const { random } = this;
    const later = at + random.int(1, 60) * SLOT;
    switch (random.below(8)) {
      case 0:
        return { quantities: { seats: random.pick(['1', '3', null]) } };
      case 1:
        return { pausedUntil: random.pick([later, 'open', null]) };
      case 2:
        return { trialEndsAt: random.pick([later, null]) };
      case 3: {
        const price = random.pick([
          this.usagePrice('a', 'one', {}, { days: 2 }),
          this.usagePrice('b', 'one', { model: random.pick(['x', 'y']) }, { days: 2 }),
          this.fee('f', { days: 2 }, keepsFees),
        ]);
        return { overrides: { [price.slug]: random.pick([price, null]) } };
      }
      default:
        return { plan: random.pick(PLANS) };
    }
  }

  private usage(meters: readonly Meter[]): SlowUsage[] {
    const { random } = this;
    const mayFall = random.once(3);
    return Array.from({ length: random.int(0, 40) }, () => {
      const meter = random.pick(meters);
      const value = random.int(1, 5);
      return {
        meter: meter.slug,
        at: slotAt(random.below(SLOTS)),
        model: random.pick(['x', 'y']),
        value: mayFall && meter.aggregation === 'sum' && random.once(3) ? -value : value,
      };
    }).sort((a, b) => a.at - b.at);
  }
}

export const historyOf = (seed: number): SlowHistory => new Draw(new Random(seed)).history();
