// What the change log says: the list of changes, and what an account object was at an instant. Personal fields are
// there as long as the customer's key is.
import type { PersonalFields } from '../../domain/accounts/customer.ts';
import { instantParameter, type Queries, recordOf, selected } from '../postgres/table-columns.ts';
import { type AccountChange, type AccountKind, accountChangeColumns } from './account-changes.ts';
import { openPersonal, wrappedKeyOf } from './customers.ts';
import type { Vault } from './vault.ts';

/** What an object was from a change on. */
export interface ObjectState {
  readonly fields: Readonly<Record<string, unknown>>;
  /** Null: it has none, or they were erased. */
  readonly personal: PersonalFields | null;
}

export interface RecordedChange
  extends Pick<AccountChange, 'kind' | 'id' | 'version' | 'actor' | 'reason' | 'recordedAt'> {
  readonly sequence: number;
  /** Null: the object was not there. */
  readonly before: ObjectState | null;
  readonly after: ObjectState;
  /** The object had personal fields, and nobody can read them any more. */
  readonly isErased: boolean;
  /** When the object was made. */
  readonly createdAt: number;
}

export interface ChangeSelection {
  readonly tenant: string;
  readonly kind: AccountKind | null;
  readonly id: string | null;
  readonly actor: string | null;
  /** Of when it was recorded, inclusive and exclusive. */
  readonly from: number | null;
  readonly to: number | null;
  readonly rowsMax: number;
}

const OF_CHANGES = `
  LEFT JOIN tallyline.account_changes b
    ON b.tenant = a.tenant AND b.kind = a.kind AND b.id = a.id AND b.version = a.version - 1
  JOIN tallyline.account_changes m
    ON m.tenant = a.tenant AND m.kind = a.kind AND m.id = a.id AND m.version = 1
  LEFT JOIN tallyline.customer_keys k ON a.kind = 'customer' AND k.tenant = a.tenant AND k.customer = a.id`;
const CHANGE_FIELDS = `${selected(accountChangeColumns, 'a')}, a.sequence, m.recorded_at AS "createdAt",
  b.after AS "afterBefore", b.personal AS "personalBefore",
  k.wrapped_key AS "wrappedKey", k.wrapped_by AS "wrappedBy"`;
const SELECTED = `a.tenant = $1 AND ($2::text IS NULL OR a.kind = $2) AND ($3::text IS NULL OR a.id = $3)
  AND ($4::text IS NULL OR a.actor = $4)`;

function changeOf(vault: Vault, row: Readonly<Record<string, unknown>>): RecordedChange {
  const { tenant, personal, after, ...change } = recordOf(accountChangeColumns, row);
  const wrapped = wrappedKeyOf(row);
  const opened = (version: number, sealed: Buffer | null): PersonalFields | null =>
    openPersonal(vault, { tenant, id: change.id, version }, wrapped, sealed);
  const before = row.afterBefore as ObjectState['fields'] | null;
  return {
    ...change,
    sequence: Number(row.sequence),
    createdAt: (row.createdAt as Date).getTime(),
    isErased: change.kind === 'customer' && wrapped === null,
    before:
      before === null
        ? null
        : { fields: before, personal: opened(change.version - 1, row.personalBefore as Buffer | null) },
    after: { fields: after, personal: opened(change.version, personal) },
  };
}

/** The newest first; only those that were recorded before `before`, where that is given. */
export async function readChanges(
  queries: Queries,
  vault: Vault,
  selection: ChangeSelection & { readonly before: Pick<RecordedChange, 'recordedAt' | 'sequence'> | null },
): Promise<RecordedChange[]> {
  const { tenant, kind, id, actor, from, to, before, rowsMax } = selection;
  const { rows } = await queries.query(
    `SELECT ${CHANGE_FIELDS} FROM (
       SELECT * FROM tallyline.account_changes a WHERE ${SELECTED}
         AND ($5::timestamptz IS NULL OR a.recorded_at >= $5) AND ($6::timestamptz IS NULL OR a.recorded_at < $6)
         AND ($7::timestamptz IS NULL OR (a.recorded_at, a.sequence) < ($7, $8::bigint))
       ORDER BY a.recorded_at DESC, a.sequence DESC LIMIT $9
     ) AS a ${OF_CHANGES} ORDER BY a.recorded_at DESC, a.sequence DESC`,
    [
      ...[tenant, kind, id, actor, instantParameter(from), instantParameter(to)],
      ...[before === null ? null : new Date(before.recordedAt), before?.sequence ?? null, rowsMax],
    ],
  );
  return rows.map((row) => changeOf(vault, row));
}

/** Of each object the newest change that is not after an instant, by kind and id; only those behind `behind`. */
export async function readStatesAt(
  queries: Queries,
  vault: Vault,
  selection: Omit<ChangeSelection, 'from' | 'to'> & {
    readonly asOf: number;
    readonly behind: Pick<RecordedChange, 'kind' | 'id'> | null;
  },
): Promise<RecordedChange[]> {
  const { tenant, kind, id, actor, asOf, behind, rowsMax } = selection;
  const { rows } = await queries.query(
    `SELECT ${CHANGE_FIELDS} FROM (
       SELECT * FROM (
         SELECT DISTINCT ON (kind, id) * FROM tallyline.account_changes
         WHERE tenant = $1 AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR id = $3)
           AND recorded_at <= $5 AND ($6::text IS NULL OR (kind, id) > ($6, $7))
         ORDER BY kind, id, version DESC
       ) AS a WHERE $4::text IS NULL OR a.actor = $4 ORDER BY a.kind, a.id LIMIT $8
     ) AS a ${OF_CHANGES} ORDER BY a.kind, a.id`,
    [tenant, kind, id, actor, new Date(asOf), behind?.kind ?? null, behind?.id ?? null, rowsMax],
  );
  return rows.map((row) => changeOf(vault, row));
}
