// Whether a read can be answered from totals, which are what all subjects come to in a chunk. They are another way to
// the same value, and no other value: what they can't answer is read from the roll-ups.
//
// Three things keep them from it. Chunks that a release of before sealed have none, so they are taken from the window
// on that no such chunk can have usage in. A meter that does not sum has none. And where a window has more groups than
// a chunk keeps totals of, the others share one row, the rest: whoever asks for groups is told by an error, in the same
// statement, so that no event can come between.
import { type Aggregation, aggregationRules } from '../../domain/aggregation/aggregations.ts';
import { EVENT_TIME_AHEAD_MAX_MS } from '../../domain/metering/event-outcome.ts';
import { ClickHouseError } from '../clickhouse/click-house.ts';
import type { Queries } from '../postgres/table-columns.ts';

/** What of a selection of usage tells whether totals may answer it. */
interface TotalsSelection {
  readonly meter: { readonly aggregation: Aggregation };
  readonly subjects?: readonly string[];
  readonly bySubject?: boolean;
  /** Windows that start then or later may be read from totals; absent or null: none. */
  readonly totalsFrom?: number | null;
}

/** FUNCTION_THROW_IF_VALUE_IS_NON_ZERO */
const THROWN_CODE = 395;
export const IS_REST_SQL = "r.group_values = ''";
/** For WHERE: true, or the statement fails. */
export const NO_REST_SQL = `NOT throwIf(${IS_REST_SQL}, 'some groups have no totals of their own')`;

/** From which window on the selection is read from totals, milliseconds since the epoch; null: nothing of it is. */
export function totalsStart(selection: TotalsSelection): number | null {
  const { meter, subjects = [], bySubject, totalsFrom = null } = selection;
  const isOfAll = subjects.length === 0 && bySubject !== true;
  return isOfAll && aggregationRules(meter.aggregation).isSum ? totalsFrom : null;
}

/** Whether the error is about totals alone, so that the roll-ups may answer. */
export const isOfTotals = (error: unknown): boolean =>
  error instanceof ClickHouseError && (error.code === THROWN_CODE || error.damaged?.table === 'usage_totals');

/** Reads by totals, and by roll-ups where these can't answer. */
export async function readByTotals<Selection extends TotalsSelection, Result>(
  selection: Selection,
  read: (selection: Selection) => Promise<Result>,
): Promise<Result> {
  try {
    return await read(selection);
  } catch (error) {
    if (totalsStart(selection) === null || !isOfTotals(error)) throw error;
    return read({ ...selection, totalsFrom: null });
  }
}

// What a former owner without totals sealed, also where it was taken back since: until such a chunk is replayed, its
// roll-ups are there and its totals are not. An owner that is not known to keep totals has an open chunk without them.
const READ_TOTALS_FROM = `
  SELECT coalesce((SELECT bool_and(totals_epoch = epoch) FROM tallyline.partition_progress
      WHERE generation = (SELECT max(generation) FROM tallyline.topic_generations)), false) AS kept,
    greatest((SELECT max(watermark) FROM tallyline.chunk_seals WHERE totals_count IS NULL),
      (SELECT max(watermark) FROM tallyline.chunk_seals_reopened WHERE totals_count IS NULL)) AS without`;

/**
 * The windows that start then or later have whole totals, milliseconds since the epoch; null: it can't be said of any.
 * To be read before the usage.
 */
export async function readTotalsFrom(postgres: Queries): Promise<number | null> {
  const { rows } = await postgres.query<{ kept: boolean; without: Date | null }>(READ_TOTALS_FROM);
  const { kept, without } = rows[0]!;
  if (!kept) return null;
  // No event of such a chunk lies further ahead of its end.
  return without === null ? 0 : without.getTime() + EVENT_TIME_AHEAD_MAX_MS + 1;
}
