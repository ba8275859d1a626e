// Moves shards of customers to the seals of now, step by step (docs/inside/rater-shards.md). One step:
//
//   take      the rater's share of the shards, by epochs
//   read      seals and watermark in one snapshot, the published catalog
//   verify    the chunks sealed since, and those with usage of windows that close, are in ClickHouse as they were
//             sealed; if not: wait, and report I2
//
// Then, for shards that are equally far, the furthest behind first, and all to the same seals:
//
//   announce  up to where windows are closed, so that no subject changes hands before it from now on
//   find      what is due: windows that closed, late usage, periods that start, subscriptions that changed; it counts
//             only if all that was verified is still there. Where it is too much for memory, of some of the shards, and
//             then of the others
//   rate      in batches of customers, a transaction each, some at once; customers whose subjects have moved meanwhile
//             come again
//   advance   the progress, where another rater has not taken the shard
//
// A step that takes long ends after some of its shards: the others stay where they were, and come first in the next
// one.
// A step that ends early (a crash, a store away, another rater ahead) leaves the progress where it was and is done
// again from new seals. Batches that were committed write nothing the second time, because nothing is missing then.
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type HeldShard, SHARDS, shardOf } from '../../domain/accounts/shard.ts';
import type { TenantCustomer } from '../../domain/billing/billing-period-terms.ts';
import { itemClosesAt } from '../../domain/billing/item-span.ts';
import type { NewLineItem } from '../../domain/billing/line-item.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import type { CustomerWork } from '../../domain/rating/customer-work.ts';
import { catalogsAt, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import { covers, isSameVector } from '../../domain/sealing/seal-vector.ts';
import type { Seals } from '../../domain/sealing/seals.ts';
import { leastProgress, type RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import type { ShardGroup } from '../../platform/billing-store/rater-shards.ts';
import { damagedPartOf } from '../../platform/clickhouse/click-house.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import {
  becomesDue,
  customerWork,
  handBack,
  isNothing,
  nothingTouched,
  type Touched,
  type TouchedTimes,
} from '../core/touched.ts';
import type { RaterMetrics } from '../metrics.ts';
import type { RatingStore } from '../store/rating-store.ts';
import { earliestClosing, readTouchedWindows } from '../store/touched-usage.ts';
import { markConcerned } from './catalog-intake.ts';
import { ChunkVerifier } from './chunk-verifier.ts';
import { HeldShards } from './held-shards.ts';
import { type BatchOutcome, isStillThere, rateBatch } from './rating-batch.ts';
import { readOwnership } from './touched-ownership.ts';
import { readClosingWindows, type StepBasis, tellUnpriced, type UnpricedByCustomer } from './unpriced-count.ts';

/** While ClickHouse is read for one batch, others are priced and written. */
const BATCHES_AT_ONCE = 3;
const BATCH_CUSTOMERS_MAX = 600;
/**
 * After a long absence, or when usage is billed for the first time, a few customers have more to write than fits in
 * memory.
 */
const BATCH_WINDOWS_MAX = 10_000;
/** All of them may be due at once, as when a month begins, and no more are held in memory. */
const DUE_CUSTOMERS_MAX = 20_000;
/** More are not held in memory, unless they are of one shard. */
const STEP_WINDOWS_MAX = 300_000;
/** After which a step begins nothing more: a rater that has come meanwhile waits for its shards until the step ends. */
const STEP_MS_MAX = 10_000;

/** `unfinished`: rated, and there is more; what was left comes with the next step, which may begin at once. */
export type StepOutcome = 'idle' | 'rated' | 'unfinished' | 'behind' | 'mismatch' | 'damaged';

export interface RatingLoopParts {
  readonly store: RatingStore;
  readonly metrics: RaterMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
  readonly allowedLatenessMs: number;
  /** Customers rated in one transaction. */
  readonly batchCustomersMax?: number;
  /** Customers whom a version of the catalog concerns, marked in one statement. */
  readonly markedCustomersMax?: number;
  /** Once the customers of a batch have this many touched windows together, no further one is added to it. */
  readonly batchWindowsMax?: number;
  /** Where more windows are touched, some shards are rated after the others. */
  readonly stepWindowsMax?: number;
  /** By which it holds shards: no two lives of a rater have the same. */
  readonly rater?: string;
}

/** What a step brings all shards to. */
interface StepGoal {
  readonly seals: Seals;
  readonly watermark: number;
  readonly closedUpTo: number;
  /** When it ends though shards are left, epoch milliseconds. */
  readonly endsBy: number;
}

export class RatingLoop {
  private readonly parts: RatingLoopParts;
  private readonly verifier: ChunkVerifier;
  private catalogs = new RatingCatalogs(new TenantVersions([]));
  private readonly held: HeldShards;

  constructor(parts: RatingLoopParts) {
    this.parts = parts;
    this.verifier = new ChunkVerifier(parts.store);
    this.held = new HeldShards(parts.store, parts.rater ?? randomUUID(), parts.metrics);
  }

  /** What it held was given back. */
  forgetShards(): void {
    this.held.forget();
  }

  /** One step. Rejects when a store does not answer, or with a `RatingInvariantError`. */
  async step(): Promise<StepOutcome> {
    try {
      return await this.run();
    } catch (error) {
      const part = damagedPartOf(error);
      if (part === null) throw error;
      this.parts.metrics.discrepancy('I2', 1);
      this.parts.logger.error(
        { ...part, err: error },
        'a part of ClickHouse cannot be read; what needs it is not rated until it is repaired',
      );
      return 'damaged';
    }
  }

  private async run(): Promise<StepOutcome> {
    const { store, clock } = this.parts;
    const endsBy = clock() + STEP_MS_MAX;
    // The progress first: seals read after it are never behind it, unless a chunk was reopened.
    const groups = await this.held.hold();
    const seals = await store.readSeals();
    await this.readCatalogs();
    const { watermark } = seals;
    if (watermark === null || this.catalogs.version === 0 || groups.length === 0) return 'idle';
    const ahead = groups.find(({ progress }) => !covers(seals.vector, progress.sealVector));
    if (ahead !== undefined) return this.waitForRepair(ahead.progress);
    const all = groups.map(({ progress }) => progress);
    const mismatches = await this.verifier.verifyNew(leastProgress(all).sealVector, seals.vector);
    if (mismatches.length > 0) return this.mismatch(mismatches);

    // What was closed stays closed when more lateness is allowed later: it may be on an invoice.
    const closed = all.map(({ closedUpTo }) => closedUpTo ?? Number.NEGATIVE_INFINITY);
    const closedUpTo = Math.max(watermark - this.parts.allowedLatenessMs, ...closed);
    let isRated = false;
    for (const group of groups) {
      if (isRated && clock() >= endsBy) return 'unfinished';
      const outcome = await this.rateShards({ seals, watermark, closedUpTo, endsBy }, group);
      if (outcome !== 'rated' && outcome !== 'idle') return outcome;
      if (outcome === 'rated') isRated = true;
    }
    this.parts.metrics.discrepancy('I2', 0);
    return isRated ? 'rated' : 'idle';
  }

  /** Shards that are equally far. */
  private async rateShards(goal: StepGoal, { shards, progress }: ShardGroup): Promise<StepOutcome> {
    const { store, stepWindowsMax = STEP_WINDOWS_MAX } = this.parts;
    const { seals, watermark, closedUpTo } = goal;
    const { catalogs } = this;
    await this.takeInVersions(progress.catalogVersion, shards, watermark);
    // Windows that close have usage in older chunks, too.
    const older = await this.verifier.verifySince(earliestClosing({ catalogs, from: progress }));
    if (older.length > 0) return this.mismatch(older);
    const closesMore = progress.closedUpTo === null || progress.closedUpTo < closedUpTo;
    if (closesMore && !(await store.announceClosing(shards, closedUpTo))) return 'behind';

    const to = { sealVector: seals.vector, closedUpTo };
    const touched = { catalogs, from: progress, to, recountRuns: seals.recountRuns };
    let isRated = false;
    for (let left = shards, atOnce = shards.length; left.length > 0; left = left.slice(atOnce)) {
      if (isRated && this.parts.clock() >= goal.endsBy) return 'unfinished';
      let windows: TouchedTimes | null = null;
      while (windows === null) {
        const numbers = left.slice(0, atOnce).map(({ shard }) => shard);
        const windowsMax = atOnce === 1 ? Number.POSITIVE_INFINITY : stepWindowsMax;
        windows = await readTouchedWindows(store, touched, new Set(numbers), windowsMax);
        if (windows === null) atOnce = Math.ceil(Math.min(atOnce, left.length) / 2);
      }
      const outcome = await this.rateTouched(goal, { shards: left.slice(0, atOnce), progress }, windows);
      if (outcome !== 'rated' && outcome !== 'idle') return outcome;
      if (outcome === 'rated') isRated = true;
    }
    return isRated ? 'rated' : 'idle';
  }

  /** Shards whose touched windows are in memory, and whoever of their customers is due besides. */
  private async rateTouched(goal: StepGoal, group: ShardGroup, windows: TouchedTimes): Promise<StepOutcome> {
    const { store, metrics } = this.parts;
    const { seals, watermark, closedUpTo } = goal;
    const { shards, progress } = group;
    const { catalogs } = this;
    let due = await this.readDue(shards, watermark);
    // Who has usage that was not there to be found is looked at by no batch, and the progress would pass it over.
    if (!(await isStillThere(store, this.verifier, seals))) return 'behind';
    const closing =
      windows.size === 0 ? null : await readClosingWindows(store, catalogs, progress.closedUpTo, closedUpTo);
    const byNumber = new Map(shards.map((each) => [each.shard, each]));
    const basis: StepBasis = { seals, watermark, catalogs, closedUpTo, closing, shards: byNumber };
    const unpriced: UnpricedByCustomer = new Map();
    const isTouched = windows.size + due.size > 0;
    for (let left: Touched = { windows, due }; !isNothing(left); left = { windows: new Map(), due }) {
      for (let work = left; !isNothing(work); ) {
        const { ends, moved } = await this.rateAll(basis, work, unpriced);
        for (const end of ends) {
          if (end.outcome === 'mismatch') return this.mismatch(end.mismatches);
          if (end.outcome === 'behind') return 'behind';
        }
        work = moved;
      }
      due = await this.readDue(shards, watermark);
      if (due.size > 0 && this.parts.clock() >= goal.endsBy) return 'unfinished';
    }
    const reached = { sealVector: seals.vector, watermark, closedUpTo, catalogVersion: catalogs.version };
    const isMoved =
      !isSameVector(reached.sealVector, progress.sealVector) ||
      reached.watermark !== progress.watermark ||
      reached.closedUpTo !== progress.closedUpTo ||
      reached.catalogVersion !== progress.catalogVersion;
    if (!isMoved) return isTouched ? 'rated' : 'idle';
    const moved = new Set(await store.advanceProgress(group, reached));
    // Whoever moves a shard's progress has closed its windows, and nobody else does.
    for (const ofOne of unpriced.values())
      for (const { tenant, customer, meter, windows: count } of ofOne)
        if (moved.has(shardOf(tenant, customer))) metrics.unpricedWindows(meter, count);
    return moved.size < shards.length ? 'behind' : 'rated';
  }

  /**
   * The versions up to the newest published one: a version that is not in every partition of the log is not in force.
   */
  private async readCatalogs(): Promise<void> {
    const { store } = this.parts;
    const known = this.catalogs;
    this.catalogs = await catalogsAt(known, await store.readPublishedVersion(), () => store.readTenantVersions());
    if (this.catalogs === known) return;
    // So that the first one counts as a rise.
    for (const { meters } of this.catalogs.all)
      for (const meter of meters.keys()) this.parts.metrics.unpricedWindows(meter, 0);
  }

  /** Whoever a version concerns that no step has taken in is due, and so when it comes to hold. */
  private async takeInVersions(taken: number, shards: readonly HeldShard[], watermark: number): Promise<void> {
    const { store, markedCustomersMax } = this.parts;
    for (const version of this.catalogs.versions.after(taken))
      await markConcerned(store, shards, this.catalogs, version, watermark, markedCustomersMax);
  }

  /** Those of the shards that are due, the longest first, and no more than memory is to hold. */
  private async readDue(shards: readonly HeldShard[], watermark: number): Promise<Touched['due']> {
    const touched = nothingTouched();
    const due = await this.parts.store.readDueCustomers(shards, watermark, DUE_CUSTOMERS_MAX);
    for (const { tenant, customer, dueAt } of due) becomesDue(touched, { tenant, customer }, dueAt);
    return touched.due;
  }

  /**
   * Resolves or rejects when no batch is under way any more, to those that were given up, and to what is still to be
   * done for customers whose subjects have moved. Batches have no customer in common.
   */
  private async rateAll(
    basis: StepBasis,
    touched: Touched,
    unpriced: UnpricedByCustomer,
  ): Promise<{ readonly ends: readonly BatchOutcome[]; readonly moved: Touched }> {
    const { store } = this.parts;
    // All loops take their batches from here: one that ends early closes it for the others.
    const isOfAll = basis.shards.size === SHARDS;
    const isMeant = ({ tenant, customer }: TenantCustomer): boolean =>
      isOfAll || basis.shards.has(shardOf(tenant, customer));
    const batches = this.batchesOf(customerWork(touched, await readOwnership(store, touched), isMeant));
    const moved = nothingTouched();
    let damaged: unknown = null;
    const rate = async (): Promise<BatchOutcome[]> => {
      for (const work of batches) {
        try {
          const result = await rateBatch({ store, verifier: this.verifier }, basis, work);
          if (result.outcome !== 'rated') return [result];
          this.count(result.lineItems);
          for (const each of result.moved) handBack(each, moved);
          tellUnpriced(unpriced, result.unpriced);
        } catch (error) {
          // Other customers may have nothing in that part. The step ends with it, so the progress stays where it is.
          if (damagedPartOf(error) === null) throw error;
          damaged = error;
        }
      }
      return [];
    };
    const ends = await Promise.allSettled(Array.from({ length: BATCHES_AT_ONCE }, rate));
    if (damaged !== null) throw damaged;
    const given = ends.flatMap((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
    return { ends: given, moved };
  }

  private *batchesOf(work: Iterable<CustomerWork>): Generator<CustomerWork[]> {
    const { batchCustomersMax = BATCH_CUSTOMERS_MAX, batchWindowsMax = BATCH_WINDOWS_MAX } = this.parts;
    let batch: CustomerWork[] = [];
    let windows = 0;
    for (const each of work) {
      batch.push(each);
      for (const times of each.windows.values()) windows += times.size;
      if (batch.length < batchCustomersMax && windows < batchWindowsMax) continue;
      yield batch;
      batch = [];
      windows = 0;
    }
    if (batch.length > 0) yield batch;
  }

  private count(lineItems: readonly NewLineItem[]): void {
    const { metrics, clock, allowedLatenessMs } = this.parts;
    const now = clock();
    for (const { tenant, item, meter } of lineItems) {
      metrics.lineItemsWritten(item.kind, 1);
      if (item.cause !== 'window_closed') continue;
      const closedAt = itemClosesAt(this.catalogs.of(tenant).meters.get(meter!)!, item.windowEnd) + allowedLatenessMs;
      metrics.windowCloseDelay((now - closedAt) / 1_000);
    }
  }

  private waitForRepair(from: RaterProgress): StepOutcome {
    this.parts.logger.warn(
      { rated: from.sealVector },
      'fewer chunks are sealed than were rated: one is being repaired',
    );
    return 'mismatch';
  }

  private mismatch(mismatches: readonly SealMismatch[]): StepOutcome {
    this.parts.metrics.discrepancy('I2', mismatches.length);
    for (const { seal, found } of mismatches.slice(0, 10)) {
      this.parts.logger.error(
        {
          generation: seal.generation,
          partition: seal.partition,
          chunk: seal.chunk,
          sealed: printable(seal.rollUps),
          found: printable(found),
        },
        'ClickHouse does not hold the roll-ups that were sealed; nothing is rated until it does',
      );
    }
    return 'mismatch';
  }
}

const printable = ({ count, checksum }: RowSet) => ({ rows: count.toString(), checksum: checksum.toString() });
