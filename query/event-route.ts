// GET /v1/events/{id}: where an event is.
//
//   unknown     no row of this tenant's event: never sent, or not yet counted (about a second after its 2xx)
//   accepted    counted once; copies with the same payload leave no row, copies with another are counted as `conflicts`
//   conflict    not counted: the key was taken by another payload. Met alone only where the accepted event is gone
//   too_late    not counted: older than the log's horizon when it came
//   rejected    not counted: the meters could not read it
//
// An accepted event stays accepted. A rejected one turns to accepted when it is sent again with its cause mended.
import type { Pool } from 'pg';
import { formatRfc3339 } from '../domain/rfc3339.ts';
import type { Catalogs } from './catalogs.ts';
import { type Counted, countedIn, covers } from './core/counted-in.ts';
import { QueryFault } from './core/query-fault.ts';
import { refuseUnknown, single } from './core/query-parameters.ts';
import { type AcceptedRow, readEventRows } from './event-store.ts';
import type { QueryContext, Read } from './read.ts';
import { fromPostgres } from './store-problems.ts';

/** No event's id or source is longer: 256 characters, of at most two UTF-16 units each. */
const NAME_LENGTH_MAX = 512;

interface SealRow {
  readonly sealed: number | null;
  readonly last_sealed: number | null;
}

/** Of the sealed chunk that holds an offset; null for an open one, beside the version the partition was last sealed with. */
async function catalogVersionsOf(pool: Pool, row: AcceptedRow): Promise<SealRow> {
  const { rows } = await fromPostgres(() =>
    pool.query<SealRow>(
      `SELECT
        (SELECT catalog_version FROM tallyline.chunk_seals
         WHERE generation = $1 AND partition = $2 AND start_offset <= $3 AND end_offset > $3
         ORDER BY chunk LIMIT 1) AS sealed,
        (SELECT catalog_version FROM tallyline.partition_progress
         WHERE generation = $1 AND partition = $2) AS last_sealed`,
      [row.generation, row.partition, row.offset],
    ),
  );
  return rows[0]!;
}

async function readCounted(pool: Pool, catalogs: Catalogs, row: AcceptedRow): Promise<Counted[]> {
  const { sealed, last_sealed } = await catalogVersionsOf(pool, row);
  if (sealed !== null) return countedIn(row, await catalogs.version(sealed));
  const newest = await catalogs.published();
  try {
    return countedIn(row, newest.catalog);
  } catch (error) {
    // The open chunk may stand before the control record of the newest version.
    if (last_sealed === null || last_sealed === newest.version) throw error;
    return countedIn(row, await catalogs.version(last_sealed));
  }
}

interface ItemRow {
  readonly id: string;
  readonly meter: string;
  readonly groups: Readonly<Record<string, string>>;
  readonly window_start: Date;
  readonly window_end: Date;
}

async function readLineItemIds(pool: Pool, tenant: string, subject: string, counted: readonly Counted[]) {
  if (counted.length === 0) return [];
  const starts = counted.map(({ windowStart }) => windowStart);
  const { rows } = await fromPostgres(() =>
    pool.query<ItemRow>(
      `SELECT id, meter, groups, window_start, window_end FROM tallyline.line_items
       WHERE tenant = $1 AND subject = $2 AND meter = ANY($3) AND window_start <= $4 AND window_end > $5
       ORDER BY sequence`,
      [
        tenant,
        subject,
        counted.map(({ meter }) => meter),
        new Date(Math.max(...starts)),
        new Date(Math.min(...starts)),
      ],
    ),
  );
  const items = rows.map((row) => ({
    ...row,
    windowStart: row.window_start.getTime(),
    windowEnd: row.window_end.getTime(),
  }));
  return items.filter((item) => counted.some((one) => covers(item, one))).map(({ id }) => id);
}

async function describeAccepted({ pool, catalogs }: QueryContext, tenant: string, rows: readonly AcceptedRow[]) {
  const counted: Counted[] = [];
  const lineItems = new Set<string>();
  for (const row of rows) {
    const ofRow = await readCounted(pool, catalogs, row);
    counted.push(...ofRow);
    for (const id of await readLineItemIds(pool, tenant, row.subject, ofRow)) lineItems.add(id);
  }
  return {
    countedIn: counted.map(({ meter, windowStart, quantity }) => ({
      meter,
      windowStart: formatRfc3339(windowStart),
      quantity,
    })),
    lineItems: [...lineItems],
  };
}

export const readEvent: Read = async (context, { tenant, path, parameters }) => {
  refuseUnknown(parameters, ['source']);
  const source = single(parameters, 'source') ?? '';
  if (path === '') throw new QueryFault('invalid_parameter', 'id: missing; ask for /v1/events/ID');
  const tooLong = path.length > NAME_LENGTH_MAX ? 'id' : source.length > NAME_LENGTH_MAX ? 'source' : null;
  if (tooLong !== null) throw new QueryFault('invalid_parameter', `${tooLong}: longer than that of any event`);
  const { accepted, rejected } = await readEventRows(context.pool, context.clickhouse, { tenant, source, id: path });
  const first = accepted[0];
  if (first !== undefined) {
    return {
      state: 'accepted',
      receivedAt: formatRfc3339(first.receivedAt),
      ...(await describeAccepted(context, tenant, accepted)),
      conflicts: rejected.filter(({ reason }) => reason === 'conflict').length,
    };
  }
  const last = rejected.at(-1);
  if (last === undefined) return { state: 'unknown' };
  return {
    state: last.reason === 'poison' ? 'rejected' : last.reason,
    receivedAt: formatRfc3339(last.receivedAt),
    countedIn: [],
    lineItems: [],
    code: last.code,
    reason: last.message,
  };
};
