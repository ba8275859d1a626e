// The places at which a process is killed, each between two steps that a crash must not tear apart. A point is a text
// of the compiled JavaScript before or after which the process ends itself with SIGKILL; nothing of it is in the
// sources.
//
// `find` must match exactly once (a test says so), so that a change of the code near a point is noticed here.
import type { StageName } from '../../cli/stage/stage-table.ts';

export interface CrashPoint {
  readonly name: string;
  readonly stage: Exclude<StageName, 'query'>;
  /** Below dist/. */
  readonly file: string;
  readonly find: string;
  readonly place: 'before' | 'after';
  /** Strikes only where this expression is true there. */
  readonly when?: string;
  /** Strikes at this pass, counted from when it was armed; default 1. */
  readonly pass?: number;
  /**
   * How the process is brought to pass it: by the traffic alone (default), by being killed and started again, by sealed
   * rows that are deleted from ClickHouse before it starts again, or by a meter that is to be recounted.
   */
  readonly provoke?: 'restart' | 'damage' | 'recount';
}

const loop = 'aggregator/partition-loop.js';
const chunks = 'aggregator/chunk-store.js';
const seals = 'aggregator/seal-store.js';
const recounts = 'aggregator/recounting/partition-recounts.js';
const recountTables = 'aggregator/recounting/postgres-recount-tables.js';
const clickhouse = 'platform/clickhouse/client.js';
const routes = 'ingest/routes.js';
const batcher = 'ingest/batcher.js';
const rating = 'rater/rating/rating-loop.js';
const batch = 'rater/rating/rating-batch.js';
const ledger = 'platform/billing-store/ledger-entries.js';

const insertOf = (table: string, place: 'before' | 'after'): Pick<CrashPoint, 'file' | 'find' | 'place' | 'when'> => ({
  file: clickhouse,
  find:
    place === 'before'
      ? 'const inserted = await client.exec({'
      : 'for await (const _ of inserted.stream)\n                ;',
  place,
  when: `table === '${table}'`,
});

export const crashPoints: readonly CrashPoint[] = [
  // The gateway: a request is in the log not at all, in part or as a whole, and its client hears nothing.
  { name: 'gateway: started, not yet serving', stage: 'ingest', file: 'ingest/main.js', find: 'await registerEventsRoute(parts.app, {', place: 'before', provoke: 'restart' },
  { name: 'gateway: body read, nothing appended', stage: 'ingest', file: routes, find: 'const context = { tenant, subjects: ', place: 'before', pass: 5 },
  { name: 'gateway: events admitted, before the append', stage: 'ingest', file: routes, find: 'if (acceptedCount > 0)\n            await appendAll(parts.batcher, accepted.splice(0));', place: 'before', pass: 3 },
  { name: 'gateway: between the partitions of a request', stage: 'ingest', file: batcher, find: 'await log.append(partition, [batch.record.record()]);', place: 'before', pass: 7 },
  { name: 'gateway: one partition durable, others under way', stage: 'ingest', file: batcher, find: 'this.health.succeeded(append);', place: 'before', pass: 5 },
  { name: 'gateway: everything durable, before the answer', stage: 'ingest', file: routes, find: "parts.metrics.events('accepted', acceptedCount);", place: 'before', pass: 4 },

  // The aggregator, taking a partition over.
  { name: 'aggregator: epoch raised, before the index', stage: 'aggregator', file: loop, find: 'await this.checkLogHolds(acquired.nextOffset);', place: 'before', provoke: 'restart' },
  { name: 'aggregator: in the middle of reading the index', stage: 'aggregator', file: chunks, find: 'events.add(event);', place: 'after', pass: 20, provoke: 'restart' },
  { name: 'aggregator: index read, before the first record', stage: 'aggregator', file: loop, find: 'return acquired.nextOffset;', place: 'before', provoke: 'restart' },
  { name: 'aggregator: damaged chunk found, before it is reopened', stage: 'aggregator', file: loop, find: "await this.retrying('reopening a damaged chunk'", place: 'before', provoke: 'damage' },
  { name: 'aggregator: reopening, seals taken back in an open transaction', stage: 'aggregator', file: seals, find: 'await transaction.takeBackSeals(partition, chunk, reason);', place: 'after', provoke: 'damage' },
  { name: 'aggregator: chunk reopened, before it is acquired again', stage: 'aggregator', file: loop, find: 'attempt = 0;', place: 'before', provoke: 'damage' },

  // Counting.
  { name: 'aggregator: before a record is counted', stage: 'aggregator', file: loop, find: 'if (!counter.countBytes(record)) {', place: 'before', pass: 20 },
  { name: 'aggregator: record counted', stage: 'aggregator', file: loop, find: 'if (counter.pending + ownership.unwrittenEvents >= this.parts.flushEventsMax)', place: 'before', pass: 30 },
  { name: 'aggregator: rows built, before any insert', stage: 'aggregator', file: loop, find: "await this.retrying('writing the open chunk'", place: 'before', pass: 3 },
  { name: 'aggregator: before the events are inserted', stage: 'aggregator', ...insertOf('usage_events', 'before'), pass: 2 },
  { name: 'aggregator: after the events are inserted', stage: 'aggregator', ...insertOf('usage_events', 'after'), pass: 2 },
  { name: 'aggregator: before the roll-ups are inserted', stage: 'aggregator', ...insertOf('usage_rollups', 'before'), pass: 2 },
  { name: 'aggregator: after the roll-ups are inserted', stage: 'aggregator', ...insertOf('usage_rollups', 'after'), pass: 3 },
  { name: 'aggregator: before the totals are inserted', stage: 'aggregator', ...insertOf('usage_totals', 'before'), pass: 3 },
  { name: 'aggregator: after the totals are inserted', stage: 'aggregator', ...insertOf('usage_totals', 'after'), pass: 2 },
  { name: 'aggregator: before the rejects are inserted', stage: 'aggregator', ...insertOf('event_rejects', 'before'), pass: 2 },
  { name: 'aggregator: after the rejects are inserted', stage: 'aggregator', ...insertOf('event_rejects', 'after'), pass: 2 },
  { name: 'aggregator: before the manifest', stage: 'aggregator', ...insertOf('manifests', 'before'), pass: 2 },
  { name: 'aggregator: after the manifest', stage: 'aggregator', ...insertOf('manifests', 'after'), pass: 3 },

  // Sealing.
  { name: 'aggregator: everything written, before the read-back', stage: 'aggregator', file: loop, find: "const stored = await this.retrying('reading the chunk back'", place: 'before', pass: 2 },
  { name: 'aggregator: read back, before the seal', stage: 'aggregator', file: loop, find: "await this.retrying('sealing the chunk'", place: 'before' },
  { name: 'aggregator: progress moved, before the seal is inserted', stage: 'aggregator', file: seals, find: 'await transaction.insertSeal(seal);', place: 'before' },
  { name: 'aggregator: seal inserted, before the commit', stage: 'aggregator', file: seals, find: 'await transaction.insertSeal(seal);', place: 'after', pass: 2 },
  { name: 'aggregator: seal committed, before anything else', stage: 'aggregator', file: loop, find: 'this.parts.metrics.chunkSealed(seal.outcomes, lateForItem, meters);', place: 'before' },
  { name: 'aggregator: before the watermark is published', stage: 'aggregator', file: loop, find: "await this.retrying('publishing the watermark'", place: 'before', pass: 2 },
  { name: 'aggregator: before the consumer offset is committed', stage: 'aggregator', file: 'aggregator/partition-group.js', find: 'if (counted !== undefined)\n                consumption.commit(partition, counted);', place: 'before', pass: 10 },

  // Counting sealed chunks again.
  { name: 'aggregator: corrections given, before the commit', stage: 'aggregator', file: recounts, find: 'await transaction.saveChunks(partition, recount.number, { next: to, to: chunks.to });', place: 'before', provoke: 'recount' },
  { name: 'aggregator: chunks recounted, before their rows are written', stage: 'aggregator', file: recounts, find: 'const written = await revisions.write(counted, epoch);', place: 'before', provoke: 'recount' },
  { name: 'aggregator: rows of a revision written, before they are read back', stage: 'aggregator', file: recounts, find: 'const written = await revisions.write(counted, epoch);', place: 'after', provoke: 'recount' },
  { name: 'aggregator: revision sealed, before the number moves', stage: 'aggregator', file: recountTables, find: 'if (rowCount === 1)\n            return;', place: 'before', provoke: 'recount' },
  { name: 'aggregator: revisions sealed, before the commit', stage: 'aggregator', file: recounts, find: 'await transaction.settle(partition, settled);', place: 'after', provoke: 'recount' },
  { name: 'aggregator: revisions committed, before anything else', stage: 'aggregator', file: recounts, find: 'logger.debug({ partition, chunks: due.length,', place: 'before', provoke: 'recount' },

  // The rater, reading.
  { name: 'rater: shards taken', stage: 'rater', file: 'rater/rating/held-shards.js', find: 'await store.takeShards(rater, take);', place: 'after', when: 'take.length > 0', provoke: 'restart' },
  { name: 'rater: progress and seals read', stage: 'rater', file: rating, find: 'const seals = await store.readSeals();', place: 'after', pass: 2 },
  { name: 'rater: chunks verified, before what is due is looked for', stage: 'rater', file: rating, find: 'const touched = { catalogs, from: progress, to, recountRuns: seals.recountRuns };', place: 'before' },
  { name: 'rater: closing announced', stage: 'rater', file: rating, find: 'const to = { sealVector: seals.vector, closedUpTo };', place: 'before', when: 'closesMore' },
  { name: 'rater: what is due is known, before the first batch', stage: 'rater', file: rating, find: 'let due = await this.readDue(shards, watermark);', place: 'after' },
  { name: 'rater: usage read, before the transaction', stage: 'rater', file: batch, find: 'const charges = await readCharges(store, basis, targets);', place: 'after' },

  // In the transaction.
  { name: 'rater: customers locked', stage: 'rater', file: batch, find: 'const locked = await transaction.lockBillingPeriods(work);', place: 'after' },
  { name: 'rater: periods saved, before the line items', stage: 'rater', file: batch, find: 'await transaction.insertLineItems(lineItems, rating);', place: 'before', when: 'lineItems.length > 0' },
  { name: 'rater: line items inserted, before the ledger', stage: 'rater', file: ledger, find: 'await client.query(`INSERT INTO tallyline.ledger_entries', place: 'before' },
  { name: 'rater: ledger written, before the commit', stage: 'rater', file: batch, find: 'await transaction.insertLineItems(lineItems, rating);', place: 'after', when: 'lineItems.length > 0' },

  // Behind it.
  { name: 'rater: batch committed, before the next', stage: 'rater', file: rating, find: 'this.count(result.lineItems);', place: 'before', when: 'result.lineItems.length > 0' },
  { name: 'rater: everything committed, before the progress', stage: 'rater', file: rating, find: 'const moved = new Set(await store.advanceProgress(group, reached));', place: 'before' },
  { name: 'rater: progress moved', stage: 'rater', file: 'rater/main.js', find: 'const outcome = await step();', place: 'after', when: "outcome === 'rated'" },
]; // biome-ignore format: a table, a line a point
