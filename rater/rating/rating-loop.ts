// Moves the rater's progress to the seals of now, step by step. One step:
//
//   read      seals and watermark in one snapshot, the published catalog, the progress of all raters
//   verify    the chunks sealed since, and those with usage of windows that close, are in ClickHouse as they were
//             sealed; if not: wait, and report I2
//   find      what is due: windows that closed, late usage, periods that start, subscriptions that changed; it counts
//             only if all that was verified is still there
//   announce  up to where windows are closed, so that no subject changes hands before it from now on
//   rate      in batches of customers, a transaction each, some at once; customers whose subjects have moved meanwhile
//             come again
//   advance   the progress, unless another rater has done so
//
// A step that ends early (a crash, a store away, another rater ahead) leaves the progress where it was and is done
// again from new seals. Batches that were committed write nothing the second time, because nothing is missing then.
import type { Logger } from 'pino';
import { itemClosesAt } from '../../domain/billing/item-span.ts';
import type { NewLineItem } from '../../domain/billing/line-item.ts';
import { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import type { CustomerWork } from '../../domain/rating/customer-work.ts';
import { catalogsAt, RatingCatalogs } from '../../domain/rating/rating-catalog.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import { covers, isSameVector } from '../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import { damagedPartOf } from '../../platform/clickhouse/click-house.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import { becomesDue, customerWork, handBack, isNothing, nothingTouched, type Touched } from '../core/touched.ts';
import type { RaterMetrics } from '../metrics.ts';
import type { RatingStore } from '../store/rating-store.ts';
import { earliestClosing, readTouchedWindows } from '../store/touched-usage.ts';
import { markConcerned } from './catalog-intake.ts';
import { ChunkVerifier } from './chunk-verifier.ts';
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

export type StepOutcome = 'idle' | 'rated' | 'behind' | 'mismatch' | 'damaged';

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
}

export class RatingLoop {
  private readonly parts: RatingLoopParts;
  private readonly verifier: ChunkVerifier;
  private catalogs = new RatingCatalogs(new TenantVersions([]));

  constructor(parts: RatingLoopParts) {
    this.parts = parts;
    this.verifier = new ChunkVerifier(parts.store);
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
    const { store } = this.parts;
    // The progress first: seals read after it are never behind it, unless a chunk was reopened.
    const from = await store.readProgress();
    const seals = await store.readSeals();
    await this.readCatalogs();
    const { watermark } = seals;
    const { catalogs } = this;
    if (watermark === null || catalogs.version === 0) return 'idle';
    if (!covers(seals.vector, from.sealVector)) return this.waitForRepair(from);
    const mismatches = await this.verifier.verifyNew(from.sealVector, seals.vector);
    if (mismatches.length > 0) return this.mismatch(mismatches);

    // What was closed stays closed when more lateness is allowed later: it may be on an invoice.
    const closedUpTo = Math.max(watermark - this.parts.allowedLatenessMs, from.closedUpTo ?? Number.NEGATIVE_INFINITY);
    await this.takeInVersions(from.catalogVersion, watermark);
    // Windows that close have usage in older chunks, too.
    const older = await this.verifier.verifySince(earliestClosing({ catalogs, from }));
    if (older.length > 0) return this.mismatch(older);
    const to = { sealVector: seals.vector, closedUpTo };
    const windows = await readTouchedWindows(store, { catalogs, from, to, recountRuns: seals.recountRuns });
    let due = await this.readDue(watermark);
    // Who has usage that was not there to be found is looked at by no batch, and the progress would pass it over.
    if (!(await isStillThere(store, this.verifier, seals))) return 'behind';
    const closing = windows.size === 0 ? null : await readClosingWindows(store, catalogs, from.closedUpTo, closedUpTo);
    const basis: StepBasis = { seals, watermark, catalogs, closedUpTo, closing };
    const unpriced: UnpricedByCustomer = new Map();
    const isTouched = windows.size + due.size > 0;
    if (isTouched) await store.announceClosing(closedUpTo);
    for (let left: Touched = { windows, due }; !isNothing(left); left = { windows: new Map(), due }) {
      for (let work = left; !isNothing(work); ) {
        const { ends, moved } = await this.rateAll(basis, work, unpriced);
        for (const end of ends) {
          if (end.outcome === 'mismatch') return this.mismatch(end.mismatches);
          if (end.outcome === 'behind') return 'behind';
        }
        work = moved;
      }
      due = await this.readDue(watermark);
    }
    this.parts.metrics.discrepancy('I2', 0);
    const reached = { sealVector: seals.vector, watermark, closedUpTo, catalogVersion: catalogs.version };
    const isMoved =
      !isSameVector(reached.sealVector, from.sealVector) ||
      reached.watermark !== from.watermark ||
      reached.closedUpTo !== from.closedUpTo ||
      reached.catalogVersion !== from.catalogVersion;
    if (!isMoved) return isTouched ? 'rated' : 'idle';
    if (!(await store.advanceProgress(from, reached))) return 'behind';
    // Whoever moves the progress has closed them, and nobody else does.
    for (const ofOne of unpriced.values())
      for (const { meter, windows: count } of ofOne) this.parts.metrics.unpricedWindows(meter, count);
    return 'rated';
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
  private async takeInVersions(taken: number, watermark: number): Promise<void> {
    const { store, markedCustomersMax } = this.parts;
    for (const version of this.catalogs.versions.after(taken))
      await markConcerned(store, this.catalogs, version, watermark, markedCustomersMax);
  }

  /** Those that are due, the longest first, and no more than memory is to hold. */
  private async readDue(watermark: number): Promise<Touched['due']> {
    const touched = nothingTouched();
    for (const { tenant, customer, dueAt } of await this.parts.store.readDueCustomers(watermark, DUE_CUSTOMERS_MAX))
      becomesDue(touched, { tenant, customer }, dueAt);
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
    const batches = this.batchesOf(customerWork(touched, await readOwnership(store, touched)));
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
