import type { ReadBackMismatch } from '../../aggregator/partition-loop.ts';
import type { RevisionSeal } from '../../aggregator/recounting/recount-tables.ts';
import type { Seal } from '../../aggregator/seal-store.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { Problem } from '../../domain/problem.ts';
import { Random } from '../../domain/random.ts';
import { covers } from '../../domain/sealing/seal-vector.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { retry } from '../../platform/calls/retry.ts';
import { AvroRegistry, decodeRecord } from '../../platform/event-log/record-codec.ts';
import { CLOCK_LEAP_MAX_MS, Deployment } from './deployment.ts';
import { strike } from './faults.ts';
import { MoneyOracle } from './oracles/money-oracle.ts';
import { checkStores } from './oracles/store-check.ts';
import { UnpricedOracle } from './oracles/unpriced-oracle.ts';
import { type Content, UsageOracle, Violation } from './oracles/usage-oracle.ts';
import {
  type ClientRequest,
  DAY,
  ENDS_AT,
  GATEWAYS,
  HOUR,
  PARTITIONS,
  type Plan,
  type PlannedAssignment,
  type PlannedSubscribing,
  STARTS_AT,
} from './plan.ts';
import { Publishers } from './publishers.ts';
import { checkRecounts, checkRevision, requestRecount } from './recounting.ts';
import { Process, Scheduler } from './scheduler.ts';
import type { Assigning } from './stores/account-model.ts';
import { ClickHouseModel } from './stores/click-house-model.ts';
import { LogModel } from './stores/log-model.ts';
import { PostgresModel } from './stores/postgres-model.ts';
import { type MovedShards, RatingModel } from './stores/rating-model.ts';
import { type Subscribing, slotFrom } from './subscribing.ts';

/** A run takes some 28,000, and ten times that where aggregators halt for days on a chunk that can't be repaired. */
const ACTIONS_MAX = 500_000;

/** Between a read and what follows from it: longer than the longest pause. */
const LOOK_MS_MAX = 4 * HOUR;

/** How often what was refused is asked for again. */
const REFUSALS_MAX = 3;

export interface RunOptions {
  readonly trace?: boolean;
  /** Leaves the oracles out, which nothing that happens depends on: for a run that is only to have the same trace. */
  readonly unwatched?: boolean;
}

export class World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: LogModel;
  readonly clickhouse: ClickHouseModel;
  readonly postgres: PostgresModel;
  readonly rating: RatingModel;
  readonly oracle: UsageOracle;
  readonly money: MoneyOracle;
  readonly unpriced: UnpricedOracle;
  readonly deployment: Deployment;
  private readonly isWatched: boolean;
  private failure: Error | null = null;
  private readonly publishers: Publishers;
  private readonly racing: (PlannedAssignment | PlannedSubscribing)[] = [];
  isHealing = false;

  constructor(plan: Plan, options: RunOptions = {}) {
    this.plan = plan;
    this.isWatched = options.unwatched !== true;
    this.random = new Random(plan.seed).fork('world');
    this.scheduler = new Scheduler(STARTS_AT);
    if (options.trace === true) this.scheduler.trace = [];
    this.oracle = new UsageOracle(plan, PARTITIONS);
    this.log = new LogModel(PARTITIONS, this.scheduler, this.random.fork('log'));
    this.clickhouse = new ClickHouseModel(this.scheduler, this.random.fork('clickhouse'));
    this.postgres = new PostgresModel(PARTITIONS, this.scheduler, this.random.fork('postgres'), plan.horizonMs);
    this.postgres.recounts.onSeal = this.watched((partition, seal, corrections) => {
      checkRevision(this, partition, seal);
      this.oracle.recounted(partition, seal, corrections);
    });
    this.log.onAppend = this.watched((partition, record) => this.oracle.appended(partition, record));
    const watchSeal = this.watched((seal: Seal) => this.sealed(seal));
    this.postgres.onSeal = (seal) => {
      watchSeal(seal);
      this.tellOfLateUsage(seal);
    };
    this.postgres.onReopen = this.watched((seal: Seal) => this.reopened(seal));
    this.rating = new RatingModel(this.postgres, this.clickhouse);
    this.money = new MoneyOracle(plan, this.oracle, this.rating, this.postgres);
    this.rating.onRated = this.watched((rated) => this.money.rated(rated));
    this.rating.onAdvance = this.watched((shards, progress) => this.money.advanced(shards, progress));
    this.rating.onCommit = this.watched((changed, began) => this.money.committed(changed, began));
    this.unpriced = new UnpricedOracle(this.oracle, this.money.expected);
    this.rating.onAdvanced = this.watched((rater: object, moved: MovedShards) => this.unpriced.advanced(rater, moved));
    this.rating.accounts.onReachedBack = this.watched(() => this.unpriced.reachedBack());
    this.rating.onStep = this.watched((rater: object) => this.unpriced.begins(rater));
    this.rating.accounts.onSubscribed = this.watched((changed) => this.money.subscribed(changed));
    this.rating.onCall = (call) => this.race(call);
    this.rating.onMarked = this.watched((customers: readonly TenantCustomer[], taken: number) =>
      this.money.marked(customers, taken),
    );
    this.rating.onDetail = this.watched((period) => this.money.readDetail(period));
    const watchPublish = this.watched((watermark: number) => this.oracle.published(watermark));
    this.postgres.onPublish = (watermark) => {
      watchPublish(watermark);
      this.onPublish?.(watermark);
    };
    this.publishers = new Publishers(this, this.random.fork('publishers'));
    this.deployment = new Deployment(this, {
      written: (value, content) => this.written(value, content),
      admitted: (tenant, sent, event) => {
        if (this.isWatched) this.oracle.admitted(tenant, sent, event);
      },
      unpriced: (rater, meter, count) => {
        if (this.isWatched) this.unpriced.count(rater, meter, count);
      },
      notReadBack: this.watched((mismatch) => this.notReadBack(mismatch)),
      failed: (error) => this.fail(error),
    });
  }

  /** Told of a chunk with late usage that is sealed. */
  onLateUsage: ((seal: Seal) => void) | null = null;

  /** Told of a watermark that is published. */
  onPublish: ((watermark: number) => void) | null = null;

  private sealed(seal: Seal): void {
    const { clickhouse, oracle, scheduler } = this;
    oracle.sealed(seal);
    const at = `partition ${seal.partition} chunk ${seal.chunk}`;
    // Rows that were lost after the chunk's last flush may have been there when it was read back.
    if (!clickhouse.holds(seal) && clickhouse.lostAt < clickhouse.flushedAt(seal.partition, seal.epoch)) {
      throw new Violation('I2', `${at} was sealed, and what is stored of it is something else`);
    }
    // The aggregators' clocks are a few seconds off at most.
    if (seal.partitionTime > scheduler.now + CLOCK_LEAP_MAX_MS + 10_000) {
      throw new Violation('I3', `${at} was sealed ${seal.partitionTime - scheduler.now} ms ahead of time`);
    }
  }

  /** Nobody takes back the seal of a chunk whose rows are there, and have been for longer than anybody is paused. */
  private reopened(seal: Seal): void {
    const { clickhouse, postgres, scheduler } = this;
    const { recounts } = postgres;
    // A recount may have made it whole since.
    if (postgres.isRepairAsked(seal)) return;
    const revised = recounts.revisedNow(seal.partition, seal.chunk);
    // Rows of a revision take the place of those that were lost.
    const revisedSince = recounts.revisedSince(seal.partition, seal.chunk);
    const changedAt = Math.max(clickhouse.wholeSince, clickhouse.lostAt, revisedSince);
    if (scheduler.now < changedAt + LOOK_MS_MAX || !clickhouse.holds(seal, revised)) return;
    throw new Violation('I2', `partition ${seal.partition} chunk ${seal.chunk} is reopened, and nothing of it is lost`);
  }

  /** Rows read back as they were written, unless some were lost since, or a replica answered. */
  private notReadBack({ message }: ReadBackMismatch): void {
    const { clickhouse, plan, scheduler } = this;
    // From a chunk's first flush to its end: a slot, and the time until a record comes that ends it.
    const openMs = plan.slotMs + plan.tickIntervalMs;
    if (scheduler.now < Math.max(clickhouse.wholeSince, clickhouse.lostAt + openMs) + LOOK_MS_MAX) return;
    throw new Violation('I2', `what was written does not read back, and nothing of it is lost: ${message}`);
  }

  private tellOfLateUsage(seal: Seal): void {
    if (this.onLateUsage !== null && this.hasLateUsage(seal)) this.onLateUsage(seal);
  }

  /** Windows that end by then were rated; milliseconds. */
  get closedUpTo(): number {
    return this.rating.progress.closedUpTo ?? 0;
  }

  /** Whether a chunk has usage of windows that were rated. */
  private hasLateUsage({ partition, chunk }: Seal): boolean {
    const { closedUpTo } = this;
    const rows = this.clickhouse.rollUps.all(partition, this.scheduler.now, { from: chunk, to: chunk });
    return rows.some(({ windowStart }) => windowStart + HOUR <= closedUpTo);
  }

  /** A violation that a watcher finds ends the run, wherever it was found. */
  private watched<Args extends unknown[]>(watch: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      if (!this.isWatched) return;
      try {
        watch(...args);
      } catch (error) {
        this.fail(error as Error);
      }
    };
  }

  /** Tells the oracle what a record holds. */
  written(value: Buffer, content: Content): Buffer {
    if (this.isWatched) this.oracle.written(value, content);
    return value;
  }

  private fail(error: Error): void {
    this.failure ??= error;
  }

  private send(request: ClientRequest, attempt: number): void {
    // Clients that send at the same moment mostly reach the same gateway, and share its batches.
    const index = this.random.chance(0.6)
      ? Math.floor(request.at / 1_000) % GATEWAYS
      : this.random.int(0, GATEWAYS - 1);
    const { scheduler, deployment } = this;
    const gateway = deployment.gateways[index] ?? null;
    let isAnswered = false;
    const again = (): void => {
      if (isAnswered) return;
      isAnswered = true;
      if (attempt < request.retries)
        scheduler.after(this.random.spread(500, 120_000), () => this.send(request, attempt + 1), 'client');
    };
    if (gateway === null || !gateway.process.isAlive) {
      again();
      return;
    }
    const timeout = scheduler.after(60_000, again, 'client timeout');
    const respond = (taken: readonly UsageEvent[] | null): void => {
      if (taken === null) {
        scheduler.after(2, again, 'client');
        return;
      }
      isAnswered = true;
      timeout.run = null;
      scheduler.note('200', taken.length);
      this.watched(() => this.oracle.acknowledge(taken))();
    };
    scheduler.after(
      this.random.pick([1, 1, 1, 2, 30]),
      () => {
        deployment.receive(gateway, request).then(respond, (error: Error) => this.fail(error));
      },
      'request',
      gateway.process,
    );
  }

  /** The auditor looks now, and what it asks for is decided at once. */
  repairNow(random: Random): void {
    this.repair();
    this.deployment.decideRepairs(random);
  }

  private planChange(planned: PlannedAssignment | PlannedSubscribing): void {
    if (planned.during === null) this.change(planned);
    else this.racing.push(planned);
  }

  private change(planned: PlannedAssignment | PlannedSubscribing): void {
    if ('assigning' in planned) this.assign(planned.assigning);
    else this.subscribe(planned.subscribing, 0);
  }

  /** Begins what is to race with a call of a rater. */
  private race(call: string): void {
    const { rating, postgres, plan, scheduler } = this;
    const i = this.racing.findIndex(({ during }) => during!.call === call);
    const { closedUpTo: rated } = rating.progress;
    const closing = postgres.published === null ? null : postgres.published - plan.allowedLatenessMs;
    if (i === -1 || rated === null || closing === null || closing <= rated) return;
    const [planned] = this.racing.splice(i, 1);
    const from = Math.floor(rated + planned!.during!.share * (closing - rated));
    const raced =
      'assigning' in planned!
        ? { ...planned, assigning: { ...planned.assigning, from } }
        : { ...planned!, subscribing: { ...planned!.subscribing, at: slotFrom(from) } };
    scheduler.after(0, () => this.change(raced), 'change');
  }

  /** As a client of the stage `manage` that asks again where it got no answer. `refused`: with a `Problem`. */
  private ask(what: string, act: (manager: Process) => Promise<void>, refused: () => void): void {
    const { scheduler } = this;
    const manager = new Process('manager', scheduler);
    const isRetriable = (error: unknown): boolean => !(error instanceof Problem);
    const again = { isRetriable, signal: new AbortController().signal, timers: manager.timers };
    retry(() => act(manager), again).then(
      () => scheduler.note(what),
      (error: unknown) => {
        if (isRetriable(error)) this.fail(error as Error);
        else {
          scheduler.note(`not ${what}: ${(error as Problem).code}`);
          refused();
        }
      },
    );
  }

  private assign(assigning: Assigning): void {
    const what = `assigned ${assigning.subject} to ${assigning.customer}`;
    this.ask(
      what,
      (manager) => this.rating.accounts.assign(manager, assigning),
      () => {},
    );
  }

  /** What is refused is asked for again later, a few times. */
  private subscribe(subscribing: Subscribing, attempt: number): void {
    const { scheduler } = this;
    const { act, tenant, customer } = subscribing;
    this.ask(
      `${act} of ${tenant}/${customer}`,
      (manager) => this.rating.accounts.subscribe(manager, subscribing),
      () => {
        if (attempt === REFUSALS_MAX || scheduler.now > ENDS_AT) return;
        const again = (): void => this.subscribe({ ...subscribing, at: 'now' }, attempt + 1);
        scheduler.after((attempt + 1) * 5 * HOUR, again, 'change');
      },
    );
  }

  /** A record that nobody should have written. */
  writeGarbage(partition: number, random: Random): void {
    const bytes = Buffer.from(Array.from({ length: random.int(0, 40) }, () => random.int(0, 255)));
    if (random.chance(0.5) && bytes.length > 10) bytes.writeUInt16BE(0xc301);
    try {
      decodeRecord(new AvroRegistry(), bytes);
      return;
    } catch {
      this.log.write(partition, [this.written(bytes, { kind: 'garbage' })]);
    }
  }

  /** Runs the plan; rejects with what is wrong. */
  async run(): Promise<void> {
    const { scheduler, plan } = this;
    for (const change of plan.catalogs)
      scheduler.after(change.at - STARTS_AT, () => this.publishers.add(change), 'catalog');
    const recounting = this.random.fork('recounting');
    for (const planned of plan.recounts)
      scheduler.after(planned.at - STARTS_AT, () => requestRecount(this, planned, recounting), 'recount');
    for (const planned of [...plan.assignments, ...plan.subscribings])
      scheduler.after(planned.at - STARTS_AT, () => this.planChange(planned), 'change');
    for (const slot of this.deployment.slots) scheduler.after(this.random.int(1, 30_000), slot.start, 'start');
    for (let at = 5 * HOUR; at < ENDS_AT - STARTS_AT; at += 5 * HOUR) scheduler.after(at, () => this.audit(), 'audit');
    for (let at = DAY; at < ENDS_AT - STARTS_AT; at += DAY) {
      scheduler.after(
        at,
        this.watched(() => this.checkSealed()),
        'check',
      );
    }
    for (const request of plan.requests)
      scheduler.after(request.at - STARTS_AT, () => this.send(request, 0), 'request');
    const faults = this.random.fork('faults');
    const upgrade = (): void => this.deployment.upgrade(this.random.fork('upgrade'));
    scheduler.after(plan.upgradeAt - STARTS_AT, upgrade, 'upgrade');
    for (const [i, fault] of plan.faults.entries()) {
      scheduler.after(
        fault.at - STARTS_AT,
        () => {
          scheduler.note(`fault ${fault.kind}`, i);
          strike(this, fault, faults.fork(`${fault.at}/${fault.kind}`));
        },
        'fault',
      );
    }
    await this.runUntil(ENDS_AT);
    this.heal();
    await this.drain(() => this.publishers.isIdle, 'a catalog is not published');
    const end = this.log.partitions.map(({ records }) => (records.at(-1)?.offset ?? -1) + 1);
    const isDrained = (): boolean =>
      end.every((offset, partition) => this.postgres.progress[partition]!.nextOffset >= offset);
    await this.drain(isDrained, 'the log is not sealed to its end');
    // A chunk that is repaired may be counted again first, and a recount may wait for the repair of another one.
    const isSound = (): boolean => this.repair() === 0 && isDrained() && this.postgres.recounts.isDone;
    await this.drain(isSound, 'damaged chunks are not repaired, or recounts not done');
    this.watched(() => {
      this.checkSealed();
      checkRecounts(this);
      checkStores(this);
    })();
    if (this.failure !== null) throw this.failure;
    const { rating, postgres } = this;
    const { published, publishedVersion } = postgres;
    const sealed = rating.vector;
    const isRated = (): boolean =>
      covers(rating.progress.sealVector, sealed) &&
      rating.progress.watermark! >= published! &&
      rating.progress.catalogVersion === publishedVersion &&
      rating.accounts.dueBy(rating.progress.watermark!, 1).length === 0;
    await this.drain(isRated, 'what is sealed is not rated');
    this.watched(() => this.publishers.check())();
    this.watched(() => this.money.checkAll())();
    if (this.failure !== null) throw this.failure;
  }

  private async runUntil(time: number): Promise<void> {
    const { scheduler } = this;
    let isOver = false;
    scheduler.after(
      Math.max(0, time - scheduler.now),
      () => {
        isOver = true;
      },
      'end',
    );
    await scheduler.run(() => isOver || this.failure !== null || scheduler.actions > ACTIONS_MAX);
    if (this.failure !== null) throw this.failure;
    if (!isOver) throw new Violation('progress', 'the system is busy without end');
  }

  private async drain(isDone: () => boolean, complaint: string): Promise<void> {
    const giveUpAt = this.scheduler.now + 3 * DAY;
    while (!isDone()) {
      if (this.scheduler.now > giveUpAt) throw new Violation('progress', complaint);
      await this.runUntil(this.scheduler.now + HOUR);
    }
  }

  private heal(): void {
    const { log, clickhouse, postgres, scheduler } = this;
    scheduler.note('heal');
    this.isHealing = true;
    this.publishers.isHealing = true;
    this.onLateUsage = null;
    this.onPublish = null;
    clickhouse.onRevision = null;
    log.network.disarm();
    clickhouse.heal();
    postgres.disarm();
    postgres.forgetRefusedRepairs();
    for (const partition of log.partitions) {
      partition.startOffset = 0;
      partition.clockOffsetMs = 0;
    }
    for (const { process } of this.deployment.slots) {
      if (process === null) continue;
      process.onResponse = null;
    }
  }

  /** What was sealed is for ever what is stored, but for parts that were lost. */
  private checkSealed(): void {
    for (const [partition, seals] of this.postgres.seals.entries()) {
      const [damaged] = this.clickhouse.damagedChunks(seals, this.revisedIn(partition), true);
      if (damaged === undefined) continue;
      throw new Violation(
        'I2',
        `sealed chunk ${damaged.chunk} of partition ${partition} has changed, and not because of a loss`,
      );
    }
  }

  /** By chunk, the seal of the revision that counts. */
  private revisedIn(partition: number): (chunk: number) => RevisionSeal | null {
    const byChunk = new Map(this.postgres.recounts.seals[partition]!.map((seal) => [seal.chunk, seal]));
    return (chunk) => byChunk.get(chunk) ?? null;
  }

  private audit(): void {
    if (this.clickhouse.takeHasLost()) this.repair();
  }

  /**
   * What an auditor does: compares seals with rows, and asks for the recount of each chunk that it mends, and for the
   * repair of the first of the others of each partition. Returns how many are damaged.
   */
  private repair(): number {
    const { clickhouse, postgres } = this;
    let damaged = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const chunks = clickhouse.damagedChunks(postgres.seals[partition]!, this.revisedIn(partition));
      damaged += chunks.length;
      const isMendedByRecount = (seal: Seal): boolean =>
        postgres.recounts.revisedNow(partition, seal.chunk) !== null &&
        clickhouse.holds(seal, null, ['events', 'rejects']);
      const toRecount = chunks.filter(isMendedByRecount);
      for (const { chunk } of toRecount) postgres.recounts.makeDue(partition, chunk);
      const toRepair = chunks.find((seal) => !toRecount.includes(seal));
      if (toRepair !== undefined) postgres.requestRepair(partition, toRepair.chunk, toRepair.epoch);
    }
    return damaged;
  }
}
