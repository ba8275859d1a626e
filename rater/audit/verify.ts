// Recomputes the invariants from raw events: what `tallyline verify` runs. It reads everything in its scope and changes nothing.
import type { Pool } from 'pg';
import { catalogVersions } from '../../platform/catalog-store.ts';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import { findAvroSchema } from '../../platform/event-log/schema-store.ts';
import { currentGeneration } from '../../platform/topic-generation.ts';
import { readSeals } from '../../platform/usage-store/seals.ts';
import { auditChunkRows, auditManifests, auditSeals } from './chunk-audit.ts';
import { AuditLog } from './discrepancy.ts';
import { auditLog } from './log-audit.ts';
import { type AuditScope, recount } from './recount.ts';
import { SealedChunks } from './sealed-chunks.ts';
import { auditLedger, PriceAudit, UsageAudit } from './usage-audit.ts';

export interface VerifyParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  /** Null: the log is not read, and I1 rests on the seals alone. */
  readonly eventLog: EventLog | null;
  /** The consumer group to read the log with; no other member may use it. */
  readonly group: string;
}

/** Compares everything that is sealed and rated as of the call; what a live system adds meanwhile is left out. */
export async function verify(parts: VerifyParts, scope: AuditScope): Promise<AuditLog> {
  const { pool, clickhouse, eventLog, group } = parts;
  const log = new AuditLog();
  const versions = await catalogVersions(pool);
  const prices = await PriceAudit.read(pool, versions, scope);
  const seals = await readSeals(pool);
  const chunks = await SealedChunks.read(pool, seals.vector);
  await auditSeals(pool, chunks, log);
  await auditChunkRows(clickhouse, chunks, log);
  await auditManifests(clickhouse, chunks, log);
  const generation = await currentGeneration(pool);
  if (eventLog !== null && generation !== null) {
    const findSchema = (fingerprint: Buffer): Promise<object | null> => findAvroSchema(pool, fingerprint);
    await auditLog(chunks, { eventLog, generation: generation.generation, group, findSchema }, log);
  }
  const usage = new UsageAudit();
  await recount(clickhouse, chunks, versions, scope, log, (reading) => {
    usage.add(reading);
    prices.add(reading);
  });
  await usage.compare(clickhouse, seals, versions, scope, log);
  prices.compare(log);
  await auditLedger(pool, log);
  return log;
}
