// I1, I2 and I3 as far as the stores alone can tell: the rows of every sealed chunk against its seal, the seals against each
// other, the published watermark against the seals.
import type { Pool } from 'pg';
import type { ClickHouse } from '../../platform/clickhouse/click-house.ts';
import type { AuditLog } from './discrepancy.ts';
import { outcomes, placeOf, type SealedChunks, type SealRow } from './sealed-chunks.ts';

const wrap64 = (value: bigint): bigint => BigInt.asUintN(64, value);

interface Tally {
  count: number;
  checksum: bigint;
}

/** Sums rows by the sealed chunk they belong to, leaving out rows of epochs the seal does not vouch for. */
async function tally(clickhouse: ClickHouse, chunks: SealedChunks, sql: string): Promise<Map<SealRow, Tally>> {
  const tallies = new Map<SealRow, Tally>();
  for await (const rows of clickhouse.stream(sql)) {
    for (const row of rows) {
      const [generation, partition, offset, epoch, checksum] = row as [number, number, string, string, string];
      const seal = chunks.holding(generation, partition, Number(offset));
      if (seal === null || Number(epoch) < seal.epoch) continue;
      const sum = tallies.get(seal);
      if (sum === undefined) tallies.set(seal, { count: 1, checksum: BigInt(checksum) });
      else {
        sum.count++;
        sum.checksum += BigInt(checksum);
      }
    }
  }
  return tallies;
}

const none: Tally = { count: 0, checksum: 0n };

/** The rows of usage_events and event_rejects against the seals (I2), and the outcomes of each seal among themselves (I1). */
export async function auditChunkRows(clickhouse: ClickHouse, chunks: SealedChunks, log: AuditLog): Promise<void> {
  const events = await tally(
    clickhouse,
    chunks,
    `SELECT generation, partition, offset, toString(epoch),
        toString(bitXor(reinterpretAsUInt64(substring(dedup_key, 1, 8)), payload_hash)) FROM usage_events FINAL`,
  );
  const rejects = await tally(
    clickhouse,
    chunks,
    'SELECT generation, partition, offset, toString(epoch), toString(xxHash64(bytes)) FROM event_rejects FINAL',
  );
  for (const seal of chunks.all()) {
    const where = placeOf(seal);
    const event = events.get(seal) ?? none;
    const reject = rejects.get(seal) ?? none;
    log.compare('I2', `${where}, rows of usage_events`, seal.eventCount, event.count);
    log.compare('I2', `${where}, checksum of usage_events`, seal.eventChecksum, wrap64(event.checksum));
    log.compare('I1', `${where}, rows of event_rejects`, seal.rejectCount, reject.count);
    log.compare('I1', `${where}, checksum of event_rejects`, seal.rejectChecksum, wrap64(reject.checksum));
    for (const outcome of outcomes) {
      const byTenant = Object.values(seal.tenantOutcomes).reduce((sum, counts) => sum + (counts[outcome] ?? 0), 0);
      log.compare('I1', `${where}, ${outcome} events summed over tenants`, seal.outcomes[outcome], byTenant);
    }
  }
}

/** The manifest of every sealed chunk: there, and with the seal's own counts (I1). */
export async function auditManifests(clickhouse: ClickHouse, chunks: SealedChunks, log: AuditLog): Promise<void> {
  const rows = await clickhouse.query<Record<string, string | number>>(
    'SELECT generation, partition, chunk, accepted, duplicate, conflict, too_late, poison FROM manifests FINAL',
  );
  const print = (counts: Readonly<Record<string, unknown>>): string =>
    outcomes.map((outcome) => `${outcome} ${counts[outcome]}`).join(', ');
  const found = new Map(rows.map((row) => [`${row.generation}/${row.partition}/${row.chunk}`, print(row)]));
  for (const seal of chunks.all()) {
    const manifest = found.get(`${seal.generation}/${seal.partition}/${seal.chunk}`) ?? 'no manifest';
    log.compare('I1', `${placeOf(seal)}, manifest`, print(seal.outcomes), manifest);
  }
}

/** Seals of a partition follow each other without a gap and T never falls (I3); the published watermark is not below them. */
export async function auditSeals(pool: Pool, chunks: SealedChunks, log: AuditLog): Promise<void> {
  for (const seals of chunks.partitions()) {
    for (const [i, seal] of seals.entries()) {
      const before = seals[i - 1];
      log.compare('I1', `${placeOf(seal)}, number of the chunk`, (before?.chunk ?? -1) + 1, seal.chunk);
      if (before === undefined) continue;
      log.compare('I1', `${placeOf(seal)}, start offset`, before.endOffset, seal.startOffset);
      log.compare('I3', `${placeOf(seal)}, T is not below the chunk before`, true, seal.watermark >= before.watermark);
    }
  }
  const { rows } = await pool.query<{ generation: number; published: Date | null; sealed: Date | null }>(
    `SELECT generation, (SELECT watermark FROM tallyline.published_watermark w WHERE w.generation = p.generation) AS published,
        CASE WHEN count(*) = count(watermark) THEN min(watermark) END AS sealed
      FROM tallyline.partition_progress p GROUP BY generation`,
  );
  for (const { generation, published, sealed } of rows) {
    const isNotBelow = sealed === null || (published !== null && published >= sealed);
    log.compare(
      'I3',
      `generation ${generation}, the published watermark is not below the sealed one`,
      true,
      isNotBelow,
    );
  }
}
