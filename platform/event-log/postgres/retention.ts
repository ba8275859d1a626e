// Deletes records older than the topic's retention, oldest first. The start offset moves in the transaction that
// deletes, so that a reader either gets a record or is told that it is gone.
import type pg from 'pg';
import { inTransaction } from '../../postgres/pool.ts';
import type { Topic } from './topic.ts';

/** Records deleted in one transaction: it holds the lock that appends to the partition wait for. */
const stepRecordsMax = 1000;

/** Deletes everything that is old enough, of every partition. Returns the number of records deleted. */
export async function deleteExpired(pool: pg.Pool, topic: Topic): Promise<number> {
  let deleted = 0;
  for (let partition = 0; partition < topic.partitions; partition++) {
    let step: number;
    do {
      step = await deleteStep(pool, topic, partition);
      deleted += step;
    } while (step === stepRecordsMax);
  }
  return deleted;
}

function deleteStep(pool: pg.Pool, topic: Topic, partition: number): Promise<number> {
  return inTransaction(pool, async (client) => {
    // Only an unbroken run of old records from the start goes: the database's clock may have stepped back in between.
    const { rows } = await client.query<{ cut: string | null }>(
      `SELECT coalesce(min("offset") FILTER (WHERE append_time >= clock_timestamp() - retention_ms * interval '1 millisecond'),
                       max("offset") + 1) AS cut
       FROM (
         SELECT r."offset", r.append_time, t.retention_ms
         FROM tallyline.log_records r JOIN tallyline.log_topics t ON t.topic = r.topic AND t.topic_id = $2
         WHERE r.topic = $1 AND r.partition = $3 ORDER BY r."offset" LIMIT $4
       ) oldest`,
      [topic.name, topic.id, partition, stepRecordsMax],
    );
    const cut = rows[0]?.cut ?? null;
    if (cut === null) return 0;
    const { rowCount: moved } = await client.query(
      `UPDATE tallyline.log_partitions SET start_offset = $3 WHERE topic = $1 AND partition = $2 AND start_offset < $3`,
      [topic.name, partition, cut],
    );
    if (moved === 0) return 0;
    const { rowCount } = await client.query(
      `DELETE FROM tallyline.log_records WHERE topic = $1 AND partition = $2 AND "offset" < $3`,
      [topic.name, partition, cut],
    );
    return rowCount ?? 0;
  });
}
