// Tells one run of a ClickHouse server from another.
import type { ClickHouse } from '../clickhouse/click-house.ts';

/** One run of one ClickHouse server. A part that is on disk can only be found missing when a server starts. */
export interface ServerRun {
  readonly host: string;
  /** Seconds since the epoch, give or take one. */
  readonly startedAt: number;
}

export const isSameRun = (a: ServerRun, b: ServerRun): boolean =>
  a.host === b.host && Math.abs(a.startedAt - b.startedAt) <= 1;

/** Of the server that answers. */
export async function readServerRun(clickhouse: ClickHouse): Promise<ServerRun> {
  const rows = await clickhouse.query<{ host: string; started_at: string }>(
    'SELECT hostName() AS host, toString(toUnixTimestamp(now()) - uptime()) AS started_at',
  );
  return { host: rows[0]!.host, startedAt: Number(rows[0]!.started_at) };
}
