// An independent account of what ought to be billed: after every rating, the line items of each term of each price have
// to add up to what the term costs by the usage that was sealed and closed then and by the records that stood then, and
// nothing else may have an amount (`expected-charges.ts`).
import { shardOf } from '../../../domain/accounts/shard.ts';
import { customerText, type RatedPeriod, type TenantCustomer } from '../../../domain/billing/billing-period-terms.ts';
import { covers, nextChunkOf, partitionCounts, recountsOf } from '../../../domain/sealing/seal-vector.ts';
import type { CustomerSubscription } from '../../../domain/terms/customer-subscription.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import type { WrittenSelection } from '../../../platform/billing-store/written-prices.ts';
import type { Plan } from '../plan.ts';
import type { PostgresModel } from '../stores/postgres-model.ts';
import type { Rated, RatingModel, StoredItem } from '../stores/rating-model.ts';
import { scaled } from './amounts.ts';
import { type ExpectedCharge, ExpectedCharges, type View } from './expected-charges.ts';
import { type UsageOracle, Violation } from './usage-oracle.ts';

const GENERATION = 1;
/** To look at every customer costs as much as a rating. */
const ADVANCES_A_CHECK = 8;

type TermName = Pick<ExpectedCharge, 'periodStart' | 'periodEnd' | 'price' | 'subscription' | 'termStart' | 'subject'>;

interface WrittenTotal extends TermName {
  quantity: bigint;
  amount: bigint;
}

const shown = (time: number): string => new Date(time).toISOString().slice(0, 16);
const termName = ({ periodStart, periodEnd, price, subscription, termStart, subject }: TermName): string =>
  `${price} of ${subscription || 'the default plan'} ${subject && `for ${subject} `}from ${shown(periodStart)} to ` +
  `${shown(periodEnd)}, term of ${shown(termStart)}`;

export class MoneyOracle {
  private readonly plan: Plan;
  private readonly usage: UsageOracle;
  private readonly rating: RatingModel;
  private readonly postgres: PostgresModel;
  readonly expected: ExpectedCharges;
  private readonly seen = new Map<string, RatedPeriod>();
  private readonly amounts = new WeakMap<StoredItem, bigint>();
  checks = 0;
  private advances = 0;
  /** By shard. */
  private readonly reached = new Map<number, View>();

  constructor(plan: Plan, usage: UsageOracle, rating: RatingModel, postgres: PostgresModel) {
    this.plan = plan;
    this.usage = usage;
    this.rating = rating;
    this.postgres = postgres;
    this.expected = new ExpectedCharges(usage, rating, postgres);
  }

  /** After each commit of a rating. */
  rated({ periods, items }: Rated): void {
    const saved = new Map(periods.map((period) => [periodText(period), period]));
    for (const item of items) {
      const period = saved.get(periodText(item));
      if (period === undefined) throw new Violation('I4', `a line item for ${periodText(item)}, which was not rated`);
      this.checkSpan(item, viewOf(period));
    }
    const starts = new Map<string, RatedPeriod>();
    for (const period of periods) {
      this.checkRecords(period);
      this.checkView(period);
      starts.set(`${customerText(period)} ${period.periodStart}`, period);
    }
    for (const period of starts.values()) {
      const { periodStart } = period;
      const view = viewOf(period);
      // What is still due may not have been looked at; what was written was.
      const isOfPeriod = (item: StoredItem): boolean =>
        item.periodStart === periodStart && customerText(item) === customerText(period);
      const prices = this.isSettled(period, view) ? null : new Set(items.filter(isOfPeriod).map(({ price }) => price));
      this.checkCharges(period, view, periodStart, prices);
    }
  }

  /** A change that does not ask to rate again holds from after whatever was rated of its customer (T2). */
  subscribed({ opening, records, ...customer }: CustomerSubscription): void {
    const record = records.at(-1)!;
    const says = 'undoes' in record ? record.at : Math.min(...record.patches.map(({ at }) => at));
    const from = Math.max(says, opening.billedFrom);
    for (const { closedUpTo } of this.periodsOf(customer)) {
      if (closedUpTo! > from)
        throw new Violation(
          'T2',
          `${customerText(customer)} changes at ${shown(from)}, rated up to ${shown(closedUpTo!)}`,
        );
    }
  }

  /** A version makes those due whose catalog it changes, and nobody of another tenant. `taken`: of the step before. */
  marked(customers: readonly TenantCustomer[], taken: number): void {
    const { newest } = this.postgres.tenantVersions;
    for (const customer of customers) {
      if ((this.expected.versionsOf(customer.tenant, newest).at(-1)?.version ?? 0) > taken) continue;
      throw new Violation('T13', `${customerText(customer)} is due by a version of another tenant's catalog`);
    }
  }

  /** What a rating reads as one sum and what it reads one by one: no item of several windows is some of both. */
  readDetail(selection: WrittenSelection): void {
    const { detailFrom } = selection;
    for (const { meter, price, item } of this.rating.itemsOf(selection)) {
      if (meter === null || this.expected.meter(selection.tenant, meter).itemWidth === undefined) continue;
      if (item.windowStart >= detailFrom || item.windowEnd <= detailFrom) continue;
      throw new Violation(
        'I4',
        `${customerText(selection)} ${price}: what was before ${shown(detailFrom)} is read as one, and a line item is ` +
          `of ${shown(item.windowStart)} to ${shown(item.windowEnd)}`,
      );
    }
  }

  /** Nobody writes of a shard, or moves it, but who holds it. `began`: the epochs by which it was held. */
  committed(changed: ReadonlySet<number>, began: ReadonlyMap<number, number>): void {
    for (const shard of changed) {
      const { epoch } = this.rating.shards.rows[shard]!;
      if (epoch !== began.get(shard))
        throw new Violation(
          'I4',
          `shard ${shard} of epoch ${epoch} is changed by whoever had it by ${began.get(shard)}`,
        );
    }
  }

  /** Whenever shards' progress moves: what it passes over is billed. It never goes back. */
  advanced(shards: readonly number[], progress: RaterProgress): void {
    const isCheckOfAll = this.advances++ % ADVANCES_A_CHECK === 0;
    const view = viewOfProgress(progress);
    for (const shard of shards) {
      const before = this.reached.get(shard);
      this.reached.set(shard, view);
      if (before === undefined) continue;
      const { vector, closedUpTo, watermark, catalogVersion } = before;
      if (covers(view.vector, vector) && closedUpTo <= view.closedUpTo && watermark <= view.watermark)
        if (catalogVersion <= view.catalogVersion) continue;
      throw new Violation('I4', `shard ${shard} moves back from ${shown(watermark)} to ${shown(view.watermark)}`);
    }
    for (const customer of this.customers()) {
      if (!shards.includes(shardOf(customer.tenant, customer.customer))) continue;
      const isSubscriber = this.rating.accounts.subscriptionsOf([customer]).length > 0;
      if ((isSubscriber || isCheckOfAll) && this.isPassedOver(customer, view)) this.checkCharges(customer, view, null);
    }
  }

  /** At the end, when everything that is sealed is rated. */
  checkAll(): void {
    for (const customer of this.customers()) {
      const view = viewOfProgress(this.rating.shards.of(customer).progress);
      if (this.isDue(customer, view)) throw new Violation('I4', `${customerText(customer)} is due, and nobody looks`);
      this.checkCharges(customer, view, null);
    }
  }

  /** Whoever may be charged. */
  private customers(): Iterable<TenantCustomer> {
    const found = new Map<string, TenantCustomer>();
    const add = (tenant: string, customer: string): void => {
      found.set(customerText({ tenant, customer }), { tenant, customer });
    };
    for (const key of this.usage.readingsBySubject.keys()) {
      const [tenant, subject] = JSON.parse(key) as [string, string];
      add(tenant, subject);
    }
    const { assigned, subscriptions } = this.rating.accounts;
    for (const { tenant, assignments } of assigned.values())
      for (const { customer } of assignments) add(tenant, customer);
    for (const all of subscriptions.values()) for (const { tenant, customer } of all) add(tenant, customer);
    for (const { tenant, customer } of this.rating.periods.values()) add(tenant, customer);
    return found.values();
  }

  private periodsOf({ tenant, customer }: TenantCustomer): RatedPeriod[] {
    return [...this.rating.periods.values()].filter((each) => each.tenant === tenant && each.customer === customer);
  }

  private isDue(customer: TenantCustomer, { watermark }: View): boolean {
    const due = this.rating.accounts.due.get(customerText(customer));
    return due !== undefined && due.dueAt <= watermark;
  }

  /** Whether all of it is rated by a progress: nothing became due since, and no rater that is ahead rated more. */
  private isPassedOver(customer: TenantCustomer, view: View): boolean {
    const isBehind = (period: RatedPeriod): boolean =>
      covers(view.vector, period.sealVector) &&
      period.closedUpTo! <= view.closedUpTo &&
      period.ratedWatermark! <= view.watermark &&
      period.catalogVersion <= view.catalogVersion;
    return this.isSettled(customer, view) && this.periodsOf(customer).every(isBehind);
  }

  /** Whether nothing of it is due any more. A record is due once the watermark has come to where it was made. */
  private isSettled(customer: TenantCustomer, view: View): boolean {
    const records = this.rating.accounts.subscriptionsOf([customer]).flatMap((each) => each.records);
    return !this.isDue(customer, view) && records.every(({ recordedAt }) => recordedAt <= view.watermark);
  }

  /** A rating counts only by the records that stand when it is committed. */
  private checkRecords(period: RatedPeriod): void {
    const subscriptions = this.rating.accounts.subscriptionsOf([period]);
    const records = subscriptions.reduce((count, each) => count + each.records.length, 0);
    if (period.records !== records)
      throw new Violation('I4', `${periodText(period)} was rated by ${period.records} records of ${records}`);
    if (period.catalogVersion > this.postgres.publishedVersion)
      throw new Violation(
        'I4',
        `${periodText(period)} was rated by version ${period.catalogVersion}, not in force yet`,
      );
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
    if (period.catalogVersion < before.catalogVersion) throw new Violation('I4', `${key}: rated by an older catalog`);
    for (const { partition, nextChunk, recounts } of partitionCounts(before.sealVector)) {
      if (nextChunkOf(sealVector, GENERATION, partition) < nextChunk) {
        throw new Violation('I4', `${key}: rated with fewer chunks of partition ${partition} than before`);
      }
      if (recountsOf(sealVector, GENERATION, partition) < recounts) {
        throw new Violation('I4', `${key}: rated with fewer recounts of partition ${partition} than before`);
      }
    }
  }

  /** `periodStart` and `prices` null: of all. */
  private checkCharges(
    customer: TenantCustomer,
    view: View,
    periodStart: number | null,
    prices: ReadonlySet<string> | null = null,
  ): void {
    this.checks++;
    const written = this.written(customer, periodStart);
    for (const expected of this.expected.of(customer, view, periodStart)) {
      if (prices?.has(expected.price) === false) continue;
      const name = termName(expected);
      const found = written.get(name) ?? { ...expected, quantity: 0n, amount: 0n };
      written.delete(name);
      const isQuantity = expected.quantity === null || expected.quantity === found.quantity;
      if (isQuantity && expected.amount === found.amount) continue;
      throw new Violation(
        'I4',
        `${customerText(customer)} ${name}: line items say ${found.quantity} for ${found.amount}, and ` +
          `${expected.quantity} for ${expected.amount} is due at ${shown(view.watermark)}`,
      );
    }
    for (const [name, { price, amount, quantity }] of written) {
      if (prices?.has(price) === false || (amount === 0n && quantity === 0n)) continue;
      throw new Violation(
        'I4',
        `${customerText(customer)} ${name}: ${quantity} for ${amount} is left of what is no more`,
      );
    }
  }

  /** What line items come to, by the name of the term. */
  private written(customer: TenantCustomer, periodStart: number | null): Map<string, WrittenTotal> {
    const starts =
      periodStart === null
        ? new Set(this.periodsOf(customer).map((period) => period.periodStart))
        : new Set([periodStart]);
    const written = new Map<string, WrittenTotal>();
    for (const start of starts) {
      for (const line of this.rating.itemsOf({ ...customer, periodStart: start })) {
        const name = termName(line);
        const total = written.get(name) ?? { ...line, quantity: 0n, amount: 0n };
        total.quantity += line.item.quantity;
        total.amount += this.amountOf(line);
        written.set(name, total);
      }
    }
    return written;
  }

  private amountOf(line: StoredItem): bigint {
    let amount = this.amounts.get(line);
    if (amount === undefined) {
      amount = scaled(line.item.amount.toString());
      this.amounts.set(line, amount);
    }
    return amount;
  }

  /** A new item has what lies in a term of one stretch, and no more of it than that. */
  private checkSpan({ meter, item, ...line }: StoredItem, view: View): void {
    if (meter === null || item.revision > 0) return;
    const span = this.expected.spanOf(line, view, line, item.windowStart);
    if (span === null || (item.windowStart === span[0] && item.windowEnd === span[1])) return;
    throw new Violation(
      'I4',
      `${periodText(line)} ${line.price}: a line item covers ${shown(item.windowStart)} to ${shown(item.windowEnd)}, ` +
        `and not ${shown(span[0])} to ${shown(span[1])}`,
    );
  }
}

const viewOf = ({ sealVector, closedUpTo, ratedWatermark, catalogVersion }: RatedPeriod): View => ({
  ...{ vector: sealVector, closedUpTo: closedUpTo!, watermark: ratedWatermark!, catalogVersion },
});

const viewOfProgress = ({ sealVector, closedUpTo, watermark, catalogVersion }: RaterProgress): View => ({
  ...{ vector: sealVector, closedUpTo: closedUpTo!, watermark: watermark!, catalogVersion },
});

const periodText = ({
  subscription,
  periodStart,
  periodEnd,
  ...customer
}: Pick<RatedPeriod, 'tenant' | 'customer' | 'subscription' | 'periodStart' | 'periodEnd'>): string =>
  `${customer.tenant}/${customer.customer}/${subscription}/${shown(periodStart)}-${shown(periodEnd)}`;
