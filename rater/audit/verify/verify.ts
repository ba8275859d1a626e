// Recomputes the invariants from raw events: what `tallyline verify` runs. It reads everything in its scope, a slice at
// a time, and changes nothing.
import type { Pool } from 'pg';
import { RatingCatalogs } from '../../../domain/rating/rating-catalog.ts';
import type { StoredSeal } from '../../../domain/sealing/seals.ts';
import { tenantVersions } from '../../../platform/catalog-store.ts';
import type { ClickHouse } from '../../../platform/clickhouse/click-house.ts';
import type { EventLog } from '../../../platform/event-log/event-log.ts';
import { findAvroSchema } from '../../../platform/event-log/schema-store.ts';
import { currentGeneration } from '../../../platform/event-log/topic-generation.ts';
import { readRevisions } from '../../../platform/recount-store/chunk-revisions.ts';
import { type ChunkSpan, chunksOfTime, streamSeals } from '../../../platform/usage-store/seal-rows.ts';
import { sealedRowsCondition } from '../../../platform/usage-store/sealed-rows.ts';
import { readSeals } from '../../../platform/usage-store/seals.ts';
import { auditProgress, auditSealOrder, auditStoredChunk, auditWatermarks } from '../chunk-audit.ts';
import { ChunkMap } from '../chunk-map.ts';
import { AuditLog, unlessDamaged } from '../discrepancy.ts';
import { auditLogHole } from '../log-hole.ts';
import { countsIn, Recount } from '../recount.ts';
import { readStoredChunks } from '../stored-chunks.ts';
import { UsageAudit } from '../usage-audit.ts';
import { type AuditScope, auditSlices, sliceCondition } from './audit-slices.ts';
import { auditLedger } from './ledger-audit.ts';
import { auditLog } from './log-audit.ts';
import { PriceAudit } from './price-audit.ts';

export interface VerifyParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  /** Null: the log is not read, and I1 rests on the seals alone. */
  readonly eventLog: EventLog | null;
  /** The consumer group to read the log with; no other member may use it. */
  readonly group: string;
}

/** Seals held at once. Each time all roll-ups are scanned, so few are slow. */
const SEALS_MAX = 20_000;

/** Compares everything that is sealed and rated as of the call; what a live system adds meanwhile is left out. */
export async function verify(parts: VerifyParts, scope: AuditScope): Promise<AuditLog> {
  const { pool, clickhouse, eventLog, group } = parts;
  const log = new AuditLog();
  const versions = await tenantVersions(pool);
  // Periods first: the seals that are read after them cover every period's vector.
  const prices = await PriceAudit.read(pool, versions, scope);
  const seals = await readSeals(pool);
  const generation = await currentGeneration(pool);
  const horizonMs = generation?.horizonMs ?? 0;

  const span = await chunksOfTime(pool, seals.vector, { ...scope, horizonMs });
  const chunks = await auditChunks(parts, span, log);
  await auditProgress(pool, log);
  await auditWatermarks(pool, log);
  if (eventLog !== null && generation !== null) {
    await auditLogHole(pool, eventLog, log);
    const findSchema = (fingerprint: Buffer): Promise<object | null> => findAvroSchema(pool, fingerprint);
    await auditLog(chunks, { eventLog, generation: generation.generation, group, findSchema }, log);
  }

  const catalogs = new RatingCatalogs(versions);
  const recount = new Recount(clickhouse, chunks, await readRevisions(pool, span), versions);
  const sealed = sealedRowsCondition(seals);
  const usage = new UsageAudit();
  const slices = await unlessDamaged(log, 'the days that have usage', () => auditSlices(clickhouse, scope));
  // Without them nothing is recounted, and no price compared.
  if (slices === null) prices.leaveOut(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
  for (const slice of slices ?? []) {
    const where = `usage of ${new Date(slice.from).toISOString().slice(0, 10)}`;
    const events = await unlessDamaged(log, where, () =>
      recount.read(sliceCondition(slice, 'e', horizonMs), log, (reading) => {
        if (countsIn(seals.vector, reading)) usage.add(reading);
        prices.add(reading);
      }),
    );
    if (events === null) {
      prices.leaveOut(slice.from, slice.to);
      usage.forget();
      continue;
    }
    const ofSlice = sliceCondition(slice, 'r', horizonMs);
    const rows = { sql: `${ofSlice.sql} AND ${sealed.sql}`, params: { ...ofSlice.params, ...sealed.params } };
    await unlessDamaged(log, where, () => usage.compare(clickhouse, catalogs, rows, log));
    usage.forget();
  }
  prices.compare(log);
  await auditLedger(pool, scope.tenant, log);
  return log;
}

/** Every chunk of the span against its seal. Resolves to where their offsets are. */
async function auditChunks({ pool, clickhouse }: VerifyParts, span: ChunkSpan, log: AuditLog): Promise<ChunkMap> {
  const chunks = new ChunkMap();
  let before: StoredSeal | null = null;
  let waiting: StoredSeal[] = [];
  const auditWaiting = async (): Promise<void> => {
    const stored = await readStoredChunks(clickhouse, waiting, log);
    for (const [i, seal] of waiting.entries()) {
      auditSealOrder(before, seal, log);
      auditStoredChunk(seal, stored[i]!, log);
      chunks.add(seal);
      before = seal;
    }
    waiting = [];
  };
  for await (const seals of streamSeals(pool, span)) {
    waiting.push(...seals);
    if (waiting.length >= SEALS_MAX) await auditWaiting();
  }
  await auditWaiting();
  return chunks;
}
