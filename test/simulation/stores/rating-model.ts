// The rater's port on the models: money in Postgres, usage in ClickHouse.

import type { HeldShard } from '../../../domain/accounts/shard.ts';
import { shardOf } from '../../../domain/accounts/shard.ts';
import {
  customerText,
  NO_SUBSCRIPTION,
  type PeriodStart,
  periodText,
  type RatedPeriod,
  type Rating,
  type SubjectKey,
  startText,
  type TenantCustomer,
  termText,
} from '../../../domain/billing/billing-period-terms.ts';
import { EARLIER, type NewLineItem, type WrittenPrices, type WrittenTerm } from '../../../domain/billing/line-item.ts';
import type { Meter } from '../../../domain/catalog/catalog.ts';
import { groupBy, keyText } from '../../../domain/composite-key.ts';
import { Decimal } from '../../../domain/number/decimal.ts';
import type { MeterSpans } from '../../../domain/rating/meter-spans.ts';
import { nextChunkOf, recountsOf, type SealVector, sealVectorOf } from '../../../domain/sealing/seal-vector.ts';
import type { EpochStep, Seals } from '../../../domain/sealing/seals.ts';
import type { RaterProgress } from '../../../platform/billing-store/rater-progress.ts';
import type { ShardGroup, ShardState } from '../../../platform/billing-store/rater-shards.ts';
import type { WrittenSelection } from '../../../platform/billing-store/written-prices.ts';
import type {
  FirstSeenRow,
  FirstSeenSelection,
  RatedUsageRow,
  RatedUsageSelection,
} from '../../../platform/usage-store/rated-usage.ts';
import type { GroupsOfMeter, WindowKey } from '../../../platform/usage-store/rollup-windows.ts';
import type { SealedBy } from '../../../platform/usage-store/sealed-rows.ts';
import type { TenantStretch } from '../../../platform/usage-store/subject-sets.ts';
import type { GroupValue } from '../../../platform/usage-store/taken-groups.ts';
import type { RatingStore, RatingTransaction } from '../../../rater/store/rating-store.ts';
import { PARTITIONS } from '../plan.ts';
import type { Process } from '../scheduler.ts';
import { AccountModel, customerLock, dueLock } from './account-model.ts';
import type { ClickHouseModel } from './click-house-model.ts';
import type { RollUpRow } from './inserted-rows.ts';
import type { PostgresModel, Statements } from './postgres-model.ts';
import type { RecountModel } from './recount-model.ts';
import { finalOf } from './replacing-table.ts';
import { ShardModel, shardLock } from './shard-model.ts';

/** A tenant that is named with the meter has its own span alone. */
function isInSpans({ all, own }: MeterSpans, { tenant, meter, windowStart }: RollUpRow): boolean {
  const named = own.find((span) => span.tenant === tenant && span.meter === meter);
  const span = named ?? all.find((each) => each.meter === meter);
  return span !== undefined && span.from <= windowStart && windowStart < span.to;
}

const GENERATION = 1;

export interface StoredItem extends NewLineItem {
  readonly sealVector: SealVector;
}

/** What a rater has moved on from one progress to another. */
export interface MovedShards {
  readonly shards: readonly number[];
  readonly from: RaterProgress;
  readonly to: RaterProgress;
}

/** What a rating transaction has committed. */
export interface Rated {
  readonly periods: readonly RatedPeriod[];
  readonly items: readonly StoredItem[];
}

type RaterCall =
  | 'shards'
  | 'lease'
  | 'end lease'
  | 'take'
  | 'give back'
  | 'assigned'
  | 'stream'
  | 'lock'
  | 'server run'
  | 'advance'
  | 'seals'
  | 'chunk seals'
  | 'chunks since'
  | 'published version'
  | 'versions'
  | 'periods'
  | 'assignments'
  | 'subscriptions'
  | 'due'
  | 'mark due'
  | 'announce';

/** Before which of a rater's calls a change of an account is begun: all around where it may be overlooked. */
export const racedCalls = [
  'stream',
  'server run',
  'seals',
  'take',
  'assigned',
  'announce',
  'assignments',
  'subscriptions',
  'due',
  'periods',
  'lock',
] as const satisfies readonly RaterCall[];

export class RatingModel {
  private readonly postgres: PostgresModel;
  private readonly clickhouse: ClickHouseModel;
  readonly shards: ShardModel;
  readonly accounts: AccountModel;
  readonly periods = new Map<string, RatedPeriod>();
  /** By customer and start of the period. */
  readonly items = new Map<string, StoredItem[]>();
  private readonly itemKeys = new Set<string>();
  onRated: (rated: Rated) => void = () => {};
  onAdvance: (shards: readonly number[], progress: RaterProgress) => void = () => {};
  /** Told when a rater knows that it moved the progress of shards, and when it begins a step. */
  onAdvanced: (rater: Process, moved: MovedShards) => void = () => {};
  /** Told of a transaction of a rater that is about to become visible, of which shards it changes what. */
  onCommit: (changed: ReadonlySet<number>, began: ReadonlyMap<number, number>) => void = () => {};
  onStep: (rater: Process) => void = () => {};
  /** Told of what a rater is about to ask. */
  onCall: (what: RaterCall) => void = () => {};
  /** Told whom a rater makes due that began its step with versions taken in up to a number. */
  onMarked: (customers: readonly TenantCustomer[], taken: number) => void = () => {};
  /** What each rater saw of the shards when it looked last. */
  private readonly seen = new Map<Process, ShardState>();
  /** Told of what a rating reads of line items. */
  onDetail: (selection: WrittenSelection) => void = () => {};

  constructor(postgres: PostgresModel, clickhouse: ClickHouseModel) {
    this.postgres = postgres;
    this.clickhouse = clickhouse;
    this.shards = new ShardModel(postgres);
    this.accounts = new AccountModel(
      postgres,
      (customers) => this.shards.closingOf(customers),
      (customer) => this.billedUntil(customer),
    );
  }

  /** Where the last period ends that the customer was billed of. */
  private billedUntil(customer: TenantCustomer): number {
    return Math.max(...this.periodsWhere(isOf([customer])).map(({ periodEnd }) => periodEnd));
  }

  /** Of all customers. */
  get progress(): RaterProgress {
    return this.shards.least;
  }

  /** Windows that end by then were rated, or may be at this moment; null: none was yet. */
  get closing(): number | null {
    return this.shards.closing;
  }

  get vector(): SealVector {
    return sealVectorOf(
      this.postgres.progress.map(({ nextChunk }, partition) => ({
        ...{ generation: GENERATION, partition, nextChunk },
        recounts: this.postgres.recounts.seals[partition]!.length,
      })),
    );
  }

  itemsOf(periods: PeriodStart): readonly StoredItem[] {
    return this.items.get(startText(periods)) ?? [];
  }

  /** Of which versions the shards had taken in when the rater looked last. */
  private takenIn(process: Process, shards: readonly HeldShard[]): number {
    const numbers = new Set(shards.map(({ shard }) => shard));
    const groups = this.seen.get(process)!.own.filter((group) => group.shards.some(({ shard }) => numbers.has(shard)));
    return Math.min(...groups.map(({ progress }) => progress.catalogVersion));
  }

  private readSeals(): Seals {
    const epochSteps: EpochStep[] = [];
    for (const [partition, seals] of this.postgres.seals.entries()) {
      let last = -1n;
      for (const { chunk, epoch } of seals) {
        if (epoch === last) continue;
        last = epoch;
        epochSteps.push({ generation: GENERATION, partition, fromChunk: chunk, epoch: last });
      }
    }
    const recountRuns = [...this.postgres.recounts.runs];
    return { vector: this.vector, epochSteps, recountRuns, watermark: this.postgres.published };
  }

  private periodsWhere(holds: (period: RatedPeriod) => boolean): RatedPeriod[] {
    return [...this.periods.values()].filter(holds).sort((a, b) => a.periodStart - b.periodStart);
  }

  storeOf(process: Process): RatingStore {
    const { accounts, postgres, clickhouse } = this;
    const statement = <Result>(what: RaterCall, work: () => Result): Promise<Result> => {
      this.onCall(what);
      return postgres.statement(process, what, work);
    };
    const read = <Result>(what: string, work: (asOf: number) => Result): Promise<Result> =>
      clickhouse.read(process, what, work);
    return {
      readShards: (rater) => {
        this.onStep(process);
        return statement('shards', () => {
          const state = this.shards.state(rater);
          this.seen.set(process, state);
          return state;
        });
      },
      prolongLease: (rater, leaseMs) => statement('lease', () => this.shards.prolong(rater, leaseMs)),
      endLease: (rater) => statement('end lease', () => this.shards.end(rater)),
      takeShards: (rater, shards) => statement('take', () => this.shards.take(rater, shards)),
      giveBackShards: (rater, shards) => statement('give back', () => this.shards.giveBack(rater, shards)),
      advanceProgress: async (from, to) => {
        const shards = await statement('advance', () => {
          const moved = this.shards.advance(from, to);
          this.onCommit(new Set(moved), epochsOf([from]));
          this.onAdvance(moved, to);
          return moved;
        });
        if (shards.length > 0) this.onAdvanced(process, { shards, from: from.progress, to });
        return shards;
      },
      readSeals: () => statement('seals', () => this.readSeals()),
      readChunkSeals: (from, to) =>
        statement('chunk seals', () =>
          postgres.seals.flatMap((seals, partition) => {
            const [since, until] = [recountsOf(from, GENERATION, partition), recountsOf(to, GENERATION, partition)];
            const recounted = postgres.recounts.seals[partition]!.slice(since, until).map(({ chunk }) => chunk);
            return seals
              .slice(0, nextChunkOf(to, GENERATION, partition))
              .filter(({ chunk }) => chunk >= nextChunkOf(from, GENERATION, partition) || recounted.includes(chunk))
              .map(({ chunk, epoch, rollUps }) => {
                const revised = postgres.recounts.revisedAt(partition, chunk, until);
                return { ...{ generation: GENERATION, partition, chunk, epoch, revised }, ...(revised ?? { rollUps }) };
              })
              .map(({ generation, chunk, epoch, revised, rollUps }) => ({
                ...{ generation, partition, chunk, epoch, revised, rollUps },
              }));
          }),
        ),
      readChunksSince: (watermark) =>
        statement('chunks since', () =>
          sealVectorOf(
            postgres.seals.map((seals, partition) => ({
              generation: GENERATION,
              partition,
              nextChunk: (seals.findLast((seal) => seal.partitionTime < watermark)?.chunk ?? -1) + 1,
            })),
          ),
        ),
      readPublishedVersion: () => statement('published version', () => postgres.publishedVersion),
      readTenantVersions: () => statement('versions', () => postgres.tenantVersions),
      readBillingPeriods: (customers) => statement('periods', () => this.periodsWhere(isOf(customers))),
      readSubscriptions: (customers) => statement('subscriptions', () => accounts.subscriptionsOf(customers)),
      readDueCustomers: (shards, until, customersMax) =>
        statement('due', () => accounts.dueBy(until, customersMax, isInShards(shards))),
      markHoldersDue: ({ plan, tenants }, shards, dueAt, { after, customersMax }) => {
        this.onCall('mark due');
        return postgres.transaction(process, async ({ run, locked, write }) => {
          const concerned = await run('concerned', () => {
            const payers = [...this.periods.values()].filter(
              ({ subscription, periodEnd }) => subscription === NO_SUBSCRIPTION && periodEnd > dueAt,
            );
            const all = plan === null ? payers : accounts.holdersOf(plan);
            const isConcerned = ({ tenant }: TenantCustomer): boolean =>
              'tenant' in tenants ? tenant === tenants.tenant : !tenants.except.includes(tenant);
            const isLater = (each: TenantCustomer): boolean => after === null || isAfterCustomer(each, after);
            const isOurs = isInShards(shards);
            const those = all.filter((each) => isOurs(each) && isConcerned(each) && isLater(each));
            return [...new Map(those.map((each) => [customerText(each), each])).values()]
              .sort((a, b) => (isAfterCustomer(a, b) ? 1 : -1))
              .slice(0, customersMax)
              .map(({ tenant, customer }) => ({ tenant, customer, dueAt }));
          });
          await locked('lock due', concerned.map(dueLock), () => null);
          await write('mark due', () => accounts.markDue(concerned));
          this.onMarked(concerned, this.takenIn(process, shards));
          return concerned.at(-1) ?? null;
        });
      },
      readAssigned: (subjects) =>
        statement('assigned', () =>
          subjects.flatMap(({ tenant, subject }) => accounts.assigned.get(keyText(tenant, subject)) ?? []),
        ),
      readAssignmentsAround: (names) => statement('assignments', () => accounts.assignmentsAround(names)),
      announceClosing: (shards, closedUpTo) => statement('announce', () => this.shards.announce(shards, closedUpTo)),
      readServerRun: () => {
        this.onCall('server run');
        return read('query', () => clickhouse.serverRun);
      },
      readChunkRows: (seals) =>
        read('query', (asOf) =>
          seals.map(({ partition, chunk, epoch, revised }) => {
            let count = 0;
            let checksum = 0n;
            for (const row of clickhouse.rollUps.final(partition, asOf, { from: chunk, to: chunk })) {
              if (row.revision !== (revised?.revision ?? 0) || row.epoch < (revised?.epoch ?? epoch)) continue;
              count++;
              checksum += row.checksum;
            }
            return { count, checksum: BigInt.asUintN(64, checksum) };
          }),
        ),
      readGroupsInUse: ({ spans, groupsMax }) =>
        read('query', (asOf) => {
          const found = new Map<string, GroupsOfMeter>();
          for (const { meter, ...within } of [...spans.all, ...spans.own]) {
            clickhouse.rollUpVersions({ tenant: null, subjects: null, meter, ...within }, (versions) => {
              const { tenant, groupValues } = versions[0]!.row;
              const isThere = versions.some(({ part }) => !part.isLost && part.insertedAt <= asOf);
              if (!isThere || !isInSpans(spans, versions[0]!.row)) return;
              found.set(JSON.stringify([tenant, meter, groupValues]), { tenant, meter, groupValues });
            });
          }
          return found.size > groupsMax ? null : [...found.values()];
        }),
      streamWindows: ({ spans, chunks }) => this.streamWindows(process, spans, chunks),
      readUsage: (selection) => read('query', (asOf) => this.usage(selection, asOf)),
      readFirstSeen: (selection) => read('query', (asOf) => this.firstSeen(selection, asOf)),
      readSetsWithUsage: ({ sets, spans, sealed }) =>
        read('query', (asOf) => {
          const isSealed = sealedRows(sealed, this.postgres.recounts);
          const hasUsage = ({ tenant, subject, from, to }: TenantStretch): boolean =>
            spans.some((span) => {
              const [start, end] = [Math.max(from, span.from), Math.min(to, span.to)];
              let isFound = false;
              if (end <= start) return false;
              const within = { tenant, meter: span.meter, subjects: [subject], from: start, to: end };
              clickhouse.rollUpVersions(within, (versions) => {
                const { windowStart } = versions[0]!.row;
                if (isFound || windowStart < start || windowStart >= end) return;
                const row = finalOf(versions, asOf);
                isFound = row !== null && isSealed(row);
              });
              return isFound;
            });
          return sets.flatMap((stretches, set) => (stretches.some(hasUsage) ? [set] : []));
        }),
      inRating: (work) => {
        const rated: { periods: RatedPeriod[]; items: StoredItem[] } = { periods: [], items: [] };
        const changed = new Set<number>();
        const began = epochsOf(this.seen.get(process)!.own);
        return postgres.transaction(
          process,
          (statements) => work(this.ratingTransaction(statements, rated, changed)),
          () => {
            this.onCommit(changed, began);
            if (rated.periods.length + rated.items.length > 0) this.onRated(rated);
          },
        );
      },
    };
  }

  private async *streamWindows(
    process: Process,
    spans: MeterSpans,
    chunks: readonly { partition: number; fromChunk: number; toChunk: number }[] | null,
  ): AsyncIterable<readonly WindowKey[]> {
    this.onCall('stream');
    const rows = await this.clickhouse.read(process, 'stream', (asOf) => {
      const found = new Map<string, WindowKey>();
      const look = (row: RollUpRow): void => {
        if (!isInSpans(spans, row)) return;
        const { tenant, subject, windowStart } = row;
        found.set(`${windowStart}/${tenant}/${subject}`, { tenant, subject, windowStart });
      };
      for (const { partition, fromChunk, toChunk } of chunks ?? []) {
        for (const row of this.clickhouse.rollUps.all(partition, asOf, { from: fromChunk, to: toChunk - 1 })) look(row);
      }
      if (chunks !== null) return [...found.values()];
      for (const { meter, from, to } of [...spans.all, ...spans.own]) {
        if (to <= from) continue;
        this.clickhouse.rollUpVersions({ tenant: null, meter, subjects: null, from, to }, (versions) => {
          for (const { row, part } of versions) if (!part.isLost && part.insertedAt <= asOf) look(row);
        });
      }
      return [...found.values()];
    });
    for (let i = 0; i < rows.length; i += 100) yield rows.slice(i, i + 100);
  }

  /** The rows of a selection, as FINAL and then its conditions give them. */
  private selected(
    subjects: readonly SubjectKey[],
    { meter, from, to, taken, sealed }: Omit<RatedUsageSelection, 'subjects' | 'buckets'>,
    asOf: number,
  ): RollUpRow[] {
    const isSealed = sealedRows(sealed, this.postgres.recounts);
    const found: RollUpRow[] = [];
    for (const [tenant, ofTenant] of groupBy(subjects, (key) => key.tenant)) {
      const names = ofTenant.map(({ subject }) => subject);
      this.clickhouse.rollUpVersions({ tenant, meter: meter.slug, subjects: names, from, to }, (versions) => {
        // What names a row is the same in all its versions.
        const { windowStart, groupValues } = versions[0]!.row;
        if (windowStart < from || windowStart >= to) return;
        const has = (match: readonly GroupValue[]): boolean =>
          match.every(({ dimension, value }) => (groupValues[dimension] ?? '') === value);
        const inTime = taken.filter((each) => each.from <= windowStart && windowStart < each.to);
        if (!inTime.some(({ match, leftOut }) => has(match) && !leftOut.some(has))) return;
        const row = finalOf(versions, asOf);
        if (row !== null && isSealed(row)) found.push(row);
      });
    }
    return found;
  }

  private usage(selection: RatedUsageSelection, asOf: number): RatedUsageRow[] {
    const { byGroups = false } = selection;
    const ofBucket = (row: RollUpRow): string =>
      keyText(row.tenant, row.subject, bucketStart(selection, row), byGroups ? JSON.stringify(row.groupValues) : '');
    return [...groupBy(this.selected(selection.subjects, selection, asOf), ofBucket).values()].map((rows) => ({
      ...{ tenant: rows[0]!.tenant, subject: rows[0]!.subject, bucketStart: bucketStart(selection, rows[0]!) },
      quantity: merged(selection.meter, rows),
      ...(selection.meter.aggregation === 'avg' && { events: BigInt(sumOf(rows, ({ eventCount }) => eventCount)) }),
      ...(byGroups && { groupText: JSON.stringify(rows[0]!.groupValues) }),
    }));
  }

  private firstSeen(selection: FirstSeenSelection, asOf: number): FirstSeenRow[] {
    return selection.sets.flatMap((stretches, set) => {
      const first = new Map<string, number>();
      for (const { tenant, subject, from, to } of stretches) {
        for (const { windowStart, uniqueValues } of this.selected([{ tenant, subject }], selection, asOf)) {
          if (windowStart < from || windowStart >= to) continue;
          for (const value of uniqueValues) first.set(value, Math.min(first.get(value) ?? windowStart, windowStart));
        }
      }
      const counts = new Map<number, bigint>();
      for (const windowStart of first.values()) counts.set(windowStart, (counts.get(windowStart) ?? 0n) + 1n);
      return [...counts].map(([windowStart, values]) => ({ set, windowStart, values }));
    });
  }

  private ratingTransaction(
    { run, locked, share, write }: Statements,
    rated: { periods: RatedPeriod[]; items: StoredItem[] },
    changed: Set<number>,
  ): RatingTransaction {
    const ratings: Rating[] = [];
    const changes = (customers: readonly TenantCustomer[]): void => {
      for (const { tenant, customer } of customers) changed.add(shardOf(tenant, customer));
    };
    return {
      lockShards: (shards) => share('lock shards', shards.map(shardLock)),
      areHeld: (shards) => run('held', () => this.shards.areHeld(shards)),
      lockBillingPeriods: (customers) => {
        this.onCall('lock');
        return locked('lock customers', customers.map(customerLock), () => this.periodsWhere(isOf(customers)));
      },
      readAssignmentsAround: (names) => run('assignments', () => this.accounts.assignmentsAround(names)),
      readRecordCounts: (customers) =>
        run('subscriptions', () =>
          [...groupBy(this.accounts.subscriptionsOf(customers), customerText).values()].map((all) => ({
            ...{ tenant: all[0]!.tenant, customer: all[0]!.customer },
            records: all.reduce((count, { version }) => count + version, 0),
          })),
        ),
      readWrittenPrices: (selections) => run('written', () => this.written(selections)),
      readNewestItems: (terms) =>
        run('newest items', () =>
          terms.flatMap((term) => {
            const isOfTerm = (line: StoredItem): boolean =>
              startText(line) === startText(term) && line.price === term.price && termText(line) === termText(term);
            return this.itemsOf(term).findLast(isOfTerm) ?? [];
          }),
        ),
      saveDue: async (customers) => {
        await locked('lock due', customers.map(dueLock), () => null);
        changes(customers);
        await write('save due', () => this.accounts.saveDue(customers));
      },
      markDue: async (customers) => {
        await locked('lock due', customers.map(dueLock), () => null);
        changes(customers);
        await write('mark due', () => this.accounts.markDue(customers));
      },
      readPublishedVersion: () => run('published version', () => this.postgres.publishedVersion),
      saveRating: (rating) => run('save rating', () => BigInt(ratings.push(rating) - 1)),
      saveRatedPeriods: (periods, rating) => {
        changes(periods);
        return write('save periods', () => {
          for (const saved of periods) {
            const period = { ...saved, ...ratings[Number(rating)]! };
            this.periods.set(periodText(period), period);
            rated.periods.push(period);
          }
        });
      },
      insertLineItems: async (lineItems, rating) => {
        const { sealVector } = ratings[Number(rating)]!;
        changes(lineItems);
        await run('check items', () => this.assertNew(lineItems));
        await write('insert items', () => {
          this.assertNew(lineItems);
          for (const line of lineItems) {
            this.itemKeys.add(itemText(line));
            if (!this.periods.has(periodText(line))) throw new Error(`no billing period for ${itemText(line)}`);
            const stored: StoredItem = { ...line, sealVector };
            const key = startText(line);
            const items = this.items.get(key);
            if (items === undefined) this.items.set(key, [stored]);
            else items.push(stored);
            rated.items.push(stored);
          }
        });
      },
    };
  }

  private assertNew(lineItems: readonly NewLineItem[]): void {
    const seen = new Set<string>();
    for (const line of lineItems) {
      const key = itemText(line);
      if (this.itemKeys.has(key) || seen.has(key)) {
        throw Object.assign(new Error(`duplicate key value violates unique constraint: ${key}`), { code: '23505' });
      }
      seen.add(key);
    }
  }

  private written(selections: readonly WrittenSelection[]): ReadonlyMap<string, WrittenPrices> {
    const written = new Map<string, WrittenPrices>();
    for (const selection of selections) {
      this.onDetail(selection);
      const prices = new Map<string, Map<string, WrittenTerm>>();
      const byTerm = groupBy(this.itemsOf(selection), (line) => keyText(line.price, termText(line)));
      for (const lines of byTerm.values()) {
        const { price } = lines[0]!;
        const terms = prices.get(price) ?? new Map<string, WrittenTerm>();
        prices.set(price, terms.set(termText(lines[0]!), writtenTerm(lines, selection.detailFrom)));
      }
      if (prices.size > 0) written.set(startText(selection), prices);
    }
    return written;
  }
}

/** Windows of usage that start before `detailFrom` are one. */
function writtenTerm(lines: readonly StoredItem[], detailFrom: number): WrittenTerm {
  const { subscription, periodEnd, termStart, subject } = lines[0]!;
  const windows = new Map<number, WrittenTerm['windows'][number]>();
  let amount = Decimal.zero;
  for (const { meter, item } of lines) {
    const windowStart = meter !== null && item.windowStart < detailFrom ? EARLIER : item.windowStart;
    const window = windows.get(windowStart);
    amount = amount.plus(item.amount);
    windows.set(windowStart, {
      windowStart,
      lastStart: Math.max(window?.lastStart ?? 0, item.windowStart),
      windowEnd: Math.max(window?.windowEnd ?? 0, item.windowEnd),
      quantity: (window?.quantity ?? 0n) + item.quantity,
      revision: Math.max(window?.revision ?? 0, item.revision),
    });
  }
  return { subscription, periodEnd, termStart, subject, windows: [...windows.values()], amount };
}

const epochsOf = (groups: readonly ShardGroup[]): ReadonlyMap<number, number> =>
  new Map(groups.flatMap(({ shards }) => shards.map(({ shard, epoch }) => [shard, epoch] as const)));

const isInShards =
  (shards: readonly HeldShard[]) =>
  ({ tenant, customer }: TenantCustomer): boolean =>
    shards.some(({ shard }) => shard === shardOf(tenant, customer));

const itemText = (line: NewLineItem): string =>
  keyText(startText(line), line.price, termText(line), line.item.windowStart, line.item.revision);

const isAfterCustomer = (one: TenantCustomer, other: TenantCustomer): boolean =>
  one.tenant > other.tenant || (one.tenant === other.tenant && one.customer > other.customer);

const isOf =
  (customers: readonly TenantCustomer[]) =>
  ({ tenant, customer }: RatedPeriod): boolean =>
    customers.some((each) => each.tenant === tenant && each.customer === customer);

function bucketStart({ buckets, from }: RatedUsageSelection, { windowStart }: RollUpRow): number {
  if (buckets === 'window') return windowStart;
  const segment = buckets.findLast(({ start }) => start <= windowStart);
  if (segment === undefined) throw new RangeError(`no segment holds ${windowStart}, the first begins after ${from}`);
  return segment.start + Math.floor((windowStart - segment.start) / segment.stepMs) * segment.stepMs;
}

/** Rows that count of chunks that the vector covers, of the sealing epoch or a later one. */
function sealedRows({ vector, epochSteps }: SealedBy, recounts: RecountModel): (row: RollUpRow) => boolean {
  // By partition and chunk, the epoch it was sealed in.
  const epochs: (bigint | number)[][] = Array.from({ length: PARTITIONS }, (_, partition) =>
    Array.from({ length: nextChunkOf(vector, GENERATION, partition) }, () => Number.POSITIVE_INFINITY),
  );
  for (const { partition, fromChunk, epoch } of epochSteps) epochs[partition]!.fill(epoch, fromChunk);
  const revisions = recounts.seals.map((seals, partition) => {
    const sealed = seals.slice(0, recountsOf(vector, GENERATION, partition));
    return new Map(sealed.map((seal) => [seal.chunk, seal]));
  });
  return ({ partition, chunk, epoch, revision }) => {
    const own = epochs[partition]![chunk] ?? Number.POSITIVE_INFINITY;
    const revised = revisions[partition]!.get(chunk);
    if (revised === undefined) return revision === 0 && epoch >= own;
    return own !== Number.POSITIVE_INFINITY && revision === revised.revision && epoch >= revised.epoch;
  };
}

const sumOf = <Item>(items: readonly Item[], of: (item: Item) => number): number =>
  items.reduce((sum, item) => sum + of(item), 0);

const byValue = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

function merged(meter: Meter, rows: readonly RollUpRow[]): bigint {
  const values = rows.map(({ value }) => value);
  switch (meter.aggregation) {
    case 'sum':
    case 'count':
    case 'avg':
      return values.reduce((sum, value) => sum + value, 0n);
    case 'max':
      return values.sort(byValue).at(-1)!;
    case 'min':
      return values.sort(byValue)[0]!;
    case 'latest': {
      const last = rows.reduce((a, b) => (isAfter(b, a) ? b : a));
      return last.value;
    }
    case 'unique':
      return BigInt(new Set(rows.flatMap(({ uniqueValues }) => uniqueValues)).size) * 1_000_000_000_000n;
  }
}

function isAfter(a: RollUpRow, b: RollUpRow): boolean {
  const key = ({ latest: [eventTime, at, offset, index], partition }: RollUpRow) => [
    eventTime,
    at,
    partition,
    offset,
    index,
  ];
  const [x, y] = [key(a), key(b)];
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! > y[i]!;
  return false;
}
