// I1 where counting meets the log: the next record to count is still held. Retention that passed over records that
// nobody counted leaves a hole; what was in it was acknowledged, and is in no total.
import type { Pool } from 'pg';
import type { EventLog } from '../../platform/event-log/event-log.ts';
import type { AuditLog } from './discrepancy.ts';

const READ_PROGRESS = `
  SELECT generation, partition, next_offset FROM tallyline.partition_progress
  WHERE generation = (SELECT generation FROM tallyline.topic_generations WHERE topic_id = $1
    ORDER BY generation DESC LIMIT 1)
  ORDER BY partition`;

/** Compares the log's first offsets with what is counted. Rejects with an `EventLogError` where the log is silent. */
export async function auditLogHole(
  pool: Pool,
  eventLog: Pick<EventLog, 'topicId' | 'bounds'>,
  log: AuditLog,
): Promise<void> {
  // The log first: what is counted only grows meanwhile, so no hole is seen that is none. A chunk that is reopened
  // meanwhile begins where the log still held it.
  const starts = new Map((await eventLog.bounds()).map(({ partition, startOffset }) => [partition, startOffset]));
  const { rows } = await pool.query<{ generation: number; partition: number; next_offset: string }>(READ_PROGRESS, [
    eventLog.topicId,
  ]);
  for (const { generation, partition, next_offset } of rows) {
    const start = starts.get(partition);
    if (start === undefined) continue;
    const next = Number(next_offset);
    log.compare(
      'I1',
      `generation ${generation} partition ${partition}, records that are not counted yet`,
      `held by the log from offset ${next}`,
      start <= next
        ? `held by the log from offset ${next}`
        : `gone up to offset ${start - 1}: docs/operate/runbooks/disaster.md, "One partition's log is cut"`,
    );
  }
}
