// The change log of account objects (A1): a row a change, appended in the transaction that makes it, and never changed.
// What an object was before a change is what the version before says, so that the two can't contradict each other.
import {
  bytes,
  instant,
  int,
  json,
  namesOf,
  nullable,
  type Queries,
  type RecordOf,
  tableOf,
  text,
  textOf,
} from '../postgres/table-columns.ts';

export const accountKinds = ['customer', 'subject', 'subscription', 'key', 'catalog', 'recount'] as const;
export type AccountKind = (typeof accountKinds)[number];

/** Who changes something, and of which tenant. */
export interface Author {
  readonly tenant: string;
  /** `key:<id>`, or `cli:<user>`. */
  readonly actor: string;
}

export const accountChangeColumns = {
  tenant: text('tenant'),
  kind: textOf<AccountKind>('kind'),
  id: text('id'),
  version: int('version'),
  actor: text('actor'),
  reason: nullable(text('reason')),
  recordedAt: instant('recorded_at'),
  /** Without personal fields. */
  after: json<Readonly<Record<string, unknown>>>('after'),
  personal: nullable(bytes('personal')),
};

export type AccountChange = RecordOf<typeof accountChangeColumns>;

export async function appendChanges(queries: Queries, changes: readonly AccountChange[]): Promise<void> {
  const added = tableOf(accountChangeColumns, changes, 'added');
  const names = namesOf(accountChangeColumns);
  await queries.query(
    `INSERT INTO tallyline.account_changes (${names}) SELECT ${names} FROM ${added.sql} ORDER BY place`,
    added.params,
  );
}
