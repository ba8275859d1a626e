// I1, I2 and I3 as far as the stores alone can tell: the rows of sealed chunks against their seals, the seals against
// each other, the published watermark against the seals.
import type { Pool } from 'pg';
import { outcomes } from '../../domain/metering/event-outcome.ts';
import { isSameRows, type RowSet } from '../../domain/sealing/row-set.ts';
import { placeOf, type StoredSeal } from '../../domain/sealing/seals.ts';
import { delay } from '../../platform/calls/retry.ts';
import type { AuditLog } from './discrepancy.ts';
import type { AuditedChunk } from './stored-chunks.ts';

/** The rows of a chunk against its seal (I1, I2), and the counts of the seal among themselves (I1). */
export function auditStoredChunk(seal: StoredSeal, stored: AuditedChunk, log: AuditLog): void {
  const where = placeOf(seal);
  const { events, rollUps, totals, rejects } = stored;
  if (events !== undefined) {
    log.compare('I2', `${where}, rows of usage_events`, seal.events.count, events.count);
    log.compare('I2', `${where}, checksum of usage_events`, seal.events.checksum, events.checksum);
  }
  if (rollUps !== undefined) {
    log.compare('I2', `${where}, rows of usage_rollups`, seal.rollUps.count, rollUps.count);
    log.compare('I2', `${where}, checksum of usage_rollups`, seal.rollUps.checksum, rollUps.checksum);
  }
  if (totals !== undefined && seal.totals !== null) {
    log.compare('I2', `${where}, rows of usage_totals`, seal.totals.count, totals.count);
    log.compare('I2', `${where}, checksum of usage_totals`, seal.totals.checksum, totals.checksum);
  }
  if (rejects !== undefined) {
    log.compare('I1', `${where}, rows of event_rejects`, seal.rejects.count, rejects.count);
    log.compare('I1', `${where}, checksum of event_rejects`, seal.rejects.checksum, rejects.checksum);
  }
  for (const outcome of outcomes) {
    const byTenant = Object.values(seal.outcomesByTenant).reduce((sum, counts) => sum + (counts[outcome] ?? 0), 0);
    log.compare('I1', `${where}, ${outcome} events summed over tenants`, seal.outcomes[outcome], byTenant);
  }
  const print = (counts: StoredSeal['outcomes']): string =>
    outcomes.map((outcome) => `${outcome} ${counts[outcome]}`).join(', ');
  if (stored.manifest === undefined) return;
  const manifest = stored.manifest === null ? 'no manifest' : print(stored.manifest);
  log.compare('I1', `${where}, manifest`, print(seal.outcomes), manifest);
}

const isSame = (sealed: RowSet | null, found: RowSet | undefined): boolean =>
  found === undefined || sealed === null || isSameRows(sealed, found);

/**
 * Whether the rows that are sealed, and can be written again from the log, are as they were sealed. What can't be read
 * is not said to be otherwise: its part has to be dropped before a replay is of use (cli/commands/repair.ts).
 */
export const isIntact = (seal: StoredSeal, { events, rollUps, totals, rejects }: AuditedChunk): boolean =>
  isSame(seal.events, events) &&
  isSame(seal.rollUps, rollUps) &&
  isSame(seal.totals, totals) &&
  isSame(seal.rejects, rejects);

/** Whether all that is damaged are the rows of its revision, which stored events are enough to write again. */
export const isIntactButRevision = (seal: StoredSeal, stored: AuditedChunk): boolean =>
  seal.revised !== null && isIntact(seal, { ...stored, rollUps: undefined, totals: undefined });

/**
 * A seal against the one before it in what was read: no gap (I1), and T does not fall (I3). `before` null: it is the
 * first.
 */
export function auditSealOrder(before: StoredSeal | null, seal: StoredSeal, log: AuditLog): void {
  if (before === null || before.partition !== seal.partition || before.generation !== seal.generation) return;
  log.compare('I1', `${placeOf(seal)}, number of the chunk`, before.chunk + 1, seal.chunk);
  log.compare('I1', `${placeOf(seal)}, start offset`, before.endOffset, seal.startOffset);
  log.compare(
    'I3',
    `${placeOf(seal)}, T is not below the chunk before`,
    true,
    seal.partitionTime >= before.partitionTime,
  );
}

/** The seals against what partition_progress says of them (I1). Reads counts alone. */
export async function auditProgress(pool: Pool, log: AuditLog): Promise<void> {
  const { rows } = await pool.query<
    Record<'generation' | 'partition' | 'next_chunk', number> & Record<string, unknown>
  >(
    `SELECT p.generation, p.partition, p.next_chunk, p.next_offset,
        (SELECT count(*)::int FROM tallyline.chunk_seals s WHERE s.generation = p.generation AND s.partition = p.partition) AS seals,
        coalesce((SELECT end_offset FROM tallyline.chunk_seals s WHERE s.generation = p.generation AND s.partition = p.partition
          ORDER BY chunk DESC LIMIT 1), 0) AS end_offset
      FROM tallyline.partition_progress p ORDER BY 1, 2`,
  );
  for (const row of rows) {
    const where = `generation ${row.generation} partition ${row.partition}`;
    log.compare('I1', `${where}, seals`, row.next_chunk, row.seals);
    log.compare('I1', `${where}, end of the last seal`, row.next_offset, row.end_offset);
  }
}

export interface Watermarks {
  readonly generation: number;
  /** Milliseconds since the epoch; null: none. */
  readonly published: number | null;
  /** The lowest T in the partitions' last seals; null where a partition has none. */
  readonly sealed: number | null;
}

export async function readWatermarks(pool: Pool): Promise<Watermarks[]> {
  const { rows } = await pool.query<{ generation: number; published: Date | null; sealed: Date | null }>(
    `SELECT generation, (SELECT watermark FROM tallyline.published_watermark w WHERE w.generation = p.generation) AS published,
        CASE WHEN count(*) = count(watermark) THEN min(watermark) END AS sealed
      FROM tallyline.partition_progress p GROUP BY generation ORDER BY generation`,
  );
  return rows.map(({ generation, published, sealed }) => ({
    generation,
    published: published?.getTime() ?? null,
    sealed: sealed?.getTime() ?? null,
  }));
}

const PUBLISHING_MS_MAX = 5_000;

/** The published watermark of each generation is not below what is sealed (I3). It follows a seal by a moment. */
export async function auditWatermarks(pool: Pool, log: AuditLog): Promise<void> {
  for (const { generation, sealed } of await readWatermarks(pool)) {
    const read = async (): Promise<number | null> =>
      (await readWatermarks(pool)).find((each) => each.generation === generation)?.published ?? null;
    let published = await read();
    const isBelow = (): boolean => sealed !== null && (published === null || published < sealed);
    for (let waitedMs = 0; isBelow() && waitedMs < PUBLISHING_MS_MAX; waitedMs += 250) {
      await delay(250, new AbortController().signal);
      published = await read();
    }
    log.compare(
      'I3',
      `generation ${generation}, the published watermark is not below the sealed one`,
      true,
      !isBelow(),
    );
  }
}
