// Moves the rater's progress to the seals of now, step by step. One step:
//
//   read      seals and watermark in one snapshot, the published catalog, the progress of all raters
//   verify    the chunks sealed since, and those with usage of windows that close, are in ClickHouse as they were
//             sealed; if not: wait, and report I2
//   find      what is due: windows that closed, late usage, periods that start, subscriptions that changed; it counts
//             only if all that was verified is still there
//   rate      in batches of subjects, a transaction each, some at once
//   advance   the progress, unless another rater has done so
//
// A step that ends early (a crash, a store away, another rater ahead) leaves the progress where it was and is done
// again from new seals. Batches that were committed write nothing the second time, because nothing is missing then.
import type { Logger } from 'pino';
import { itemClosesAt } from '../../domain/billing/item-span.ts';
import type { NewLineItem } from '../../domain/billing/line-item.ts';
import type { CatalogVersion, Meter } from '../../domain/catalog/catalog.ts';
import { type SubscriptionBook, subscriptionBook } from '../../domain/catalog/subscription-book.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import { covers, isSameVector } from '../../domain/sealing/seal-vector.ts';
import type { RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import { damagedPartOf } from '../../platform/clickhouse/click-house.ts';
import type { SealMismatch } from '../../platform/usage-store/sealed-chunks.ts';
import type { SubjectWork } from '../core/period-targets.ts';
import type { RatingBasis } from '../core/rating-basis.ts';
import type { RaterMetrics } from '../metrics.ts';
import type { RatingStore } from '../store/rating-store.ts';
import { earliestClosing, readTouchedWindows, type TouchedWindows } from '../store/touched-usage.ts';
import { ChunkVerifier } from './chunk-verifier.ts';
import { DueSubscriptions, readTenants, touchChanged } from './due-subscriptions.ts';
import { type BatchOutcome, isStillThere, rateBatch } from './rating-batch.ts';

/** While ClickHouse is read for one batch, others are priced and written. */
const BATCHES_AT_ONCE = 3;
const BATCH_SUBJECTS_MAX = 600;
/**
 * After a long absence, or when usage is billed for the first time, a few subjects have more to write than fits in
 * memory.
 */
const BATCH_WINDOWS_MAX = 10_000;

export type StepOutcome = 'idle' | 'rated' | 'behind' | 'mismatch' | 'damaged';

export interface RatingLoopParts {
  readonly store: RatingStore;
  readonly metrics: RaterMetrics;
  readonly logger: Logger;
  readonly clock: () => number;
  readonly allowedLatenessMs: number;
  /** Subjects rated in one transaction. */
  readonly batchSubjectsMax?: number;
  /** Once the subjects of a batch have this many touched windows together, no further subject is added to it. */
  readonly batchWindowsMax?: number;
}

export class RatingLoop {
  private readonly parts: RatingLoopParts;
  private readonly verifier: ChunkVerifier;
  private readonly due: DueSubscriptions;
  private versions: readonly CatalogVersion[] = [];
  private book: SubscriptionBook = subscriptionBook([]);
  /** By slug, every meter there ever was: a pinned price may be for one that the newest catalog does not have. */
  private meters: ReadonlyMap<string, Meter> = new Map();

  constructor(parts: RatingLoopParts) {
    this.parts = parts;
    this.verifier = new ChunkVerifier(parts.store);
    this.due = new DueSubscriptions(parts.store);
  }

  /** One step. Rejects when a store does not answer, or with a `RatingInvariantError`. */
  async step(): Promise<StepOutcome> {
    try {
      const outcome = await this.run();
      if (outcome === 'behind' || outcome === 'mismatch') this.due.again();
      return outcome;
    } catch (error) {
      this.due.again();
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
    await this.readCatalog();
    const { watermark } = seals;
    const { book, versions } = this;
    if (watermark === null || versions.length === 0) return 'idle';
    if (!covers(seals.vector, from.sealVector)) return this.waitForRepair(from);
    const mismatches = await this.verifier.verifyNew(from.sealVector, seals.vector);
    if (mismatches.length > 0) return this.mismatch(mismatches);

    // What was closed stays closed when more lateness is allowed later: it may be on an invoice.
    const closedUpTo = Math.max(watermark - this.parts.allowedLatenessMs, from.closedUpTo ?? Number.NEGATIVE_INFINITY);
    const basis: RatingBasis = { seals, watermark, book, versions, closedUpTo };
    const billedFrom = this.billedFrom(from);
    // Windows that close have usage in older chunks, too.
    const older = await this.verifier.verifySince(
      earliestClosing({ meters: [...this.meters.values()], from: billedFrom }),
    );
    if (older.length > 0) return this.mismatch(older);
    const touched = await this.findDue(basis, from, billedFrom);
    // Who has usage that was not there to be found is looked at by no batch, and the progress would pass it over.
    if (!(await isStillThere(store, this.verifier, seals))) return 'behind';
    for (const result of await this.rateAll(basis, touched)) {
      if (result.outcome === 'mismatch') return this.mismatch(result.mismatches);
      if (result.outcome === 'behind') return 'behind';
    }
    this.parts.metrics.discrepancy('I2', 0);
    const to = { sealVector: seals.vector, watermark, closedUpTo, catalogVersion: book.revision };
    const isMoved =
      !isSameVector(to.sealVector, from.sealVector) ||
      to.watermark !== from.watermark ||
      to.closedUpTo !== from.closedUpTo ||
      to.catalogVersion !== from.catalogVersion;
    if (!isMoved) return touched.size === 0 ? 'idle' : 'rated';
    return (await store.advanceProgress(from, to)) ? 'rated' : 'behind';
  }

  /**
   * The versions up to the newest published one: a version that is not in every partition of the log is not in force.
   */
  private async readCatalog(): Promise<void> {
    const { store } = this.parts;
    const published = await store.readPublishedVersion();
    if (published === (this.versions.at(-1)?.version ?? 0)) return;
    const versions = await store.readCatalogVersions();
    this.versions = versions.filter((version) => version.version <= published);
    this.book = subscriptionBook(this.versions);
    const meters = this.versions.flatMap(({ catalog }) => catalog.meters);
    this.meters = new Map(meters.map((meter) => [meter.slug, meter]));
  }

  /**
   * The progress, as far as it tells which windows were billed. Where this catalog has a default plan and the one
   * before had none, usage without a subscription is billed from now on, of whatever age it is: then no window counts
   * as closed before.
   */
  private billedFrom(from: RaterProgress): RaterProgress {
    const before = subscriptionBook(this.versions, from.catalogVersion);
    const isNewlyBilled = !before.hasDefaultPlan && this.book.hasDefaultPlan;
    return isNewlyBilled ? { ...from, closedUpTo: null } : from;
  }

  private async findDue(basis: RatingBasis, from: RaterProgress, billedFrom: RaterProgress): Promise<TouchedWindows> {
    const { store } = this.parts;
    const { watermark, closedUpTo, seals, book } = basis;
    const touched = await readTouchedWindows(store, {
      meters: [...this.meters.values()],
      from: billedFrom,
      to: { sealVector: seals.vector, closedUpTo },
    });
    const changed = from.catalogVersion === book.revision ? [] : book.changedSince(from.catalogVersion);
    if (book.isEmpty && changed.length === 0) return touched;
    const tenants = await readTenants(store, book);
    if (changed.length > 0) await touchChanged(store, book, tenants, changed, watermark, touched);
    await this.due.touchDue(book, tenants, watermark, touched);
    return touched;
  }

  /**
   * Resolves or rejects when no batch is under way any more, to those that were given up. Batches have no subject in
   * common.
   */
  private async rateAll(basis: RatingBasis, touched: TouchedWindows): Promise<BatchOutcome[]> {
    const { store } = this.parts;
    // All loops take their batches from here: one that ends early closes it for the others.
    const batches = this.batchesOf(touched);
    let damaged: unknown = null;
    const rate = async (): Promise<BatchOutcome[]> => {
      for (const work of batches) {
        try {
          const result = await rateBatch({ store, verifier: this.verifier }, basis, work);
          if (result.outcome !== 'rated') return [result];
          this.count(result.lineItems);
        } catch (error) {
          // Other subjects may have nothing in that part. The step ends with it, so the progress stays where it is.
          if (damagedPartOf(error) === null) throw error;
          damaged = error;
        }
      }
      return [];
    };
    const ends = await Promise.allSettled(Array.from({ length: BATCHES_AT_ONCE }, rate));
    if (damaged !== null) throw damaged;
    return ends.flatMap((end) => {
      if (end.status === 'rejected') throw end.reason;
      return end.value;
    });
  }

  private *batchesOf(touched: TouchedWindows): Generator<SubjectWork[]> {
    const { batchSubjectsMax = BATCH_SUBJECTS_MAX, batchWindowsMax = BATCH_WINDOWS_MAX } = this.parts;
    let batch: SubjectWork[] = [];
    let windows = 0;
    // In the order of the key of usage, so that the subjects of a batch lie side by side.
    const inOrder = <Value>(byName: ReadonlyMap<string, Value>) => [...byName].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [tenant, subjects] of inOrder(touched)) {
      for (const [subject, times] of inOrder(subjects)) {
        batch.push({ tenant, subject, times });
        windows += times.size;
        if (batch.length < batchSubjectsMax && windows < batchWindowsMax) continue;
        yield batch;
        batch = [];
        windows = 0;
      }
    }
    if (batch.length > 0) yield batch;
  }

  private count(lineItems: readonly NewLineItem[]): void {
    const { metrics, clock, allowedLatenessMs } = this.parts;
    const now = clock();
    for (const { item, meter } of lineItems) {
      metrics.lineItemsWritten(item.kind, 1);
      if (item.cause !== 'window_closed') continue;
      const closedAt = itemClosesAt(this.meters.get(meter!)!, item.windowEnd) + allowedLatenessMs;
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
