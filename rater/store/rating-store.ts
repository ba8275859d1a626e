// All that rating reads and writes, as one port. What is decided by it (which chunks to verify, what is due, whether
// anything has moved since it was read, in which order rows are written) is decided by the callers, so that a
// simulation with stores in memory runs the same decisions as a rater on Postgres and ClickHouse. Every call rejects
// when its store does not answer.
import type { TenantSubject } from '../../domain/accounts/ownership.ts';
import type { HeldShard } from '../../domain/accounts/shard.ts';
import type {
  PeriodOfRecords,
  PricedKey,
  RatedPeriod,
  Rating,
  SubjectKey,
  TenantCustomer,
} from '../../domain/billing/billing-period-terms.ts';
import type { ItemTerm, NewLineItem, WrittenPrices } from '../../domain/billing/line-item.ts';
import type { TenantVersions } from '../../domain/catalog/tenant-versions.ts';
import type { RowSet } from '../../domain/sealing/row-set.ts';
import type { SealVector } from '../../domain/sealing/seal-vector.ts';
import type { ChunkSeal, Seals } from '../../domain/sealing/seals.ts';
import type { CustomerSubscription } from '../../domain/terms/customer-subscription.ts';
import type { RecordCount } from '../../platform/account-store/subscriptions.ts';
import type {
  ConcernedHolders,
  CustomerPage,
  DueCustomer,
  NextDue,
} from '../../platform/billing-store/due-customers.ts';
import type { RaterProgress } from '../../platform/billing-store/rater-progress.ts';
import type { ShardGroup, ShardState } from '../../platform/billing-store/rater-shards.ts';
import type { WrittenSelection } from '../../platform/billing-store/written-prices.ts';
import type { RatedUsageReads } from '../../platform/charges/rated-usage-reads.ts';
import type {
  GroupsOfMeter,
  GroupsSelection,
  WindowKey,
  WindowSelection,
} from '../../platform/usage-store/rollup-windows.ts';
import type { ServerRun } from '../../platform/usage-store/server-run.ts';

/** What Postgres says is sealed, is in force and is rated. */
export interface RatingState {
  /** Which shards are whose, and how far each is, as the rater of that name sees them. */
  readShards(rater: string): Promise<ShardState>;
  /** For so long nobody takes what the rater holds. */
  prolongLease(rater: string, leaseMs: number): Promise<void>;
  /** It gives all back that it holds, and is not waited for. */
  endLease(rater: string): Promise<void>;
  /** Takes those that are still free, if nobody is in a transaction of theirs. */
  takeShards(rater: string, shards: readonly HeldShard[]): Promise<void>;
  giveBackShards(rater: string, shards: readonly HeldShard[]): Promise<void>;
  /** Moves shards on from the progress a step began with. Resolves to those that it was still the progress of. */
  advanceProgress(from: ShardGroup, to: RaterProgress): Promise<readonly number[]>;
  /** Vector, epochs and watermark of one snapshot. */
  readSeals(): Promise<Seals>;
  /** The seals of the chunks that `to` covers and `from` does not, in order of generation, partition and chunk. */
  readChunkSeals(from: SealVector, to: SealVector): Promise<ChunkSeal[]>;
  /** Per partition the first chunk whose watermark reaches `watermark` (milliseconds), or its end where none does. */
  readChunksSince(watermark: number): Promise<SealVector>;
  /** The newest version that every partition of the log holds; 0: none. */
  readPublishedVersion(): Promise<number>;
  /** Published or not. */
  readTenantVersions(): Promise<TenantVersions>;
  readBillingPeriods(customers: readonly TenantCustomer[]): Promise<RatedPeriod[]>;
  /** What the customers have subscribed to, in the order in which it was made. */
  readSubscriptions(customers: readonly TenantCustomer[]): Promise<CustomerSubscription[]>;
  /** Those of the shards that are due by an instant, longest first. */
  readDueCustomers(shards: readonly HeldShard[], until: number, customersMax: number): Promise<DueCustomer[]>;
  /**
   * Those of the shards are due at an instant if not before. Page by page: resolves to the last of it, and to null
   * where nobody is left.
   */
  markHoldersDue(
    holders: ConcernedHolders,
    shards: readonly HeldShard[],
    dueAt: number,
    page: CustomerPage,
  ): Promise<TenantCustomer | null>;
  /** Of these subjects, those that were ever assigned, with all their assignments. */
  readAssigned(subjects: readonly SubjectKey[]): Promise<TenantSubject[]>;
  /** Every subject of these names, or that was ever assigned to a customer of these names, with all its assignments. */
  readAssignmentsAround(names: readonly TenantCustomer[]): Promise<TenantSubject[]>;
  /**
   * Says of the shards, before their windows are looked at, up to where these are closed: no subject changes hands
   * before it then. False: one of them was taken.
   */
  announceClosing(shards: readonly HeldShard[], closedUpTo: number): Promise<boolean>;
}

/** The roll-up rows in ClickHouse. */
export interface RatedUsage extends RatedUsageReads {
  /** Of the server that answers. */
  readServerRun(): Promise<ServerRun>;
  /**
   * Of each seal's chunk, how many rows of the seal's epoch or a later one there are, and their checksum; in the seals'
   * order.
   */
  readChunkRows(seals: readonly ChunkSeal[]): Promise<readonly RowSet[]>;
  /** May also give windows of rows that were replaced or are not sealed. */
  streamWindows(selection: WindowSelection): AsyncIterable<readonly WindowKey[]>;
  /** Each once; null: they are more than asked for. May also give those of rows that are replaced or not sealed. */
  readGroupsInUse(selection: GroupsSelection): Promise<readonly GroupsOfMeter[] | null>;
}

/** One Postgres transaction, read committed. */
export interface RatingTransaction {
  /** Keeps the shards from being taken until the transaction ends. */
  lockShards(shards: readonly HeldShard[]): Promise<void>;
  /** False: one of them was taken before. Of shards that are locked, it stays so until the transaction ends. */
  areHeld(shards: readonly HeldShard[]): Promise<boolean>;
  /** Locks the customers until the transaction ends, those without any period too; then reads all their periods. */
  lockBillingPeriods(customers: readonly TenantCustomer[]): Promise<RatedPeriod[]>;
  /** As that of the store. Of customers that are locked, it stays so until the transaction ends. */
  readAssignmentsAround(names: readonly TenantCustomer[]): Promise<TenantSubject[]>;
  /** Of those that have a subscription. Of customers that are locked, it stays so until the transaction ends. */
  readRecordCounts(customers: readonly TenantCustomer[]): Promise<RecordCount[]>;
  /** By `startText`; one without items is absent, and so is a price. */
  readWrittenPrices(starts: readonly WrittenSelection[]): Promise<ReadonlyMap<string, WrittenPrices>>;
  /** What the newest item of each of these terms says of it; in any order. */
  readNewestItems(terms: readonly PricedKey[]): Promise<ItemTerm[]>;
  /** By what the transaction's periods and items are rated. Resolves to its id. */
  saveRating(rating: Rating): Promise<bigint>;
  /** Adds the periods, or moves them on. */
  saveRatedPeriods(periods: readonly PeriodOfRecords[], rating: bigint): Promise<void>;
  /** Adds the items, each with its two ledger entries. Rejects where one of the same key is there. */
  insertLineItems(lineItems: readonly NewLineItem[], rating: bigint): Promise<void>;
  /** What comes next, in place of what was due. */
  saveDue(customers: readonly NextDue[]): Promise<void>;
  /** What is due earlier stays so. */
  markDue(customers: readonly DueCustomer[]): Promise<void>;
  /** As that of the store, at the time of the call. */
  readPublishedVersion(): Promise<number>;
}

export interface RatingStore extends RatingState, RatedUsage {
  /**
   * Committed when `work` resolves, rolled back when it rejects. A rejected commit may have been committed all the
   * same.
   */
  inRating<Result>(work: (transaction: RatingTransaction) => Promise<Result>): Promise<Result>;
}
