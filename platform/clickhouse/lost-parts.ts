// The parts that ClickHouse did not load when it started, because one of their small files is damaged: it moves them
// aside and says nothing, and reads answer without their rows. What they held is counted again from the log; until
// somebody has seen that it is (`tallyline repair`, which then drops what was moved aside), whoever reads that time is
// told instead of given too little. A part that it loaded and believes to be of another time (its minmax_*.idx is
// damaged, which nothing checks) is missed just so by every read of a range; `CHECK TABLE` finds it, and it is repaired
// as any damaged part.
import type { ClickHouse } from './click-house.ts';
import { type DamagedPart, partitionSpan } from './damage.ts';
import { quoted } from './quoted.ts';

/**
 * Moved aside at a start or by a check, or by being a part of what one of these had merged (DataPartsExchange, 26.7).
 */
const LOST = "(reason LIKE 'broken%' OR reason = 'covered-by-broken')";
/**
 * As a part is called while it is in its table; what comes before says why it was moved, what comes after is a number.
 */
const NAME = /(?:^|_)(\d{6}(?:\d\d)?_\d+_\d+_\d+)/;

/** `part`: by its name in the table, '' where that can't be told. */
export interface LostPart extends DamagedPart {
  /** As system.detached_parts names it. */
  readonly detachedAs: string;
}

export async function readLostParts(clickhouse: Pick<ClickHouse, 'query'>): Promise<LostPart[]> {
  const rows = await clickhouse.query<{ table: string; name: string }>(
    `SELECT table, name FROM system.detached_parts WHERE database = currentDatabase() AND ${LOST} ORDER BY table, name`,
  );
  return rows.map(({ table, name }) => ({ table, part: NAME.exec(name)?.[1] ?? '', detachedAs: name }));
}

/** Parts of roll-ups and totals that can't be of the time that ClickHouse believes: their partition is another week. */
const MISPLACED = `SELECT table, name FROM system.parts
  WHERE active AND database = currentDatabase() AND table IN ('usage_rollups', 'usage_totals') AND NOT (
    toUnixTimestamp(min_time) >= toUnixTimestamp(parseDateTime(partition_id, '%Y%m%d', 'UTC'))
    AND toUnixTimestamp(max_time) < toUnixTimestamp(parseDateTime(partition_id, '%Y%m%d', 'UTC')) + 7 * 86400)
  ORDER BY table, name`;

/** A part whose rows a read may miss without an error. */
export interface UnseenPart extends DamagedPart {
  /** Where and how to find it, in words: its name, or that of what was moved aside. */
  readonly called: string;
}

/** Those that were not loaded, and those that are believed to be of another time. */
export async function readUnseenParts(clickhouse: Pick<ClickHouse, 'query'>): Promise<UnseenPart[]> {
  const [lost, misplaced] = await Promise.all([
    readLostParts(clickhouse),
    clickhouse.query<{ table: string; name: string }>(MISPLACED),
  ]);
  return [
    ...lost.map(({ table, part, detachedAs }) => ({ table, part, called: detachedAs })),
    ...misplaced.map(({ table, name }) => ({ table, part: name, called: name })),
  ];
}

/** Nothing that the part held is missing any more: what is left of it goes. */
export const dropLostPart = (clickhouse: Pick<ClickHouse, 'command'>, { table, detachedAs }: LostPart): Promise<void> =>
  clickhouse.command(`ALTER TABLE ${table} DROP DETACHED PART ${quoted(detachedAs)} SETTINGS allow_drop_detached = 1`);

/** Whether usage of [from, to), milliseconds since the epoch, may be missing with the part: roll-ups lie by week. */
export const mayLackUsage = (part: DamagedPart, from: number, to: number): boolean =>
  part.table === 'usage_rollups' && mayHold(part, from, to);

/** The same of totals. The roll-ups that they are of may all be there. */
export const mayLackTotals = (part: DamagedPart, from: number, to: number): boolean =>
  part.table === 'usage_totals' && mayHold(part, from, to);

function mayHold({ part }: DamagedPart, from: number, to: number): boolean {
  const span = partitionSpan(part);
  return span === null || (span.start < to && from < span.end);
}
