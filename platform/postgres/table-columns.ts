// The columns of a table, named once: their names in SQL and in code, their types, how a value is written and how it is
// read. A record is read and written by the same list, so that a column can't be forgotten in one statement or change
// its type in another. What is written are columns as arrays: thousands of rows are one round trip with a fixed number
// of parameters.
import type { QueryResultRow } from 'pg';
import { Decimal } from '../../domain/number/decimal.ts';

/** Whatever answers a statement: a pool, a connection within a transaction, or either within the time of a request. */
export interface Queries {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<{ readonly rows: Row[] }>;
}

export interface Column<Value> {
  readonly name: string;
  /** Of Postgres. */
  readonly type: string;
  readonly isNullable: boolean;
  /** To what pg takes as a parameter. */
  write(value: Value): unknown;
  /** From what pg gives for the column's type. */
  read(stored: unknown): Value;
}

export type Columns = Readonly<Record<string, Column<unknown>>>;
export type RecordOf<Of extends Columns> = {
  readonly [Key in keyof Of]: Of[Key] extends Column<infer Value> ? Value : never;
};

const asIs =
  (type: string) =>
  <Value>(name: string): Column<Value> => ({
    ...{ name, type, isNullable: false },
    write: (value) => value,
    read: (stored) => stored as Value,
  });

export const text: (name: string) => Column<string> = asIs('text');
/** One of a few texts. */
export const textOf: <Value extends string>(name: string) => Column<Value> = asIs('text');
export const uuid: (name: string) => Column<string> = asIs('uuid');
export const int: (name: string) => Column<number> = asIs('int');
export const small: (name: string) => Column<number> = asIs('smallint');
export const bytes: (name: string) => Column<Buffer> = asIs('bytea');
export const bool: (name: string) => Column<boolean> = asIs('boolean');
/** A bigint below 2^53. */
export const whole = (name: string): Column<number> => ({
  ...{ name, type: 'bigint', isNullable: false },
  write: (value) => value,
  read: Number,
});
/** A bigint that may be larger. */
export const large = (name: string): Column<bigint> => ({
  ...{ name, type: 'bigint', isNullable: false },
  write: String,
  read: (stored) => BigInt(stored as string),
});
/** A numeric without a fraction. */
export const unsigned64 = (name: string): Column<bigint> => ({ ...large(name), type: 'numeric' });
export const decimal = (name: string): Column<Decimal> => ({
  ...{ name, type: 'numeric', isNullable: false },
  write: String,
  read: (stored) => Decimal.parse(stored as string),
});
/** A timestamptz, in milliseconds since the epoch. */
export const instant = (name: string): Column<number> => ({
  ...{ name, type: 'timestamptz', isNullable: false },
  write: (value) => new Date(value).toISOString(),
  read: (stored) => (stored as Date).getTime(),
});
/** A bound that may be missing, as a parameter. */
export const instantParameter = (time: number | null): Date | null => (time === null ? null : new Date(time));
export const json = <Value>(name: string): Column<Value> => ({
  ...{ name, type: 'jsonb', isNullable: false },
  write: (value) => JSON.stringify(value),
  read: (stored) => stored as Value,
});
export const nullable = <Value>(column: Column<Value>): Column<Value | null> => ({
  ...column,
  isNullable: true,
  write: (value) => (value === null ? null : column.write(value)),
  read: (stored) => (stored === null ? null : column.read(stored)),
});

/** `tenant, period_start`, of a table's alias where one is given. */
export const namesOf = (columns: Columns, alias?: string): string =>
  Object.entries(columns)
    .map(([, { name }]) => (alias === undefined ? name : `${alias}.${name}`))
    .join(', ');

/** What a SELECT lists to be read by `recordOf`. */
export const selected = (columns: Columns, alias: string): string =>
  Object.entries(columns)
    .map(([key, { name }]) => `${alias}.${name} AS "${key}"`)
    .join(', ');

export function recordOf<Of extends Columns>(columns: Of, row: Readonly<Record<string, unknown>>): RecordOf<Of> {
  const record: Record<string, unknown> = {};
  for (const key in columns) record[key] = columns[key]!.read(row[key]);
  return record as RecordOf<Of>;
}

/** One record as parameters, in the order of `namesOf`. */
export const valuesOf = <Of extends Columns>(columns: Of, record: RecordOf<NoInfer<Of>>): unknown[] =>
  Object.entries(columns).map(([key, column]) => column.write(record[key as keyof Of]));

/** `$1, $2, …`, a placeholder a column. */
export const placeholders = (columns: Columns): string =>
  Object.entries(columns)
    .map((_, i) => `$${i + 1}`)
    .join(', ');

/** From so many records on it pays to look whether a column says the same of all of them. */
const SAME_FROM = 16;

/** A column of some records as an array: of each its value, or one value so many times. */
function arrayOf<Of extends Columns>(
  [key, column]: [string, Column<unknown>],
  place: number,
  records: readonly RecordOf<NoInfer<Of>>[],
): { readonly sql: string; readonly param: unknown } {
  const said = (record: RecordOf<NoInfer<Of>>): unknown => record[key as keyof Of];
  const count = records.length;
  if (count >= SAME_FROM) {
    const first = said(records[0]!);
    if (records.every((record) => said(record) === first))
      return { sql: `array_fill($${place}::${column.type}, ARRAY[${count}])`, param: column.write(first) };
  }
  return { sql: `$${place}::${column.type}[]`, param: records.map((record) => column.write(said(record))) };
}

/**
 * The records as a table of a FROM: `unnest($1::text[], …) … AS alias (tenant, …, place)`, and the parameters from `$1`
 * on. `place` is their order. Line items that are written together say the same in most columns, and to write an array
 * of texts costs more than to find that out.
 *
 * `paramsBefore`: so many parameters of the statement stand before them.
 */
export function tableOf<Of extends Columns>(
  columns: Of,
  records: readonly RecordOf<NoInfer<Of>>[],
  alias: string,
  paramsBefore = 0,
) {
  const arrays = Object.entries(columns).map((entry, i) => arrayOf<Of>(entry, paramsBefore + i + 1, records));
  return {
    sql: `unnest(${arrays.map(({ sql }) => sql).join(', ')}) WITH ORDINALITY AS ${alias} (${namesOf(columns)}, place)`,
    params: arrays.map(({ param }) => param),
  };
}

/** Tables of one statement, each as `tableOf` has it, under the alias `added`. */
export class AddedTables {
  readonly params: unknown[] = [];

  /** The SQL of it. */
  add<Of extends Columns>(columns: Of, records: readonly RecordOf<NoInfer<Of>>[]): string {
    const { sql, params } = tableOf(columns, records, 'added', this.params.length);
    this.params.push(...params);
    return sql;
  }
}
