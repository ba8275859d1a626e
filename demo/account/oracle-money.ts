// What every customer owes for the usage in closed windows and in fees, worked out from what was agreed with nothing
// but bigint arithmetic: by customer and billing period, the usage a price matches is added up and priced once, and
// shared out where the price has changed (oracle-terms.ts).
import type { Price } from '../../domain/catalog/catalog.ts';
import type { Agreements } from './agreements.ts';
import { scaled, type UsageCell } from './oracle.ts';
import { AgreedTimes, partOf, type Stretch, shareOut } from './oracle-terms.ts';

/** Quantities have 12 fraction digits and unit amounts may have 24. */
export const MONEY_SCALE = 36;
const QUANTITY_SCALE = 12;
const RATE_SCALE = MONEY_SCALE - QUANTITY_SCALE;
/** Shares are rounded to twelve digits. */
const SHARE_UNIT = 10n ** BigInt(MONEY_SCALE - 12);

/** plan → customer → amount as a count of 10^-MONEY_SCALE. */
export type Bills = Map<string, Map<string, bigint>>;

type Tiered = Extract<Price, { model: 'graduated' | 'volume' }>;

const rate = (text: string): bigint => scaled(text, RATE_SCALE);
const flat = (text: string): bigint => scaled(text, MONEY_SCALE);
const bound = (upTo: string | null): bigint | null => (upTo === null ? null : scaled(upTo, QUANTITY_SCALE));

interface Bounded {
  readonly upTo: string | null;
}

function partsOf<Tier extends Bounded>(
  tiers: readonly Tier[],
  quantity: bigint,
  amountOf: (part: bigint, tier: Tier) => bigint,
): bigint {
  let amount = 0n;
  let from = 0n;
  for (const tier of tiers) {
    if (quantity <= from) break;
    const to = bound(tier.upTo);
    const within = (to === null || quantity < to ? quantity : to) - from;
    amount += amountOf(within, tier);
    from += within;
  }
  return amount;
}

const tierOf = <Tier extends Bounded>(tiers: readonly Tier[], quantity: bigint): Tier =>
  tiers.find(({ upTo }) => upTo === null || quantity <= bound(upTo)!)!;

const graduated = ({ tiers }: Tiered, quantity: bigint): bigint =>
  partsOf(tiers, quantity, (part, { unitAmount, flatAmount }) => part * rate(unitAmount) + flat(flatAmount));

function volume({ tiers }: Tiered, quantity: bigint): bigint {
  if (quantity <= 0n) return 0n;
  const { unitAmount, flatAmount } = tierOf(tiers, quantity);
  return quantity * rate(unitAmount) + flat(flatAmount);
}

/** The price of a period's whole usage, a count of 10^-12. */
export function oracleAmount(price: Price, quantity: bigint): bigint {
  switch (price.model) {
    case 'per_unit':
      return quantity * rate(price.unitAmount);
    case 'graduated':
      return graduated(price, quantity);
    case 'volume':
      return volume(price, quantity);
    case 'package': {
      const size = scaled(price.packageSize, QUANTITY_SCALE);
      const packages = quantity / size + (quantity % size > 0n ? 1n : 0n);
      return packages * flat(price.packageAmount);
    }
    case 'stairstep':
      return quantity <= 0n ? 0n : flat(tierOf(price.tiers, quantity).amount);
    case 'tiered_package':
      return partsOf(price.tiers, quantity, (part, { packageSize, packageAmount }) => {
        const size = scaled(packageSize, QUANTITY_SCALE);
        return ((part + size - 1n) / size) * flat(packageAmount);
      });
    case 'graduated_percentage':
      return quantity < 0n
        ? quantity * rate(price.tiers[0]!.rate)
        : partsOf(price.tiers, quantity, (part, tier) => part * rate(tier.rate));
    case 'cost_plus':
      return quantity * rate(price.factor);
    case 'flat':
      return flat(price.flatAmount);
    case 'percentage':
    case 'matrix':
    case 'price_book':
      throw new Error(`the demo has no ${price.model} price`);
  }
}

const matches = (price: Exclude<Price, { model: 'flat' | 'price_book' }>, cell: UsageCell): boolean =>
  price.meter === cell.meter.slug &&
  Object.entries(price.match).every(([name, value]) => {
    const index = cell.meter.dimensions.findIndex((dimension) => dimension.name === name);
    return cell.groups[index] === value;
  });

/** What is closed and what has begun at the time of the check, milliseconds. */
export interface BillingTime {
  readonly watermark: number;
  readonly allowedLatenessMs: number;
}

class BillSums {
  readonly bills: Bills = new Map();

  add(plan: string, customer: string, amount: bigint): void {
    const bill = this.bills.get(plan) ?? new Map<string, bigint>();
    this.bills.set(plan, bill);
    bill.set(customer, (bill.get(customer) ?? 0n) + amount);
  }
}

const slugsOf = (agreements: Agreements, isFee: boolean): string[] => [
  ...new Set(
    agreements.newest.catalog.plans
      .flatMap(({ prices }) => prices)
      .filter(({ model }) => (model === 'flat') === isFee)
      .map(({ slug }) => slug),
  ),
];

/** A price of one customer in one period: how much was used in each stretch of it. */
interface UsedInPeriod {
  readonly stretches: readonly Stretch[];
  readonly quantities: bigint[];
}

function usedByPeriod(
  times: AgreedTimes,
  stretches: readonly Stretch[],
  cells: readonly UsageCell[],
): Iterable<UsedInPeriod> {
  const used = new Map<string, UsedInPeriod>();
  for (const cell of cells) {
    const at = stretches.find(({ from, to }) => from <= cell.windowStart && cell.windowStart < to);
    if (at === undefined || at.price.model === 'flat' || at.price.model === 'price_book' || !matches(at.price, cell))
      continue;
    const period = times.periodAt(at.subscription, cell.windowStart);
    const key = JSON.stringify([at.subscription?.id ?? null, period.start]);
    // A stretch without usage counts too: it says how the others are shared out.
    let known = used.get(key);
    if (known === undefined) {
      const isIn = (stretch: Stretch) => stretch.subscription === at.subscription && times.isIn(stretch, period);
      const inPeriod = stretches.filter(isIn);
      known = { stretches: inPeriod, quantities: inPeriod.map(() => 0n) };
      used.set(key, known);
    }
    known.quantities[known.stretches.indexOf(at)]! += cell.value;
  }
  return used.values();
}

function addFees(sums: BillSums, times: AgreedTimes, customer: string, slugs: readonly string[], until: number): void {
  for (const { from, to, subscription, plan, price } of slugs.flatMap((slug) => times.feeStretches(slug, until))) {
    for (let at = from; at <= until && at < to; ) {
      const { start, end } = times.periodAt(subscription, at);
      const [begin, finish, whole] = [at - start, Math.min(to, end) - start, end - start].map(BigInt);
      sums.add(plan, customer, partOf(oracleAmount(price, 0n), begin!, finish!, whole!, SHARE_UNIT));
      at = end;
    }
  }
}

/**
 * What every customer owes at that time: for the usage in closed windows, and the fees of the stretches that have
 * begun.
 */
export function billsOf(agreements: Agreements, cells: Iterable<UsageCell>, time: BillingTime): Bills {
  const sums = new BillSums();
  const [usageSlugs, feeSlugs] = [slugsOf(agreements, false), slugsOf(agreements, true)];
  for (const customer of agreements.subscribers)
    addFees(sums, new AgreedTimes(agreements, customer), customer, feeSlugs, time.watermark);

  const closed = new Map<string, UsageCell[]>();
  for (const cell of cells) {
    if (time.watermark < cell.itemEnd + time.allowedLatenessMs) continue;
    const known = closed.get(cell.subject);
    if (known === undefined) closed.set(cell.subject, [cell]);
    else known.push(cell);
  }
  // Most customers have what everybody has.
  const common = new Map<string, Stretch[]>();
  for (const [customer, own] of closed) {
    const times = new AgreedTimes(agreements, customer);
    const isCommon = agreements.subscriptionOf(customer) === null;
    for (const slug of usageSlugs) {
      const stretches = (isCommon ? common.get(slug) : undefined) ?? times.usageStretches(slug);
      if (isCommon) common.set(slug, stretches);
      for (const { stretches: inPeriod, quantities } of usedByPeriod(times, stretches, own)) {
        const of = inPeriod.map(({ price }, i) => ({ price, quantity: quantities[i]! }));
        for (const [i, amount] of shareOut(of, oracleAmount, SHARE_UNIT).entries())
          sums.add(inPeriod[i]!.plan, customer, amount);
      }
    }
  }
  return sums.bills;
}
