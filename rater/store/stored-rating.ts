// The rating store on Postgres and ClickHouse: nothing but the statements, put together.
import type { Pool } from 'pg';
import { readAssigned, readAssignmentsAround } from '../../platform/account-store/subject-assignments.ts';
import { readRecordCounts, readSubscriptionsOfCustomers } from '../../platform/account-store/subscriptions.ts';
import {
  lockBillingPeriods,
  readBillingPeriods,
  saveRatedPeriods,
} from '../../platform/billing-store/billing-periods.ts';
import { markDue, markHoldersDue, readDueCustomers, saveDue } from '../../platform/billing-store/due-customers.ts';
import { insertLineItems, readNewestItems } from '../../platform/billing-store/line-items.ts';
import {
  advanceProgress,
  announceClosing,
  areHeld,
  endLease,
  giveBackShards,
  lockShards,
  prolongLease,
  readShards,
  takeShards,
} from '../../platform/billing-store/rater-shards.ts';
import { saveRating } from '../../platform/billing-store/ratings.ts';
import { readWrittenPrices } from '../../platform/billing-store/written-prices.ts';
import { publishedVersion, tenantVersions } from '../../platform/catalog-store.ts';
import { storedUsageReads } from '../../platform/charges/stored-usage-reads.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { readGroupsInUse, streamWindows } from '../../platform/usage-store/rollup-windows.ts';
import { readSealedChunks } from '../../platform/usage-store/sealed-chunks.ts';
import { readChunkSeals, readChunksSince, readSeals } from '../../platform/usage-store/seals.ts';
import { readServerRun } from '../../platform/usage-store/server-run.ts';
import type { RatingStore } from './rating-store.ts';

export function storedRating(pool: Pool, clickhouse: ClickHouse): RatingStore {
  return {
    readShards: (rater) => readShards(pool, rater),
    prolongLease: (rater, leaseMs) => prolongLease(pool, rater, leaseMs),
    endLease: (rater) => endLease(pool, rater),
    takeShards: (rater, shards) => takeShards(pool, rater, shards),
    giveBackShards: (rater, shards) => giveBackShards(pool, rater, shards),
    advanceProgress: (from, to) => advanceProgress(pool, from, to),
    readSeals: () => readSeals(pool),
    readChunkSeals: (from, to) => readChunkSeals(pool, from, to),
    readChunksSince: (watermark) => readChunksSince(pool, watermark),
    readPublishedVersion: () => publishedVersion(pool),
    readTenantVersions: () => tenantVersions(pool),
    readBillingPeriods: (customers) => readBillingPeriods(pool, customers),
    readSubscriptions: (customers) => readSubscriptionsOfCustomers(pool, customers),
    readDueCustomers: (shards, until, customersMax) => readDueCustomers(pool, shards, until, customersMax),
    markHoldersDue: (holders, shards, dueAt, page) => markHoldersDue(pool, holders, shards, dueAt, page),
    readAssigned: (subjects) => readAssigned(pool, subjects),
    readAssignmentsAround: (names) => readAssignmentsAround(pool, names),
    announceClosing: (shards, closedUpTo) => announceClosing(pool, shards, closedUpTo),

    readServerRun: () => readServerRun(clickhouse),
    readChunkRows: (seals) => readSealedChunks(clickhouse, seals),
    streamWindows: (selection) => streamWindows(clickhouse, selection),
    readGroupsInUse: (selection) => readGroupsInUse(clickhouse, selection),
    ...storedUsageReads(clickhouse),

    inRating: (work) =>
      inTransaction(pool, (client) =>
        work({
          lockShards: (shards) => lockShards(client, shards),
          areHeld: (shards) => areHeld(client, shards),
          lockBillingPeriods: (customers) => lockBillingPeriods(client, customers),
          readAssignmentsAround: (names) => readAssignmentsAround(client, names),
          readRecordCounts: (customers) => readRecordCounts(client, customers),
          readWrittenPrices: (starts) => readWrittenPrices(client, starts),
          readNewestItems: (terms) => readNewestItems(client, terms),
          saveRating: (rating) => saveRating(client, rating),
          saveRatedPeriods: (periods, rating) => saveRatedPeriods(client, periods, rating),
          insertLineItems: (lineItems, rating) => insertLineItems(client, lineItems, rating),
          saveDue: (customers) => saveDue(client, customers),
          markDue: (customers) => markDue(client, customers),
          readPublishedVersion: () => publishedVersion(client),
        }),
      ),
  };
}
