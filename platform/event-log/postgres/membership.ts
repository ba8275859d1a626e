// Who shares the partitions of a topic in a group. A member is a row with a heartbeat; it is gone when the heartbeat is
// older than the lease, or at once when the backend of its connection is gone: a killed process is missed for a second,
// and one that was cut off from the database for the length of the lease. Each change of membership raises the group's
// generation under the lock of the group's row, so the changes have one order. Partition p belongs to the member at
// place p mod n of the members sorted by id.
import type pg from 'pg';
import type { Topic } from './topic.ts';

export interface GroupView {
  readonly generation: number;
  /** The partitions of this member in this generation. */
  readonly partitions: ReadonlySet<number>;
  /** True when every member has let go of what is no longer its own in this generation. */
  readonly settled: boolean;
}

export class Membership {
  private readonly pool: pg.Pool;
  private readonly topic: Topic;
  private readonly group: string;
  private readonly member: string;
  private readonly leaseMs: number;

  constructor(pool: pg.Pool, topic: Topic, group: string, member: string, leaseMs: number) {
    this.pool = pool;
    this.topic = topic;
    this.group = group;
    this.member = member;
    this.leaseMs = leaseMs;
  }

  async join(): Promise<void> {
    await this.pool.query(
      `WITH joined AS (
         INSERT INTO tallyline.log_groups (topic, "group", generation) VALUES ($1, $2, 1)
         ON CONFLICT (topic, "group") DO UPDATE SET generation = log_groups.generation + 1
         RETURNING topic, "group"
       )
       INSERT INTO tallyline.log_members (topic, "group", member, heartbeat_at, settled_generation)
       SELECT topic, "group", $3, clock_timestamp(), 0 FROM joined`,
      [this.topic.name, this.group, this.member],
    );
  }

  /**
   * Keeps this member alive, says up to which generation it has let go of what it lost, removes members whose lease has
   * run out or whose backend is gone, and returns the group as it is now. Null when this member's own lease had run
   * out: it must join again.
   */
  async beat(settledGeneration: number, sessionPid: number | null): Promise<GroupView | null> {
    const scope = [this.topic.name, this.group];
    await this.pool.query(
      `WITH gone AS (
         DELETE FROM tallyline.log_members
         WHERE topic = $1 AND "group" = $2 AND (heartbeat_at < clock_timestamp() - $3 * interval '1 millisecond'
           OR member <> $4 AND session_pid NOT IN (SELECT pid FROM pg_stat_activity))
         RETURNING 1
       )
       UPDATE tallyline.log_groups SET generation = generation + 1
       WHERE topic = $1 AND "group" = $2 AND EXISTS (SELECT FROM gone)`,
      [...scope, this.leaseMs, this.member],
    );
    const { rowCount } = await this.pool.query(
      `UPDATE tallyline.log_members SET heartbeat_at = clock_timestamp(), settled_generation = $4, session_pid = $5
       WHERE topic = $1 AND "group" = $2 AND member = $3`,
      [...scope, this.member, settledGeneration, sessionPid],
    );
    if (rowCount === 0) return null;
    const { rows } = await this.pool.query<{ generation: string; member: string; settled: boolean }>(
      `SELECT g.generation, m.member, m.settled_generation >= g.generation AS settled
       FROM tallyline.log_groups g JOIN tallyline.log_members m USING (topic, "group")
       WHERE topic = $1 AND "group" = $2 ORDER BY m.member`,
      scope,
    );
    const place = rows.findIndex((row) => row.member === this.member);
    if (place === -1) return null;
    const partitions = new Set<number>();
    for (let partition = place; partition < this.topic.partitions; partition += rows.length) partitions.add(partition);
    return { generation: Number(rows[0]!.generation), partitions, settled: rows.every((row) => row.settled) };
  }

  async leave(): Promise<void> {
    await this.pool.query(
      `WITH left_group AS (
         DELETE FROM tallyline.log_members WHERE topic = $1 AND "group" = $2 AND member = $3 RETURNING topic, "group"
       )
       UPDATE tallyline.log_groups g SET generation = generation + 1
       FROM left_group l WHERE g.topic = l.topic AND g."group" = l."group"`,
      [this.topic.name, this.group, this.member],
    );
  }
}
