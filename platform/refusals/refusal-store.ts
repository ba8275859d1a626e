// What gateways refused lately, in Postgres: written by them, read by the API. A row is the tenant's, the key's and the
// code's; it counts, and keeps the newest few examples. What holds always: it never has more rows than there are keys
// and codes, nor more examples in a row than EXAMPLES_KEPT.
import type { RefusedEventNames } from '../../domain/refused-event.ts';
import {
  type Column,
  instant,
  json,
  namesOf,
  type Queries,
  type RecordOf,
  recordOf,
  selected,
  tableOf,
  text,
  whole,
} from '../postgres/table-columns.ts';

export interface RefusedEvent extends RefusedEventNames {
  /** When, in milliseconds since the epoch. */
  readonly at: number;
}

const refusalColumns = {
  tenant: text('tenant'),
  /** Of the key's id, which is no secret. */
  keyId: text('key_id'),
  /** Of an event that was rejected, or of the problem with a request as a whole. */
  code: text('code'),
  count: whole('count'),
  firstAt: instant('first_at'),
  lastAt: instant('last_at'),
  /** The newest first. */
  examples: json<readonly RefusedEvent[]>('examples'),
};

export type RefusalRow = RecordOf<typeof refusalColumns>;

/** In a row. */
const EXAMPLES_KEPT = 5;
/** A row goes so long after the last refusal that it counts. */
const KEPT_DAYS = 14;

/** Of both, the newest of each event. */
const NEWEST_EXAMPLES = `(
  SELECT coalesce(jsonb_agg(example ORDER BY place), '[]') FROM (
    SELECT example, place FROM (
      SELECT DISTINCT ON (example->>'id', example->>'source') example, place
      FROM jsonb_array_elements(EXCLUDED.examples || kept.examples) WITH ORDINALITY AS each (example, place)
      ORDER BY example->>'id', example->>'source', place
    ) AS events
    ORDER BY place LIMIT ${EXAMPLES_KEPT}
  ) AS newest)`;

/** Adds to what is there. In one order, so that gateways never wait for each other in a circle. */
export async function addRefusals(queries: Queries, rows: readonly RefusalRow[]): Promise<void> {
  const given = tableOf(refusalColumns, rows, 'given');
  await queries.query(
    `INSERT INTO tallyline.refusals AS kept (${namesOf(refusalColumns)})
     SELECT ${namesOf(refusalColumns, 'given')} FROM ${given.sql} ORDER BY tenant, key_id, code
     ON CONFLICT (tenant, key_id, code) DO UPDATE SET count = kept.count + EXCLUDED.count,
       first_at = least(kept.first_at, EXCLUDED.first_at), last_at = greatest(kept.last_at, EXCLUDED.last_at),
       examples = ${NEWEST_EXAMPLES}`,
    given.params,
  );
}

/** `now`: milliseconds since the epoch. */
export async function deleteOldRefusals(queries: Queries, now: number): Promise<void> {
  await queries.query(`DELETE FROM tallyline.refusals WHERE last_at < $1::timestamptz - interval '${KEPT_DAYS} days'`, [
    new Date(now),
  ]);
}

const keyNameColumn: Column<string> = text('key_name');

export interface RefusalSelection {
  readonly tenant: string;
  /** Only of keys that are limited to this customer; null: of all. */
  readonly customer: string | null;
  /** Null: any. */
  readonly code: string | null;
  readonly rowsMax: number;
}

/** Each with the name of its key, the latest first. */
export async function readRefusals(
  queries: Queries,
  { tenant, customer, code, rowsMax }: RefusalSelection,
): Promise<(RefusalRow & { readonly keyName: string })[]> {
  const columns = { ...refusalColumns, keyName: keyNameColumn };
  const { rows } = await queries.query(
    `SELECT ${selected(refusalColumns, 'kept')}, coalesce(key.name, '') AS "keyName"
     FROM tallyline.refusals kept LEFT JOIN tallyline.api_keys key ON key.id = kept.key_id
     WHERE kept.tenant = $1 AND ($2::text IS NULL OR kept.code = $2) AND ($4::text IS NULL OR key.customer = $4)
     ORDER BY kept.last_at DESC, kept.key_id, kept.code LIMIT $3`,
    [tenant, code, rowsMax, customer],
  );
  return rows.map((row) => recordOf(columns, row));
}

/** The examples of one event, as its gateways refused it, with their codes. */
export async function readRefusalsOf(
  queries: Queries,
  { tenant, source, id }: { readonly tenant: string; readonly source: string; readonly id: string },
): Promise<(RefusedEvent & { readonly code: string })[]> {
  const { rows } = await queries.query<{ code: string; example: RefusedEvent }>(
    `SELECT kept.code, example FROM tallyline.refusals kept, jsonb_array_elements(kept.examples) AS example
     WHERE kept.tenant = $1 AND example->>'id' = $2 AND coalesce(example->>'source', '') = $3
     ORDER BY (example->>'at')::numeric DESC LIMIT 10`,
    [tenant, id, source],
  );
  return rows.map(({ code, example }) => ({ ...example, code }));
}
