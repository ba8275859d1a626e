// The processes of a simulated deployment: gateways, aggregators and raters of the real code on the models, and a
// supervisor that starts another where one has ended.
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { ChunkStore } from '../../aggregator/chunk-store.ts';
import { fastCounter } from '../../aggregator/counting/fast-counter.ts';
import { plainCounter } from '../../aggregator/counting/plain-counter.ts';
import { consumePartitions, type PartitionGroup } from '../../aggregator/partition-group.ts';
import { ReadBackMismatch } from '../../aggregator/partition-loop.ts';
import { RevisionStore } from '../../aggregator/recounting/revision-store.ts';
import { ChunkUnrepairable } from '../../aggregator/seal-store.ts';
import type { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import {
  FIRST_RULE_SET,
  NEWEST_RULE_SET,
  type RuleSet,
  ruleSet,
  UnknownRuleSet,
} from '../../domain/metering/rule-set.ts';
import type { Random } from '../../domain/random.ts';
import { Rejection } from '../../domain/rejection.ts';
import type { UsageEvent } from '../../domain/usage-event.ts';
import { Batcher, type BatchRecord } from '../../ingest/batcher.ts';
import { admit } from '../../ingest/core/admission.ts';
import { FastAdmission } from '../../ingest/core/fast-admission.ts';
import { compileMeterChecks, type MeterChecks } from '../../ingest/core/meter-checks.ts';
import { repeat } from '../../platform/calls/timers.ts';
import type { StoredMeters } from '../../platform/catalog-store.ts';
import { EventLogError } from '../../platform/event-log/event-log.ts';
import { AvroRegistry, decodeRecord, EventBatchWriter } from '../../platform/event-log/record-codec.ts';
import type { StageContext } from '../../platform/process/stage.ts';
import type { Settings } from '../../platform/settings/settings.ts';
import { isTransient as isTransientRatingError, type RaterStage, startRating } from '../../rater/main.ts';
import { createRaterMetrics } from '../../rater/metrics.ts';
import { metersAmong, numbersAt } from '../support/stored-meters.ts';
import { type Content, Violation } from './oracles/usage-oracle.ts';
import { AGGREGATORS, type ClientEvent, type ClientRequest, GATEWAYS, HOUR, type Plan, RATERS } from './plan.ts';
import { Process, type Scheduler } from './scheduler.ts';
import type { ClickHouseModel } from './stores/click-house-model.ts';
import type { LogModel } from './stores/log-model.ts';
import { type Disk, MemoryKeyFile } from './stores/memory-key-file.ts';
import type { PostgresModel } from './stores/postgres-model.ts';
import type { RatingModel } from './stores/rating-model.ts';

export interface Gateway {
  readonly process: Process;
  readonly batcher: Batcher;
  /** Null: it has read no catalog yet. */
  checksOf: ((tenant: string) => MeterChecks) | null;
  readonly fast: FastAdmission | null;
}

/** A place where a process runs; the supervisor starts another one when it has ended. */
export interface Slot {
  readonly name: string;
  process: Process | null;
  /** Calls its start function anew. */
  readonly start: () => void;
}

/** What they run on. */
export interface Models {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: LogModel;
  readonly clickhouse: ClickHouseModel;
  readonly postgres: PostgresModel;
  readonly rating: RatingModel;
}

/** Who is told of what they do. */
export interface Watcher {
  /** What a record holds that is about to be appended; returns it. */
  written(value: Buffer, content: Content): Buffer;
  admitted(tenant: string, sent: ClientEvent, event: UsageEvent): void;
  /** A rater says of a meter how many windows it closed with usage that nothing prices. */
  unpriced(rater: object, meter: string, windows: number): void;
  /** A chunk is replayed, as its rows did not read back as they were decided. */
  notReadBack(mismatch: ReadBackMismatch): void;
  failed(error: Error): void;
}

const APPEND_TIMEOUT_MS = 30_000;
/** Three tables of the smallest size, and as much again for those being written. */
const DEDUP_MEMORY_BYTES = 60_000;
export const CLOCK_LEAP_MAX_MS = HOUR;
/** So that a partition's index takes more than one page. */
const INDEX_PAGE_EVENTS = 100;
/** What processes log becomes part of the trace when there is one. */
function loggerOf(scheduler: Scheduler, process: Process, watcher: Watcher): Logger {
  const say = (fields: unknown, message?: string): void => {
    const { err, ...others } = fields as { err?: Error };
    if (err instanceof ReadBackMismatch) watcher.notReadBack(err);
    if (scheduler.trace === null) return;
    scheduler.trace.push(`  ${process.name}: ${message ?? ''} ${err?.message ?? ''} ${JSON.stringify(others)}`);
  };
  const logger = { child: () => logger, debug: say, info: say, warn: say, error: say };
  return logger as unknown as Logger;
}

export class Deployment {
  readonly slots: Slot[] = [];
  readonly gateways: (Gateway | null)[] = [];
  private readonly plan: Plan;
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly log: LogModel;
  private readonly clickhouse: ClickHouseModel;
  private readonly postgres: PostgresModel;
  private readonly rating: RatingModel;
  private readonly watcher: Watcher;
  private readonly raters = new Map<Slot, RaterStage>();
  private readonly groups = new Map<Slot, PartitionGroup>();
  private readonly registry = new AvroRegistry();
  /** While such a fault lasts, an aggregator may halt for its reason. */
  readonly excuses = { offsetsGoneUntil: 0, clockAheadUntil: 0 };
  restarts = 0;
  halts = 0;
  private lives = 0;
  private readonly recounting = new Set<Process>();

  constructor(models: Models, watcher: Watcher) {
    this.plan = models.plan;
    this.scheduler = models.scheduler;
    this.random = models.random;
    this.log = models.log;
    this.clickhouse = models.clickhouse;
    this.postgres = models.postgres;
    this.rating = models.rating;
    this.watcher = watcher;
    for (let i = 0; i < GATEWAYS; i++) this.addSlot(`gateway-${i}`, (process) => this.startGateway(i, process));
    for (let i = 0; i < AGGREGATORS; i++) this.addSlot(`aggregator-${i}`, (process) => this.startAggregator(process));
    for (let i = 0; i < RATERS; i++) this.addSlot(`rater-${i}`, (process) => this.startRater(process));
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
        // Owners differ in where their keys are as well: all in memory, in a file as soon as they can be, or some of
        // them.
        dedupMemoryBytes: this.random.fork(`${process.name} memory`).pick([null, 1, DEDUP_MEMORY_BYTES]),
        tickIntervalMs: plan.tickIntervalMs,
        clockLeapMaxMs: CLOCK_LEAP_MAX_MS,
      },
      rater: { intervalMs: plan.ratingIntervalMs, leaseMs: plan.leaseMs },
      allowedLatenessMs: plan.allowedLatenessMs,
    } as unknown as Settings;
  }

  private contextOf(process: Process): StageContext {
    return {
      settings: this.settings(process),
      logger: loggerOf(this.scheduler, process, this.watcher),
      registry: new Registry(),
      clock: process.clock,
    };
  }

  private startGateway(index: number, process: Process): void {
    const gateway: Gateway = {
      process,
      checksOf: null,
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
        .statement(process, 'catalog', () => ({
          published: this.postgres.tenantVersions.upTo(this.postgres.publishedVersion),
          rules: ruleSet(this.postgres.ruleSetInForce),
        }))
        .then(
          ({ published, rules }) => {
            if (published.newest > 0) gateway.checksOf = checksBy(published, rules);
            process.timers.setTimeout(follow, this.random.spread(10_000, 8 * HOUR));
          },
          () => process.timers.setTimeout(follow, 1_000),
        );
    };
    follow();
  }

  private storedMetersOf(process: Process): StoredMeters {
    const { postgres } = this;
    return {
      versionsAt: (version) =>
        postgres.statement(process, 'catalog', () => numbersAt(postgres.tenantVersions, version)),
      metersOf: (numbers) => postgres.statement(process, 'meters', () => metersAmong(postgres.tenantVersions, numbers)),
    };
  }

  private startAggregator(process: Process): void {
    const { postgres } = this;
    const slot = this.slots.find((each) => each.process === process)!;
    const disk = this.diskOf(process);
    const isOld = this.scheduler.now < this.plan.upgradeAt;
    consumePartitions({
      ...this.contextOf(process),
      generation: 1,
      rules: this.plan,
      firstRuleSet: FIRST_RULE_SET,
      eventLog: this.tickingLog(process),
      chunks: new ChunkStore(this.clickhouse.clientOf(process), 1, INDEX_PAGE_EVENTS),
      sealTables: postgres.sealTablesOf(process),
      storedMeters: this.storedMetersOf(process),
      findSchema: () => postgres.statement<null>(process, 'schema', () => null),
      // Owners that follow each other count by different code, and must decide alike.
      newCounter: this.random.fork(process.name).chance(0.5) ? fastCounter : plainCounter,
      newKeyFile: () => Promise.resolve(new MemoryKeyFile(disk)),
      timers: process.timers,
      owner: {
        name: process.name,
        newestRuleSet: isOld ? FIRST_RULE_SET : NEWEST_RULE_SET,
      },
    }).then(
      (group) => {
        this.groups.set(slot, group);
        group.failed.catch((error: unknown) => this.ended(slot, process, error));
        repeat(process.timers, 3 * HOUR, () => void group.repairChunks(postgres.repairRequestsOf(process)));
        // An owner of the earlier release knows nothing of recounts.
        if (!isOld) repeat(process.timers, HOUR, () => this.recount(process, group));
      },
      (error: unknown) => this.ended(slot, process, error),
    );
  }

  /** One call at a time, as in production. */
  private recount(process: Process, group: PartitionGroup): void {
    if (this.recounting.has(process)) return;
    this.recounting.add(process);
    const revisions = new RevisionStore(this.clickhouse.clientOf(process), 1);
    const tables = this.postgres.recounts.tablesOf(process);
    void group.recountChunks({ tables, revisions }).finally(() => this.recounting.delete(process));
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
    const metrics = createRaterMetrics(context.registry);
    const stage = startRating(context, {
      store: this.rating.storeOf(process),
      timers: process.timers,
      metrics: {
        ...metrics,
        unpricedWindows: (meter, count) => {
          metrics.unpricedWindows(meter, count);
          this.watcher.unpriced(process, meter, count);
        },
      },
      batchCustomersMax: this.plan.batchCustomersMax,
      markedCustomersMax: this.plan.markedCustomersMax,
      stepWindowsMax: this.plan.stepWindowsMax,
      rater: process.name,
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

  /** Each aggregator is replaced by one of the new release, one after the other. */
  upgrade(random: Random): void {
    for (const slot of this.slots) {
      if (!slot.name.startsWith('aggregator')) continue;
      this.scheduler.after(random.int(0, 6 * HOUR), () => this.crash(slot, random.int(1_000, 60_000)), 'upgrade');
    }
  }

  /** What the auditor has asked for is decided now. */
  decideRepairs(random: Random): void {
    const { postgres, scheduler } = this;
    for (const [slot, group] of this.groups) {
      const { process } = slot;
      if (process === null) continue;
      const repair = () => void group.repairChunks(postgres.repairRequestsOf(process));
      scheduler.after(random.int(0, 300), repair, 'repair now', process);
    }
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
      record: () => this.watcher.written(writer.record(), { kind: 'events', events }),
    };
  }

  /** Ticks are written by the aggregator: the oracle is told which records they are. */
  private tickingLog(process: Process): ReturnType<LogModel['clientOf']> {
    const log = this.log.clientOf(process);
    return {
      ...log,
      append: (partition, values) => {
        for (const value of values) {
          const tick = decodeRecord(this.registry, value);
          if (tick.kind !== 'tick') throw new Error('an aggregator wrote something else than a tick');
          this.watcher.written(value, { kind: 'tick', ruleSet: tick.ruleSet });
        }
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
    // An owner of the earlier release came back and met what the others had put in force.
    const isOld = error instanceof UnknownRuleSet && now >= this.plan.upgradeAt;
    const isExcused =
      isOld ||
      isUnrepairable ||
      (isOffsetGone && now <= this.excuses.offsetsGoneUntil) ||
      (isClockAhead && now <= this.excuses.clockAheadUntil);
    this.scheduler.note(`${process.name} ends: ${(error as Error).message}`);
    if (!isExcused) {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.watcher.failed(new Violation('progress', `${process.name} can't go on: ${cause}`));
      return;
    }
    this.halts++;
    this.crash(slot, this.random.int(300_000, HOUR));
  }

  /** The events a gateway took, once they are durable; null: it did not. */
  async receive(gateway: Gateway, { tenant, events }: ClientRequest): Promise<UsageEvent[] | null> {
    const { checksOf, batcher, process, fast } = gateway;
    if (checksOf === null || batcher.refusal() !== null) return null;
    const taken: UsageEvent[] = [];
    for (const sent of events) {
      const context = {
        tenant,
        subjects: null,
        now: process.clock(),
        // Older than the generation's, as after a change of the setting: so that some events are too late in the log
        // only.
        horizonMs: this.plan.horizonMs + 2 * HOUR,
        checks: checksOf(tenant),
      };
      const text = JSON.stringify(sent);
      const event =
        fast?.take(Buffer.from(text), text, 0, text.length, 'any', context) ??
        admit(structuredCopy(sent), 'any', context, false);
      if (event instanceof Rejection) continue;
      this.watcher.admitted(tenant, sent, event);
      taken.push(event);
    }
    if (taken.length === 0) return null;
    try {
      await batcher.append(taken);
      return taken;
    } catch {
      return null;
    }
  }
}

/** Compiled when a tenant sends its first event. */
function checksBy(published: TenantVersions, rules: RuleSet): (tenant: string) => MeterChecks {
  const known = new Map<string, MeterChecks>();
  return (tenant) => {
    const meters = published.of(tenant).at(-1)?.catalog.meters ?? [];
    const checks = known.get(tenant) ?? compileMeterChecks({ meters }, rules);
    known.set(tenant, checks);
    return checks;
  };
}

/** The body of a request, parsed anew: the gateway may keep what it is given. */
const structuredCopy = (event: ClientEvent): unknown => ({ ...event, data: { ...event.data } });
