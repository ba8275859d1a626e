// An independent account of what ought to be billed: after every rating, for each price of each period, the line items
// have to add up to the price of the usage that was sealed and closed then, computed here from the log with integers.

import type { PeriodKey, RatedPeriod } from '../../../domain/billing/billing-period-terms.ts';
import type { Meter, Price, Subscription } from '../../../domain/catalog/catalog.ts';
import type { UsagePrice } from '../../../domain/pricing/prices.ts';
import type { Tier } from '../../../domain/pricing/tiers.ts';
import { covers, nextChunkOf, type SealVector } from '../../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import type { PeriodDetail } from '../../../platform/billing-store/written-prices.ts';
import { PARTITIONS, type Plan, TENANTS } from '../plan.ts';
import type { PostgresModel } from '../stores/postgres-model.ts';
import type { Rated, RatingModel, StoredItem } from '../stores/rating-model.ts';
import { mergedValue } from './store-check.ts';
import { unitsOf } from './units.ts';
import { type Reading, type UsageOracle, Violation } from './usage-oracle.ts';

const ONE = 1_000_000_000_000n;
const GENERATION = 1;
/** To look at every period costs as much as a rating. */
const ADVANCES_A_CHECK = 8;
const windowMs: Readonly<Record<string, number>> = { '1m': 60e3, '15m': 900e3, '1h': 3600e3, '1d': 86400e3 };
const zoneMs: Readonly<Record<string, number>> = { UTC: 0, 'Asia/Kolkata': 5.5 * 3600e3 };
const DAY_MS = 86_400_000;

/** How much time a line item covers. */
const itemMs = ({ window, itemWidth }: Meter): number => windowMs[itemWidth ?? window]!;
/** Where the stretch starts that line items of a meter cover, and that has this time. */
const stretchStart = (meter: Meter, time: number): number => time - (time % itemMs(meter));

/** What a rating could see. */
interface View {
  readonly vector: SealVector;
  readonly closedUpTo: number;
  readonly watermark: number;
}

export class MoneyOracle {
  private readonly plan: Plan;
  private readonly usage: UsageOracle;
  private readonly rating: RatingModel;
  private readonly postgres: PostgresModel;
  private readonly seen = new Map<string, RatedPeriod>();
  private readonly amounts = new Map<StoredItem, bigint>();
  checks = 0;
  private advances = 0;

  constructor(plan: Plan, usage: UsageOracle, rating: RatingModel, postgres: PostgresModel) {
    this.plan = plan;
    this.usage = usage;
    this.rating = rating;
    this.postgres = postgres;
  }

  /** After each commit of a rating. */
  rated({ periods, items }: Rated): void {
    const saved = new Map(periods.map((period) => [periodText(period), period]));
    for (const item of items) {
      const period = saved.get(periodText(item));
      if (period === undefined) throw new Violation('I4', `a line item for ${periodText(item)}, which was not rated`);
      this.checkSpan(item, period);
    }
    for (const period of periods) {
      const { sealVector, closedUpTo, ratedWatermark } = period;
      this.checkTerms(period);
      this.checkView(period);
      const view: View = { vector: sealVector, closedUpTo: closedUpTo!, watermark: ratedWatermark! };
      this.checkPeriod(period, view);
      this.checkItems(period, view);
    }
    for (const { tenant, customer } of periods) this.checkOverlap(tenant, customer);
  }

  /** What a rating reads as one sum and what it reads one by one: no item of several windows is some of both. */
  readDetail(period: PeriodDetail): void {
    const { detailFrom } = period;
    for (const { meter, price, item } of this.rating.itemsOf(period)) {
      if (meter === null || this.meterOf(meter).itemWidth === undefined) continue;
      if (item.windowStart >= detailFrom || item.windowEnd <= detailFrom) continue;
      throw new Violation(
        'I4',
        `${periodText(period)} ${price}: what was before ${new Date(detailFrom).toISOString()} is read as one, and a line ` +
          `item is of ${new Date(item.windowStart).toISOString()} to ${new Date(item.windowEnd).toISOString()}`,
      );
    }
  }

  /** Whenever the raters' progress moves: what it passes over is billed. */
  advanced({ sealVector, closedUpTo, watermark, catalogVersion }: RaterProgress): void {
    const view: View = { vector: sealVector, closedUpTo: closedUpTo!, watermark: watermark! };
    const subscribed = new Set(this.usage.catalog(catalogVersion).subscriptions.map(({ subject }) => subject));
    for (const tenant of TENANTS) {
      for (const customer of subscribed) {
        if (!this.timeline(catalogVersion, tenant, customer).some(({ startsAt }) => startsAt <= view.watermark))
          continue;
        const periods = this.periodsOf(tenant, customer);
        if (!periods.some(({ periodStart, periodEnd }) => periodStart <= view.watermark && view.watermark < periodEnd))
          throw new Violation(
            'I4',
            `the progress is ${view.watermark}, and nothing is charged to ${tenant}/${customer}`,
          );
      }
    }
    if (this.advances++ % ADVANCES_A_CHECK > 0) return;
    // A rater that is ahead may have rated some periods by more than this.
    const isBehind = (period: RatedPeriod): boolean =>
      covers(sealVector, period.sealVector) && period.closedUpTo! <= view.closedUpTo;
    for (const period of this.rating.periods.values()) if (isBehind(period)) this.checkPeriod(period, view);
  }

  private periodsOf(tenant: string, customer: string): RatedPeriod[] {
    return [...this.rating.periods.values()].filter(
      (period) => period.tenant === tenant && period.customer === customer,
    );
  }

  /** Of whoever the window is: what was assigned by its start, or within it for the first time. */
  private ownerOf(tenant: string, subject: string, windowStart: number, windowMs: number): string {
    const all = this.rating.assigned.get(JSON.stringify([tenant, subject]))?.assignments ?? [];
    let owner = subject;
    for (const [i, { from, customer }] of all.entries()) {
      const begins = i === 0 ? from - (from % windowMs) : from;
      if (begins <= windowStart) owner = customer;
    }
    return owner;
  }

  /** The subjects that are the customer's at some time. */
  private subjectsOf(tenant: string, customer: string): string[] {
    const assigned = [...this.rating.assigned.values()].filter(
      (each) => each.tenant === tenant && each.assignments.some((assignment) => assignment.customer === customer),
    );
    return [...new Set([customer, ...assigned.map(({ subject }) => subject)])];
  }

  /** At the end, when everything that is sealed is rated. */
  checkAll(): void {
    const { sealVector, closedUpTo, watermark } = this.rating.progress;
    const view: View = { vector: sealVector, closedUpTo: closedUpTo!, watermark: watermark! };
    for (const period of this.rating.periods.values()) this.checkPeriod(period, view);
    for (const [key, readings] of this.usage.readingsBySubject) {
      const [tenant, subject] = JSON.parse(key) as [string, string];
      for (const { windowStart, partition, chunk, meter } of readings) {
        if (chunk >= nextChunkOf(sealVector, GENERATION, partition)) continue;
        const definition = this.meterOf(meter);
        if (stretchStart(definition, windowStart) + itemMs(definition) > closedUpTo!) continue;
        const periods = this.periodsOf(
          tenant,
          this.ownerOf(tenant, subject, windowStart, windowMs[definition.window]!),
        );
        const covering = periods.filter(
          ({ periodStart, periodEnd }) => periodStart <= windowStart && windowStart < periodEnd,
        );
        if (covering.length !== 1) {
          throw new Violation(
            'I4',
            `${covering.length} periods of ${key} bill the window ${new Date(windowStart).toISOString()}`,
          );
        }
      }
    }
  }

  /** What a rating saw is never less than before, and never more than there is. */
  private checkView(period: RatedPeriod): void {
    const { closedUpTo, ratedWatermark, sealVector } = period;
    const key = periodText(period);
    const before = this.seen.get(key);
    this.seen.set(key, period);
    if (ratedWatermark === null || closedUpTo === null || ratedWatermark > this.postgres.published!) {
      throw new Violation(
        'I4',
        `${key} was rated by the watermark ${ratedWatermark}, ${this.postgres.published} is published`,
      );
    }
    if (closedUpTo > this.postgres.published! - this.plan.allowedLatenessMs) {
      throw new Violation('I4', `${key}: windows up to ${closedUpTo} were closed too early`);
    }
    if (before === undefined) return;
    if (closedUpTo < before.closedUpTo!) throw new Violation('I4', `${key}: closed windows were opened again`);
    for (const [partition, next] of Object.entries(before.sealVector[GENERATION] ?? {})) {
      if (nextChunkOf(sealVector, GENERATION, Number(partition)) < next) {
        throw new Violation('I4', `${key}: rated with fewer chunks of partition ${partition} than before`);
      }
    }
  }

  private timeline(version: number, tenant: string, customer: string): Subscription[] {
    const byStart = new Map<number, Subscription>();
    for (const subscription of this.usage.catalog(version).subscriptions) {
      if (subscription.subject !== customer || (subscription.tenant !== null && subscription.tenant !== tenant))
        continue;
      const other = byStart.get(subscription.startsAt);
      if (other === undefined || other.tenant === null) byStart.set(subscription.startsAt, subscription);
    }
    return [...byStart.values()].sort((a, b) => a.startsAt - b.startsAt);
  }

  /** Of a period that is rated for the first time: its plan, its pinned prices and its bounds. */
  private checkTerms(period: RatedPeriod): void {
    const key = periodText(period);
    if (this.seen.has(key) || period.periodEnd === period.periodStart) return;
    const { tenant, customer, periodStart, periodEnd, timelineVersion } = period;
    const timeline = this.timeline(timelineVersion, tenant, customer);
    const subscription = timeline.findLast(({ startsAt }) => startsAt <= periodStart);
    const next = timeline.find(({ startsAt }) => startsAt > periodStart);
    const plan = subscription?.plan ?? 'basic';
    const versions = this.postgres.catalogVersions.filter(({ version }) => version <= timelineVersion);
    const pinned = versions.findLast(({ effectiveAt }) => effectiveAt <= periodStart) ?? versions[0]!;
    const anchor = plan === 'pro' ? subscription!.startsAt : null;
    const { timezone } = pinned.catalog.plans.find(({ slug }) => slug === plan)!;
    const [monthStart, monthEnd] = monthOf(periodStart, anchor, zoneMs[timezone]!);
    const expected = {
      plan,
      catalogVersion: pinned.version,
      start: Math.max(monthStart, subscription?.startsAt ?? monthStart),
      end: Math.min(monthEnd, next?.startsAt ?? monthEnd),
      subscriptionStart: subscription?.startsAt ?? null,
    };
    const found = {
      plan: period.plan,
      catalogVersion: period.catalogVersion,
      start: periodStart,
      end: periodEnd,
      subscriptionStart: period.subscriptionStart,
    };
    const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
    if (a !== b) throw new Violation('I4', `period ${key} is ${b}, the catalog says ${a}`);
  }

  private checkOverlap(tenant: string, customer: string): void {
    const periods = this.periodsOf(tenant, customer)
      .filter(({ periodStart, periodEnd }) => periodEnd > periodStart)
      .sort((a, b) => a.periodStart - b.periodStart);
    for (let i = 1; i < periods.length; i++) {
      if (periods[i - 1]!.periodEnd > periods[i]!.periodStart) {
        throw new Violation(
          'I4',
          `periods of ${tenant}/${customer} overlap at ${new Date(periods[i]!.periodStart).toISOString()}`,
        );
      }
    }
  }

  private checkPeriod(period: RatedPeriod, view: View): void {
    this.checks++;
    const written = new Map<string, { quantity: bigint; amount: bigint }>();
    for (const line of this.rating.itemsOf(period)) {
      const key = JSON.stringify([line.price, line.subject]);
      const { quantity, amount } = written.get(key) ?? { quantity: 0n, amount: 0n };
      written.set(key, { quantity: quantity + line.item.quantity, amount: amount + this.amountOf(line) });
    }
    const catalog = this.usage.catalog(period.catalogVersion);
    const prices = catalog.plans.find(({ slug }) => slug === period.plan)!.prices;
    for (const price of prices) {
      for (const [subject, quantity] of this.quantitiesOf(period, price, view)) {
        const amount = quantity === 0n ? 0n : amountOf(price, quantity);
        const key = JSON.stringify([price.slug, subject]);
        const found = written.get(key) ?? { quantity: 0n, amount: 0n };
        written.delete(key);
        if (found.amount === amount && found.quantity === quantity) continue;
        throw new Violation(
          'I4',
          `${periodText(period)} ${price.slug} ${subject}: line items say ${found.quantity} for ${found.amount}, ` +
            `the usage is ${quantity} for ${amount}`,
        );
      }
    }
    for (const [price, { amount }] of written) {
      if (amount !== 0n)
        throw new Violation(
          'I4',
          `${periodText(period)}: ${amount} is left of the price ${price}, which it has no more`,
        );
    }
  }

  private amountOf(line: StoredItem): bigint {
    let amount = this.amounts.get(line);
    if (amount === undefined) {
      amount = scaled(line.item.amount.toString());
      this.amounts.set(line, amount);
    }
    return amount;
  }

  private meterOf(slug: string): Meter {
    for (const { meters } of this.usage.versions) {
      const found = meters.find((meter) => meter.slug === slug);
      if (found !== undefined) return found;
    }
    throw new Error(`no meter ${slug}`);
  }

  /** A new item has what lies in its period of one stretch, and no more of it than that. */
  private checkSpan({ meter: slug, item, ...line }: StoredItem, { periodStart, periodEnd }: RatedPeriod): void {
    if (slug === null || item.revision > 0) return;
    const meter = this.meterOf(slug);
    const stretch = stretchStart(meter, item.windowStart);
    const start = Math.max(stretch, periodStart);
    const end = Math.min(stretch + itemMs(meter), periodEnd);
    if (item.windowStart === start && item.windowEnd === end) return;
    const [is, ought] = [
      [item.windowStart, item.windowEnd],
      [start, end],
    ].map((span) => span.map((time) => new Date(time).toISOString()).join(' to '));
    throw new Violation('I4', `${periodText(line)} ${line.price}: a line item covers ${is}, and not ${ought}`);
  }

  /** Of the meters that add up, each line item with its corrections has the usage of its own stretch. */
  private checkItems(period: RatedPeriod, view: View): void {
    const { prices } = this.usage.catalog(period.catalogVersion).plans.find(({ slug }) => slug === period.plan)!;
    for (const price of prices) {
      if (price.model === 'flat') continue;
      const meter = this.meterOf(price.meter);
      if (meter.aggregation !== 'sum' && meter.aggregation !== 'count') continue;
      const quantities = new Map<string, bigint>();
      const add = (start: number, subject: string, quantity: bigint): void => {
        const key = `${new Date(start).toISOString()} ${subject}`;
        quantities.set(key, (quantities.get(key) ?? 0n) + quantity);
      };
      for (const [subject, readings] of this.countedIn(period, price, view)) {
        for (const { windowStart, quantity } of readings) {
          const start = Math.max(stretchStart(meter, windowStart), period.periodStart);
          add(start, price.per === 'subject' ? subject : '', quantity);
        }
      }
      for (const line of this.rating.itemsOf(period)) {
        if (line.price === price.slug) add(line.item.windowStart, line.subject, -line.item.quantity);
      }
      for (const [what, quantity] of quantities) {
        if (quantity === 0n) continue;
        throw new Violation('I4', `${periodText(period)} ${price.slug}: line items of ${what} lack ${quantity}`);
      }
    }
  }

  /** By subject; '' for all of the customer's together. */
  private quantitiesOf(period: RatedPeriod, price: Price, view: View): Map<string, bigint> {
    const { periodStart, periodEnd, subscriptionStart } = period;
    if (price.model === 'flat') {
      const isDue =
        periodEnd > periodStart &&
        view.watermark >= periodStart &&
        (subscriptionStart !== null || this.isUsed(period, view));
      return new Map([['', isDue ? ONE : 0n]]);
    }
    const counted = this.countedIn(period, price, view);
    const meter = this.usage.catalog(period.catalogVersion).meters.find(({ slug }) => slug === price.meter)!;
    const { aggregation, across = aggregation === 'unique' ? 'union' : 'sum' } = meter;
    const values = [...counted].map(([subject, readings]) => [subject, mergedValue(aggregation, readings)] as const);
    if (price.per === 'subject') return new Map(values);
    if (values.length === 0) return new Map([['', 0n]]);
    if (across === 'union') return new Map([['', mergedValue(aggregation, [...counted.values()].flat())]]);
    const together = values.map(([, value]) => value);
    const largest = together.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)).at(-1)!;
    return new Map([['', across === 'max' ? largest : together.reduce((a, b) => a + b)]]);
  }

  /** Whether any closed window of the period has usage of the customer. */
  private isUsed(period: RatedPeriod, { vector, closedUpTo }: View): boolean {
    const { tenant, customer } = period;
    const isIn = readsIn(period, vector);
    return this.subjectsOf(tenant, customer).some((subject) =>
      (this.usage.readingsBySubject.get(JSON.stringify([tenant, subject])) ?? []).some((reading) => {
        if (!isIn(reading)) return false;
        const meter = this.meterOf(reading.meter);
        if (reading.windowStart >= stretchStart(meter, Math.max(0, closedUpTo))) return false;
        return this.ownerOf(tenant, subject, reading.windowStart, windowMs[meter.window]!) === customer;
      }),
    );
  }

  /** By subject, the readings of closed items of the customer that a price is for. */
  private countedIn(period: RatedPeriod, price: UsagePrice, { vector, closedUpTo }: View): Map<string, Reading[]> {
    const { tenant, customer, catalogVersion } = period;
    const meter = this.usage.catalog(catalogVersion).meters.find(({ slug }) => slug === price.meter)!;
    const closedFrom = stretchStart(meter, Math.max(0, closedUpTo));
    const isIn = readsIn(period, vector);
    const counted = new Map<string, Reading[]>();
    for (const subject of this.subjectsOf(tenant, customer)) {
      const readings = this.usage.readingsByMeter.get(JSON.stringify([tenant, subject, meter.slug])) ?? [];
      const found = readings.filter(
        (reading) =>
          isIn(reading) &&
          reading.windowStart < closedFrom &&
          this.ownerOf(tenant, subject, reading.windowStart, windowMs[meter.window]!) === customer &&
          meter.dimensions.every(
            ({ name }, i) => price.match[name] === undefined || price.match[name] === reading.groups[i],
          ),
      );
      if (found.length > 0) counted.set(subject, found);
    }
    return counted;
  }
}

/** Whether a reading lies in a period, in a chunk that the vector covers. */
function readsIn({ periodStart, periodEnd }: RatedPeriod, vector: SealVector): (reading: Reading) => boolean {
  const nextChunks = Array.from({ length: PARTITIONS }, (_, partition) => nextChunkOf(vector, GENERATION, partition));
  return ({ windowStart, partition, chunk }) =>
    windowStart >= periodStart && windowStart < periodEnd && chunk < nextChunks[partition]!;
}

const periodText = ({ tenant, customer, periodStart }: PeriodKey): string =>
  `${tenant}/${customer}/${new Date(periodStart).toISOString()}`;

/** The month that holds a time: of the calendar, or counted from an anchor. `offset`: of the time zone. */
function monthOf(time: number, anchor: number | null, offset: number): [number, number] {
  const local = anchor === null ? 0 : anchor + offset;
  const base = new Date(local);
  const boundary = (n: number): number => {
    const first = Date.UTC(base.getUTCFullYear(), base.getUTCMonth() + n, 1);
    const month = new Date(first);
    const days = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 0)).getUTCDate();
    return first + (Math.min(base.getUTCDate(), days) - 1) * DAY_MS + (local % DAY_MS) - offset;
  };
  const at = new Date(time + offset);
  let n = (at.getUTCFullYear() - base.getUTCFullYear()) * 12 + at.getUTCMonth() - base.getUTCMonth() + 1;
  while (boundary(n) > time) n--;
  return [boundary(n), boundary(n + 1)];
}

/** Amounts are held as a count of 10^-24. */
function scaled(text: string): bigint {
  const [integer = '0', fraction = ''] = text.replace('-', '').split('.');
  const value = BigInt(integer + fraction.padEnd(24, '0'));
  return text.startsWith('-') ? -value : value;
}

function amountOf(price: Price, quantity: bigint): bigint {
  switch (price.model) {
    case 'flat':
      return scaled(price.flatAmount);
    case 'per_unit':
      return quantity * unitsOf(price.unitAmount);
    case 'package': {
      if (quantity <= 0n) return 0n;
      const size = unitsOf(price.packageSize);
      return ((quantity + size - 1n) / size) * scaled(price.packageAmount);
    }
    case 'volume': {
      if (quantity < 0n) return quantity * unitsOf(price.tiers[0]!.unitAmount);
      const tier = price.tiers.find(({ upTo }) => upTo === null || quantity <= unitsOf(upTo))!;
      return quantity * unitsOf(tier.unitAmount) + scaled(tier.flatAmount);
    }
    case 'graduated':
      return graduatedAmount(price.tiers, quantity);
    case 'stairstep':
    case 'tiered_package':
    case 'graduated_percentage':
    case 'cost_plus':
      throw new Error(`no catalog of the simulation has a ${price.model} price`);
  }
}

function graduatedAmount(tiers: readonly Tier[], quantity: bigint): bigint {
  if (quantity < 0n) return quantity * unitsOf(tiers[0]!.unitAmount);
  let amount = 0n;
  let below = 0n;
  for (const { upTo, unitAmount, flatAmount } of tiers) {
    if (quantity <= below) break;
    const top = upTo === null || unitsOf(upTo) > quantity ? quantity : unitsOf(upTo);
    amount += (top - below) * unitsOf(unitAmount) + scaled(flatAmount);
    below = top;
  }
  return amount;
}
