// The auditor's part about sealed chunks: their rows against their seals, by sums that ClickHouse makes, and of one
// chunk a round a recount from its raw events. Rows that differ are read again before anything is said, since a replica
// may lag and a chunk may be under repair. Damage that stays is handed to repair, the first chunk of a partition first.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { TenantVersions } from '../../../domain/catalog/tenant-versions.ts';
import { type SealVector, sealVectorOf } from '../../../domain/sealing/seal-vector.ts';
import { type ChunkPlace, placeOf, type StoredSeal } from '../../../domain/sealing/seals.ts';
import type { ClickHouse } from '../../../platform/clickhouse/click-house.ts';
import { readRevisions } from '../../../platform/recount-store/chunk-revisions.ts';
import { auditSealOrder, auditStoredChunk, isIntact, isIntactButRevision } from '../chunk-audit.ts';
import { ChunkMap } from '../chunk-map.ts';
import { AuditLog, unlessDamaged } from '../discrepancy.ts';
import { countsNow, Recount } from '../recount.ts';
import { requestRecountOf, requestRepair } from '../repair/repair-requests.ts';
import { readStoredChunks } from '../stored-chunks.ts';
import { TotalsAudit } from '../totals-audit.ts';
import { UsageAudit } from '../usage-audit.ts';
import { ChunkRounds, inOrder } from './chunk-rounds.ts';
import type { Findings } from './findings.ts';

export interface ChunkWatchParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly findings: Findings;
  readonly logger: Logger;
  /** Waits before rows that differ are read again; resolves early when the auditor stops. */
  readonly pause: () => Promise<void>;
}

const READS_MAX = 5;
/** A chunk with more events is left to `tallyline verify`. */
const RECOUNT_EVENTS_MAX = 100_000;

interface Audited {
  readonly seal: StoredSeal;
  readonly log: AuditLog;
  readonly intact: boolean;
  /** Whether a recount alone can mend it. */
  readonly isRevisionAlone: boolean;
}

export class ChunkWatch {
  private readonly parts: ChunkWatchParts;
  private readonly rounds: ChunkRounds;
  private recounts = 0;
  private readonly recountSuspects = new Map<string, ChunkPlace>();

  constructor(parts: ChunkWatchParts) {
    this.parts = parts;
    this.rounds = new ChunkRounds(parts.pool);
  }

  async round(vector: SealVector, versions: TenantVersions): Promise<void> {
    const { seals: suspects, gone } = await this.rounds.readSuspects();
    for (const place of gone) this.parts.findings.report(placeOf(place), null);
    const stretch = await this.rounds.readStretch(vector);
    for (const seals of [suspects, await this.rounds.readNewest(vector), stretch]) await this.look(seals);
    const sample = stretch[(this.recounts++ * 7919) % Math.max(1, stretch.length)];
    for (const place of [...this.recountSuspects.values(), ...(sample === undefined ? [] : [sample])]) {
      await this.recount(place, versions);
    }
  }

  private async look(seals: readonly StoredSeal[]): Promise<void> {
    let differing: Audited[] = [];
    for (const audited of await this.audit(seals)) {
      if (audited.log.failures === 0) this.settle(audited);
      else differing.push(audited);
    }
    for (let read = 2; read <= READS_MAX && differing.length > 0; read++) {
      await this.parts.pause();
      const again: StoredSeal[] = [];
      for (const { seal } of differing) {
        const now = await this.rounds.read(seal);
        if (now !== null && isSameSeal(now, seal)) again.push(now);
      }
      differing = (await this.audit(again)).filter((audited) => {
        if (audited.log.failures === 0) this.settle(audited);
        return audited.log.failures > 0;
      });
    }
    for (const audited of differing) this.settle(audited);
    const damaged = differing.filter(({ intact }) => !intact);
    for (const { seal, isRevisionAlone } of damaged) if (isRevisionAlone) await this.recountAgain(seal);
    await this.repair(damaged.filter(({ isRevisionAlone }) => !isRevisionAlone).map(({ seal }) => seal));
  }

  private async audit(seals: readonly StoredSeal[]): Promise<Audited[]> {
    // The part is named by its metric and in the log; of the chunks that it may hold nothing is said.
    const stored = await readStoredChunks(this.parts.clickhouse, seals, new AuditLog());
    return seals.map((seal, i) => {
      const log = new AuditLog();
      const before = seals[i - 1];
      if (before !== undefined && before.chunk + 1 >= seal.chunk) auditSealOrder(before, seal, log);
      auditStoredChunk(seal, stored[i]!, log);
      const isRevisionAlone = isIntactButRevision(seal, stored[i]!);
      return { seal, log, intact: isIntact(seal, stored[i]!), isRevisionAlone };
    });
  }

  private settle({ seal, log }: Audited): void {
    if (log.failures === 0) this.rounds.clear(seal);
    else this.rounds.suspect(seal);
    this.parts.findings.report(placeOf(seal), log);
  }

  private async recountAgain(seal: StoredSeal): Promise<void> {
    const { pool, logger } = this.parts;
    if (await requestRecountOf(pool, seal)) {
      logger.error(placeFields(seal), 'asked for a chunk to be recounted: the rows of its revision are damaged');
    }
  }

  private async repair(damaged: readonly StoredSeal[]): Promise<void> {
    const { pool, logger } = this.parts;
    const asked = new Set<string>();
    for (const seal of [...damaged].sort(inOrder)) {
      const partition = `${seal.generation}/${seal.partition}`;
      // Replaying a chunk replays those after it.
      if (asked.has(partition)) continue;
      asked.add(partition);
      const reason = `its rows in ClickHouse were not those that were sealed, ${READS_MAX} times in a row`;
      if (await requestRepair(pool, seal, reason)) {
        logger.error(
          { ...placeFields(seal), epoch: seal.epoch.toString() },
          'asked for a damaged chunk to be replayed from the log',
        );
      }
    }
  }

  /** The usage of one chunk from its raw events against its roll-up rows; twice where it differs. */
  private async recount(place: ChunkPlace, versions: TenantVersions): Promise<void> {
    const unit = `recount of ${placeOf(place)}`;
    let log = await this.recountOnce(place, versions);
    if (log !== null && log.failures > 0) {
      await this.parts.pause();
      log = await this.recountOnce(place, versions);
    }
    if (log !== null && log.failures > 0) this.recountSuspects.set(unit, place);
    else this.recountSuspects.delete(unit);
    this.parts.findings.report(unit, log);
  }

  /** Null: the chunk is not sealed any more, or too large. */
  private async recountOnce(place: ChunkPlace, versions: TenantVersions): Promise<AuditLog | null> {
    const { clickhouse } = this.parts;
    const seal = await this.rounds.read(place);
    if (seal === null || seal.events.count > RECOUNT_EVENTS_MAX) return null;
    const chunks = new ChunkMap();
    // What was in effect when it began stands in the seal before it.
    const before = seal.chunk === 0 ? null : await this.rounds.read({ ...seal, chunk: seal.chunk - 1 });
    if (before !== null) chunks.add(before);
    chunks.add(seal);
    const chunk = chunks.last(seal.generation, seal.partition)!;
    const revisions = await readRevisions(this.parts.pool, spanOf(place));
    const log = new AuditLog();
    const usage = new UsageAudit();
    const totals = new TotalsAudit();
    const events = {
      sql: `e.generation = {generation:UInt16} AND e.partition = {partition:UInt16}
        AND e.offset >= {start:UInt64} AND e.offset < {end:UInt64}`,
      params: {
        ...{ generation: seal.generation, partition: seal.partition },
        ...{ start: seal.startOffset, end: seal.endOffset },
      },
    };
    const compared = await unlessDamaged(new AuditLog(), placeOf(seal), async () => {
      await new Recount(clickhouse, chunks, revisions, versions).read(events, log, (reading) => {
        if (!countsNow(reading)) return;
        usage.add(reading);
        totals.add(reading);
      });
      await usage.compareChunk(clickhouse, chunk, seal.revised, log);
      if (seal.totals !== null) await totals.compare(clickhouse, chunk, seal.revised, log);
      return true;
    });
    if (compared === null) return null;
    // The seal may have been taken back, or the chunk recounted, while its rows were read.
    const now = await this.rounds.read(place);
    return now !== null && isSameSeal(now, seal) ? log : null;
  }
}

/** A seal that was taken back, or made anew, says nothing about what was read; nor does that of another revision. */
const isSameSeal = (a: StoredSeal, b: StoredSeal): boolean =>
  a.epoch === b.epoch && a.revised?.number === b.revised?.number;

const spanOf = ({ chunk, ...place }: ChunkPlace) => ({
  from: sealVectorOf([{ ...place, nextChunk: chunk }]),
  to: sealVectorOf([{ ...place, nextChunk: chunk + 1 }]),
});

const placeFields = ({ generation, partition, chunk }: ChunkPlace) => ({ generation, partition, chunk });
