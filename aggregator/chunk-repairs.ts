// Requests to repair sealed chunks, as the auditor leaves them in Postgres, and what their owner does about them. A
// chunk is reopened at most once for one seal, and only where the log still holds its records.
import type pg from 'pg';
import type { Logger } from 'pino';
import { ChunkUnrepairable, type SealStore } from './seal-store.ts';

export interface RepairRequest {
  readonly partition: number;
  readonly chunk: number;
  /** The epoch of the seal that the stored rows differ from. */
  readonly epoch: bigint;
  readonly reason: string;
}

export type RepairOutcome = 'reopened' | 'superseded' | 'refused';

export interface RepairRequests {
  /** The requests for these partitions that nobody has decided, in order of partition and chunk. */
  readOpen(partitions: readonly number[]): Promise<RepairRequest[]>;
  decide(request: RepairRequest, outcome: RepairOutcome, detail: string | null): Promise<void>;
}

export interface RepairParts {
  readonly requests: RepairRequests;
  readonly seals: SealStore;
  /** The first offset that the log holds of a partition. */
  readonly logStartOffset: (partition: number) => Promise<number>;
  readonly logger: Logger;
}

/**
 * Decides the open requests for these partitions. Reopening raises the epoch, so the partition's owner, whoever it is,
 * finds out when it seals its next chunk, and reads the log again from the reopened one.
 */
export async function decideRepairs(parts: RepairParts, partitions: readonly number[]): Promise<void> {
  if (partitions.length === 0) return;
  for (const request of await parts.requests.readOpen(partitions)) {
    const { partition, chunk, epoch, reason } = request;
    const place = { partition, chunk, epoch: epoch.toString() };
    try {
      const logStartOffset = await parts.logStartOffset(partition);
      const isReopened = await parts.seals.reopen(partition, chunk, { reason, logStartOffset, sealEpoch: epoch });
      if (isReopened)
        parts.logger.error({ ...place, reason }, 'sealed rows are damaged: reopened the chunk to replay it');
      await parts.requests.decide(request, isReopened ? 'reopened' : 'superseded', null);
    } catch (error) {
      if (!(error instanceof ChunkUnrepairable)) throw error;
      parts.logger.error({ ...place, err: error }, 'a damaged chunk is left as it is');
      await parts.requests.decide(request, 'refused', error.message);
    }
  }
}

export function postgresRepairRequests(pool: pg.Pool, generation: number): RepairRequests {
  return {
    async readOpen(partitions) {
      const { rows } = await pool.query<{ partition: number; chunk: number; epoch: string; reason: string }>(
        `SELECT partition, chunk, epoch, reason FROM tallyline.chunk_repairs
          WHERE generation = $1 AND partition = ANY($2::int[]) AND outcome IS NULL ORDER BY partition, chunk`,
        [generation, partitions],
      );
      return rows.map((row) => ({ ...row, epoch: BigInt(row.epoch) }));
    },
    async decide({ partition, chunk, epoch }, outcome, detail) {
      await pool.query(
        `UPDATE tallyline.chunk_repairs SET outcome = $5, detail = $6, decided_at = clock_timestamp()
          WHERE generation = $1 AND partition = $2 AND chunk = $3 AND epoch = $4 AND outcome IS NULL`,
        [generation, partition, chunk, epoch.toString(), outcome, detail],
      );
    },
  };
}
