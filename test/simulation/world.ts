// One simulated deployment: gateways, aggregators and raters of the real code on models of the log, ClickHouse and Postgres;
// clients that send what the plan says, faults that strike when it says, a supervisor that starts what has ended, and the
// oracles that watch. After the plan's end everything heals, drains, and is compared to the last row.
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { ChunkStore } from '../../aggregator/chunk-store.ts';
import { fastCounter } from '../../aggregator/fast-counter.ts';
import { consumePartitions, type PartitionGroup } from '../../aggregator/partition-group.ts';
import { plainCounter } from '../../aggregator/plain-counter.ts';
import { ChunkUnrepairable, type Seal } from '../../aggregator/seal-store.ts';
import type { CatalogVersion } from '../../domain/catalog.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { Batcher, type BatchRecord } from '../../ingest/batcher.ts';
import { admit } from '../../ingest/core/admission.ts';
import { FastAdmission } from '../../ingest/core/fast-admission.ts';
import { compileMeterChecks, type MeterChecks } from '../../ingest/core/meter-checks.ts';
import { Rejection } from '../../ingest/core/rejection.ts';
import { EventLogError } from '../../platform/event-log/event-log.ts';
import {
  AvroRegistry,
  decodeRecord,
  EventBatchWriter,
  encodeCatalogChange,
} from '../../platform/event-log/record-codec.ts';
import { retry } from '../../platform/retry.ts';
import type { Settings } from '../../platform/settings.ts';
import type { StageContext } from '../../platform/stage.ts';
import { repeat } from '../../platform/timers.ts';
import { covers } from '../../platform/usage-store/seal-vector.ts';
import { isTransient as isTransientRatingError, type RaterStage, startRating } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { ClickHouseModel } from './click-house-model.ts';
import { strike } from './faults.ts';
import { LogModel } from './log-model.ts';
import { type Disk, MemoryKeyFile } from './memory-key-file.ts';
import { MoneyOracle } from './money-oracle.ts';
import {
  AGGREGATORS,
  type ClientEvent,
  type ClientRequest,
  DAY,
  ENDS_AT,
  GATEWAYS,
  HOUR,
  PARTITIONS,
  type Plan,
  RATERS,
  STARTS_AT,
} from './plan.ts';
import { PostgresModel } from './postgres-model.ts';
import { Random } from './random.ts';
import { RatingModel } from './rating-model.ts';
import { Process, Scheduler } from './scheduler.ts';
import { checkStores } from './store-check.ts';
import { type Content, UsageOracle, Violation } from './usage-oracle.ts';

interface Gateway {
  readonly process: Process;
  readonly batcher: Batcher;
  checks: MeterChecks | null;
  readonly fast: FastAdmission | null;
}

/** A place where a process runs; the supervisor starts another one when it has ended. */
export interface Slot {
  readonly name: string;
  process: Process | null;
  /** Calls its start function anew. */
  readonly start: () => void;
}

const APPEND_TIMEOUT_MS = 30_000;
/** Three tables of the smallest size, and as much again for those being written. */
const DEDUP_MEMORY_BYTES = 60_000;
const CLOCK_LEAP_MAX_MS = HOUR;
/** So that a partition's index takes more than one page. */
const INDEX_PAGE_EVENTS = 100;
/** A run takes some 28,000, and ten times that where aggregators halt for days on a chunk that can't be repaired. */
const ACTIONS_MAX = 1_000_000;

/** What processes log becomes part of the trace when there is one. */
function loggerOf(scheduler: Scheduler, process: Process): Logger {
  const say = (fields: unknown, message?: string): void => {
    if (scheduler.trace === null) return;
    const { err, ...others } = fields as { err?: Error };
    scheduler.trace.push(`  ${process.name}: ${message ?? ''} ${err?.message ?? ''} ${JSON.stringify(others)}`);
  };
  const logger = { child: () => logger, debug: say, info: say, warn: say, error: say };
  return logger as unknown as Logger;
}

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
  readonly slots: Slot[] = [];
  private readonly gateways: (Gateway | null)[] = [];
  private readonly raters = new Map<Slot, RaterStage>();
  private readonly groups = new Map<Slot, PartitionGroup>();
  private readonly isWatched: boolean;
  private failure: Error | null = null;
  /** While such a fault lasts, an aggregator may halt for its reason. */
  readonly excuses = { offsetsGoneUntil: 0, clockAheadUntil: 0 };
  isHealing = false;
  restarts = 0;
  halts = 0;
  lives = 0;

  constructor(plan: Plan, options: RunOptions = {}) {
    this.plan = plan;
    this.isWatched = options.unwatched !== true;
    this.random = new Random(plan.seed).fork('world');
    this.scheduler = new Scheduler(STARTS_AT);
    if (options.trace === true) this.scheduler.trace = [];
    this.oracle = new UsageOracle(plan, PARTITIONS);
    this.log = new LogModel(PARTITIONS, this.scheduler, this.random.fork('log'));
    this.clickhouse = new ClickHouseModel(this.scheduler, this.random.fork('clickhouse'));
    this.postgres = new PostgresModel(PARTITIONS, this.scheduler, this.random.fork('postgres'));
    this.log.onAppend = this.watched((partition, record) => this.oracle.appended(partition, record));
    const watchSeal = this.watched((seal: Seal) => this.sealed(seal));
    this.postgres.onSeal = (seal) => {
      watchSeal(seal);
      this.tellOfLateUsage(seal);
    };
    this.rating = new RatingModel(this.postgres, this.clickhouse);
    this.money = new MoneyOracle(plan, this.oracle, this.rating, this.postgres);
    this.rating.onRated = this.watched((rated) => this.money.rated(rated));
    this.rating.onAdvance = this.watched((progress) => this.money.advanced(progress));
    const watchPublish = this.watched((watermark: number) => this.oracle.published(watermark));
    this.postgres.onPublish = (watermark) => {
      watchPublish(watermark);
      this.onPublish?.(watermark);
    };
    for (let i = 0; i < GATEWAYS; i++) this.addSlot(`gateway-${i}`, (process) => this.startGateway(i, process));
    for (let i = 0; i < AGGREGATORS; i++) this.addSlot(`aggregator-${i}`, (process) => this.startAggregator(process));
    for (let i = 0; i < RATERS; i++) this.addSlot(`rater-${i}`, (process) => this.startRater(process));
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
    if (seal.watermark > scheduler.now + CLOCK_LEAP_MAX_MS + 10_000) {
      throw new Violation('I3', `${at} was sealed ${seal.watermark - scheduler.now} ms ahead of time`);
    }
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
  private written(value: Buffer, content: Content): Buffer {
    if (this.isWatched) this.oracle.written(value, content);
    return value;
  }

  private newBatchRecord(): BatchRecord {
    const writer = new EventBatchWriter();
    const events: UsageEvent[] = [];
    return {
      get count() {
        return writer.count;
      },
      add(event) {
        writer.add(event);
        events.push(event);
      },
      record: () => this.written(writer.record(), { kind: 'events', events }),
    };
  }

  fail(error: Error): void {
    this.failure ??= error;
  }

  private addSlot(name: string, start: (process: Process) => void): void {
    const slot: Slot = {
      name,
      process: null,
      start: () => {
        const process = new Process(`${name}#${this.lives++}`, this.scheduler);
        process.clockOffsetMs = name.startsWith('gateway')
          ? this.random.int(-90_000, 90_000)
          : this.random.int(-5_000, 5_000);
        slot.process = process;
        start(process);
      },
    };
    this.slots.push(slot);
  }

  /** Kills the slot's process, if it runs; the supervisor starts another. */
  crash(slot: Slot, downMs: number): void {
    const { process } = slot;
    if (process === null) return;
    this.scheduler.note(`crash ${process.name}`);
    process.crash();
    slot.process = null;
    this.restarts++;
    // The group takes a while to notice.
    this.scheduler.after(this.random.int(3_000, 20_000), () => this.log.expel(process), 'expel');
    this.scheduler.after(downMs, slot.start, 'restart');
  }

  pause(slot: Slot, forMs: number): void {
    const { process } = slot;
    if (process === null || process.isPaused) return;
    this.scheduler.note(`pause ${process.name}`, forMs);
    process.isPaused = true;
    const member = this.log.memberOf(process);
    if (member !== null && forMs > 10_000) {
      this.scheduler.after(10_000, () => process.isPaused && this.log.expel(process), 'expel');
    }
    this.scheduler.after(
      forMs,
      () => {
        if (!process.isAlive) return;
        this.scheduler.note(`resume ${process.name}`);
        process.resume();
        if (member !== null)
          this.scheduler.after(this.random.int(10, 5_000), () => this.log.readmit(process, member), 'readmit');
      },
      'resume',
    );
  }

  private settings(process: Process): Settings {
    const { plan } = this;
    return {
      ingest: {
        appendTimeoutMs: APPEND_TIMEOUT_MS,
        lingerMs: 10,
        queueEventsMax: 2_000,
        queueBytesMax: 1 << 24,
        batchEventsMax: 60,
        batchBytesMax: 1 << 16,
      },
      log: { group: 'aggregators', topic: 'usage' },
      aggregator: {
        chunkOffsets: plan.chunkOffsets,
        chunkSlotMs: plan.slotMs,
        horizonMs: plan.horizonMs,
        flushIntervalMs: plan.flushIntervalMs,
        flushEventsMax: 40,
        // Owners differ in where their keys are as well: all in memory, in a file as soon as they can be, or some of them.
        dedupMemoryBytes: this.random.fork(`${process.name} memory`).pick([null, 1, DEDUP_MEMORY_BYTES]),
        tickIntervalMs: plan.tickIntervalMs,
        clockLeapMaxMs: CLOCK_LEAP_MAX_MS,
      },
      rater: { intervalMs: plan.ratingIntervalMs },
      allowedLatenessMs: plan.allowedLatenessMs,
    } as unknown as Settings;
  }

  private contextOf(process: Process): StageContext {
    return {
      settings: this.settings(process),
      logger: loggerOf(this.scheduler, process),
      registry: new Registry(),
      clock: process.clock,
    };
  }

  private startGateway(index: number, process: Process): void {
    const gateway: Gateway = {
      process,
      checks: null,
      // Gateways admit by different code, and must admit alike.
      fast: this.random.fork(process.name).chance(0.5) ? new FastAdmission() : null,
      batcher: new Batcher(this.settings(process).ingest, {
        log: this.log.clientOf(process),
        newRecord: () => this.newBatchRecord(),
        clock: process.clock,
        timers: process.timers,
      }),
    };
    this.gateways[index] = gateway;
    const follow = (): void => {
      this.postgres
        .statement(process, 'catalog', () => this.postgres.catalogVersions[this.postgres.publishedVersion - 1] ?? null)
        .then(
          (version) => {
            if (version !== null) gateway.checks = compileMeterChecks(version.catalog);
            process.timers.setTimeout(follow, this.random.spread(10_000, 8 * HOUR));
          },
          () => process.timers.setTimeout(follow, 1_000),
        );
    };
    follow();
  }

  private startAggregator(process: Process): void {
    const { postgres } = this;
    const slot = this.slots.find((each) => each.process === process)!;
    const disk = this.diskOf(process);
    consumePartitions({
      ...this.contextOf(process),
      generation: 1,
      rules: this.plan,
      eventLog: this.tickingLog(process),
      chunks: new ChunkStore(this.clickhouse.clientOf(process), 1, INDEX_PAGE_EVENTS),
      sealTables: postgres.sealTablesOf(process),
      readCatalogVersion: (version) =>
        postgres.statement<CatalogVersion | null>(
          process,
          'catalog',
          () => postgres.catalogVersions[version - 1] ?? null,
        ),
      findSchema: () => postgres.statement<null>(process, 'schema', () => null),
      // Owners that follow each other count by different code, and must decide alike.
      newCounter: this.random.fork(process.name).chance(0.5) ? fastCounter : plainCounter,
      newKeyFile: () => Promise.resolve(new MemoryKeyFile(disk)),
      timers: process.timers,
      owner: process.name,
    }).then(
      (group) => {
        this.groups.set(slot, group);
        group.failed.catch((error: unknown) => this.ended(slot, process, error));
        repeat(process.timers, 3 * HOUR, () => void group.repairChunks(postgres.repairRequestsOf(process)));
      },
      (error: unknown) => this.ended(slot, process, error),
    );
  }

  private diskOf(process: Process): Disk {
    const random = this.random.fork(`${process.name} disk`);
    return {
      wait: () => new Promise((resolve) => process.timers.setTimeout(resolve, random.spread(1, 10_000))),
      isFull: () => random.chance(0.1),
    };
  }

  private startRater(process: Process): void {
    const slot = this.slots.find((each) => each.process === process)!;
    const context = this.contextOf(process);
    const stage = startRating(context, {
      store: this.rating.storeOf(process),
      timers: process.timers,
      metrics: createRaterMetrics(context.registry),
      batchSubjectsMax: this.plan.batchSubjectsMax,
    });
    stage.failed.catch((error: unknown) => this.ended(slot, process, error));
    this.raters.set(slot, stage);
  }

  /** All raters rate what is sealed now, and so get into each other's way. */
  rateAtOnce(random: Random): void {
    for (const [slot, stage] of this.raters) {
      const { process } = slot;
      if (process === null) continue;
      const rate = (): void => {
        stage.rateNow().catch((error: unknown) => {
          if (!isTransientRatingError(error)) this.ended(slot, process, error);
        });
      };
      this.scheduler.after(random.int(0, 200), rate, 'rate now', process);
    }
  }

  /** The auditor looks now, and what it asks for is decided at once. */
  repairNow(random: Random): void {
    const { postgres, scheduler } = this;
    this.repair();
    for (const [slot, group] of this.groups) {
      const { process } = slot;
      if (process === null) continue;
      const repair = () => void group.repairChunks(postgres.repairRequestsOf(process));
      scheduler.after(random.int(0, 300), repair, 'repair now', process);
    }
  }

  /** Ticks are written by the aggregator: the oracle is told which records they are. */
  private tickingLog(process: Process): ReturnType<LogModel['clientOf']> {
    const log = this.log.clientOf(process);
    return {
      ...log,
      append: (partition, values) => {
        for (const value of values) this.written(value, { kind: 'tick' });
        return log.append(partition, values);
      },
    };
  }

  /** A process that can't go on ends; that is right only for a reason that is given. */
  private ended(slot: Slot, process: Process, error: unknown): void {
    if (slot.process !== process) return;
    const { now } = this.scheduler;
    const isOffsetGone = error instanceof EventLogError && error.code === 'offset_out_of_range';
    const isClockAhead = error instanceof Error && error.message.includes("ahead of this machine's clock");
    const isUnrepairable = error instanceof ChunkUnrepairable && this.log.partitions[error.partition]!.startOffset > 0;
    const isExcused =
      isUnrepairable ||
      (isOffsetGone && now <= this.excuses.offsetsGoneUntil) ||
      (isClockAhead && now <= this.excuses.clockAheadUntil);
    this.scheduler.note(`${process.name} ends: ${(error as Error).message}`);
    if (!isExcused) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.fail(new Violation('progress', `${process.name} can't go on: ${cause}`));
      return;
    }
    this.halts++;
    this.crash(slot, this.random.int(300_000, HOUR));
  }

  private send(request: ClientRequest, attempt: number): void {
    // Clients that send at the same moment mostly reach the same gateway, and share its batches.
    const index = this.random.chance(0.6)
      ? Math.floor(request.at / 1_000) % GATEWAYS
      : this.random.int(0, GATEWAYS - 1);
    const gateway = this.gateways[index] ?? null;
    const { scheduler } = this;
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
        this.receive(gateway, request).then(respond, (error: Error) => this.fail(error));
      },
      'request',
      gateway.process,
    );
  }

  /** The events a gateway took, once they are durable; null: it did not. */
  private async receive(gateway: Gateway, { tenant, events }: ClientRequest): Promise<UsageEvent[] | null> {
    const { checks, batcher, process, fast } = gateway;
    if (checks === null || batcher.refusal() !== null) return null;
    const taken: UsageEvent[] = [];
    for (const sent of events) {
      const context = {
        tenant,
        now: process.clock(),
        // Older than the generation's, as after a change of the setting: so that some events are too late in the log only.
        horizonMs: this.plan.horizonMs + 2 * HOUR,
        checks,
      };
      const [event] = fast?.admitAll(Buffer.from(JSON.stringify(sent)), context) ?? [
        admit(structuredCopy(sent), 'native', { ...context, exact: false }),
      ];
      if (event === undefined) throw new Error('a body of one event has none');
      if (event instanceof Rejection) continue;
      if (this.isWatched) this.oracle.admitted(tenant, sent, event);
      taken.push(event);
    }
    if (taken.length === 0) return null;
    const outcome = batcher.append(taken);
    if (!(outcome instanceof Promise)) return null;
    try {
      await outcome;
      return taken;
    } catch {
      return null;
    }
  }

  /** Stores a catalog version and brings it into force, as applyCatalog does: stored, in every partition, published. */
  private applyCatalog(catalog: CatalogVersion['catalog']): void {
    const { postgres, scheduler } = this;
    const operator = new Process('operator', scheduler);
    const log = this.log.clientOf(operator);
    const forever = <Result>(work: () => Promise<Result>): Promise<Result> =>
      retry(work, { isRetriable: () => true, signal: new AbortController().signal, timers: operator.timers });
    const version = postgres.catalogVersions.length + 1;
    postgres.catalogVersions.push({ version, effectiveAt: scheduler.now, catalog });
    this.oracle.addCatalog(catalog);
    const record = (): Buffer => this.written(encodeCatalogChange({ version }), { kind: 'catalog', version });
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    void Promise.all(partitions.map((partition) => forever(() => log.append(partition, [record()])))).then(() => {
      postgres.publishedVersion = Math.max(postgres.publishedVersion, version);
      scheduler.note('catalog published', version);
    });
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
    for (const { at, catalog } of plan.catalogs)
      scheduler.after(at - STARTS_AT, () => this.applyCatalog(catalog), 'catalog');
    for (const slot of this.slots) scheduler.after(this.random.int(1, 30_000), slot.start, 'start');
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
    const end = this.log.partitions.map(({ records }) => (records.at(-1)?.offset ?? -1) + 1);
    const isDrained = (): boolean =>
      end.every((offset, partition) => this.postgres.progress[partition]!.nextOffset >= offset);
    await this.drain(isDrained, 'the log is not sealed to its end');
    for (let pass = 0; this.repair() > 0; pass++) {
      if (pass > 20) throw new Violation('progress', 'damaged chunks are not repaired');
      await this.runUntil(scheduler.now + HOUR);
      await this.drain(isDrained, 'repaired chunks are not sealed again');
    }
    this.watched(() => {
      this.checkSealed();
      checkStores(this);
    })();
    if (this.failure !== null) throw this.failure;
    const { rating, postgres } = this;
    const { published, publishedVersion } = postgres;
    const sealed = rating.vector;
    const isRated = (): boolean =>
      covers(rating.progress.sealVector, sealed) &&
      rating.progress.watermark! >= published! &&
      rating.progress.catalogVersion === publishedVersion;
    await this.drain(isRated, 'what is sealed is not rated');
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
    this.onLateUsage = null;
    this.onPublish = null;
    log.network.disarm();
    clickhouse.heal();
    postgres.disarm();
    postgres.forgetRefusedRepairs();
    for (const partition of log.partitions) {
      partition.startOffset = 0;
      partition.clockOffsetMs = 0;
    }
    for (const { process } of this.slots) {
      if (process === null) continue;
      process.onResponse = null;
    }
  }

  /** What was sealed is for ever what is stored, but for parts that were lost. */
  private checkSealed(): void {
    for (const [partition, seals] of this.postgres.seals.entries()) {
      const chunk = this.clickhouse.firstDamaged(seals, true);
      if (chunk === null) continue;
      throw new Violation(
        'I2',
        `sealed chunk ${chunk} of partition ${partition} has changed, and not because of a loss`,
      );
    }
  }

  private audit(): void {
    if (this.clickhouse.takeHasLost()) this.repair();
  }

  /** What an auditor does: compares seals with rows, and asks for the repair of the first damaged chunk of each partition. */
  private repair(): number {
    let damaged = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const seals = this.postgres.seals[partition]!;
      const chunk = this.clickhouse.firstDamaged(seals);
      if (chunk === null) continue;
      damaged++;
      this.postgres.requestRepair(partition, chunk, seals[chunk]!.epoch);
    }
    return damaged;
  }
}

/** The body of a request, parsed anew: the gateway may keep what it is given. */
const structuredCopy = (event: ClientEvent): unknown => ({ ...event, data: { ...event.data } });
