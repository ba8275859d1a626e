// The background auditor: in every round it compares a part of what is stored with what was sealed and billed, at a
// cost that stays a small share of a core and of the stores. It reads; the one thing it writes is a request to repair a
// chunk.
//
//   chunks     rows against seals (I1, I2), the newest and then all in turn; one recount from raw events
//              (chunk-watch.ts)
//   log        it still holds what is not counted yet (I1)
//   watermark  it never goes back, and is not below what is sealed (I3)
//   money      line items against the price of their usage (I4), ledger entries (I5) (period-watch.ts)
//
// What `tallyline verify` does beyond that: the events in the log itself, every recount, everything at once.
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { TenantVersions } from '../../../domain/catalog/tenant-versions.ts';
import { delay } from '../../../platform/calls/retry.ts';
import type { Timers } from '../../../platform/calls/timers.ts';
import type { ClickHouse } from '../../../platform/clickhouse/click-house.ts';
import { type EventLog, EventLogError } from '../../../platform/event-log/event-log.ts';
import type { Invariant } from '../../core/invariant.ts';
import type { RatingStore } from '../../store/rating-store.ts';
import { readWatermarks } from '../chunk-audit.ts';
import { AuditLog } from '../discrepancy.ts';
import { auditLogHole } from '../log-hole.ts';
import { ChunkWatch } from './chunk-watch.ts';
import { Findings } from './findings.ts';
import { PeriodWatch } from './period-watch.ts';

export interface AuditorParts {
  readonly pool: Pool;
  readonly clickhouse: ClickHouse;
  readonly store: RatingStore;
  readonly eventLog: Pick<EventLog, 'topicId' | 'bounds'>;
  readonly logger: Logger;
  readonly timers: Timers;
  /** Milliseconds; measures how long a round takes. */
  readonly clock: () => number;
  /** How many discrepancies of an invariant are known now. */
  readonly audited: (invariant: Invariant, count: number) => void;
  readonly intervalMs: number;
}

/** After a second of work the auditor rests for this many. Pauses between two looks are no work. */
const REST_SHARE = 9;
const PAUSE_MS = 500;

export class Auditor {
  private readonly parts: AuditorParts;
  private readonly findings: Findings;
  private readonly chunks: ChunkWatch;
  private readonly periods: PeriodWatch;
  private readonly stopping = new AbortController();
  /** By generation: the highest watermark that was seen published, and the one that was sealed by the last round. */
  private readonly published = new Map<number, number>();
  private readonly sealed = new Map<number, number>();
  private versions = new TenantVersions([]);
  private running: Promise<void> | null = null;
  /** Since the round began. */
  private pausedMs = 0;

  constructor(parts: AuditorParts) {
    this.parts = parts;
    const { pool, clickhouse, store, logger } = parts;
    this.findings = new Findings(logger, parts.audited);
    const pause = (): Promise<void> => this.pause();
    this.chunks = new ChunkWatch({ pool, clickhouse, logger, findings: this.findings, pause });
    this.periods = new PeriodWatch({ pool, store, findings: this.findings, pause });
  }

  /** Makes rounds until `stop`. A round that can't be finished is given up, and said to be in the log. */
  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { logger, timers, clock, intervalMs } = this.parts;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const startedAt = clock();
      this.pausedMs = 0;
      try {
        await this.round();
      } catch (error) {
        logger.warn({ err: error }, 'a round of the auditor was given up; the next one follows');
      }
      const workedMs = Math.max(0, clock() - startedAt - this.pausedMs);
      await delay(Math.max(intervalMs, workedMs * REST_SHARE), signal, timers);
    }
  }

  private async pause(): Promise<void> {
    const { timers, clock, intervalMs } = this.parts;
    const startedAt = clock();
    await delay(Math.min(PAUSE_MS, intervalMs), this.stopping.signal, timers);
    this.pausedMs += clock() - startedAt;
  }

  async round(): Promise<void> {
    const { store } = this.parts;
    const seals = await store.readSeals();
    const published = await store.readPublishedVersion();
    if (this.versions.newest !== published) this.versions = (await store.readTenantVersions()).upTo(published);
    await this.logHole();
    await this.watermarks();
    await this.chunks.round(seals.vector, this.versions);
    await this.periods.round(this.versions);
    this.findings.exportCounts();
  }

  /** A silent log is for its own alert, and keeps nothing else from being audited. */
  private async logHole(): Promise<void> {
    const { pool, eventLog, logger } = this.parts;
    const log = new AuditLog();
    try {
      await auditLogHole(pool, eventLog, log);
    } catch (error) {
      if (!(error instanceof EventLogError && error.retriable)) throw error;
      logger.warn({ err: error }, 'the log did not say what it holds; the next round asks again');
      return;
    }
    this.findings.report('what is not counted yet', log);
  }

  private async watermarks(): Promise<void> {
    for (const { generation, published, sealed } of await readWatermarks(this.parts.pool)) {
      const log = new AuditLog();
      const where = `generation ${generation}, the published watermark`;
      const seen = this.published.get(generation) ?? Number.NEGATIVE_INFINITY;
      // It follows a seal by a moment, so what was sealed by the last round is published by now.
      const sealedBefore = this.sealed.get(generation) ?? Number.NEGATIVE_INFINITY;
      const now = published ?? Number.NEGATIVE_INFINITY;
      log.compare('I3', `${where} is not below the one seen before`, true, now >= seen);
      log.compare('I3', `${where} is not below the sealed one`, true, now >= sealedBefore);
      this.findings.report(`watermark of generation ${generation}`, log);
      this.published.set(generation, Math.max(seen, now));
      if (sealed !== null) this.sealed.set(generation, sealed);
    }
  }
}
