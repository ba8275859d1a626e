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

/** Types whose texts need no quotes in an array. */
const PLAIN = new Set(['uuid', 'int', 'smallint', 'bigint', 'boolean', 'numeric']);
const MUST_BE_ESCAPED = /["\\]/;
const ESCAPED = /["\\]/g;

/** As Postgres reads an array. Texts by themselves: pg looks at each element for what it is, and what it might be. */
function arrayText(column: Column<unknown>, values: readonly unknown[]): unknown {
  if (column.type === 'bytea') return values;
  if (PLAIN.has(column.type)) return `{${values.map((value) => value ?? 'NULL').join()}}`;
  const quoted = (value: unknown): string => {
    if (value === null || value === undefined) return 'NULL';
    const said = String(value);
    return MUST_BE_ESCAPED.test(said) ? `"${said.replace(ESCAPED, '\\$&')}"` : `"${said}"`;
  };
  return `{${values.map(quoted).join()}}`;
}

const saysTheSame = (values: readonly unknown[]): boolean => {
  const first = values[0];
  for (const value of values) if (value !== first) return false;
  return true;
};

/**
 * The records as a table of a FROM, `alias (tenant, …, place)`, and its parameters, which follow those of `before`.
 * `place` is the order of the records, from 1 on. A column that says the same of all of them is one value: line items
 * that are written together say the same in most columns, and an array costs more than to find that out.
 */
export function tableOf<Of extends Columns>(
  columns: Of,
  records: readonly RecordOf<NoInfer<Of>>[],
  alias: string,
  before: readonly unknown[] = [],
) {
  const params: unknown[] = [...before];
  const arrays: string[] = [];
  const arrayNames: string[] = [];
  const selected: string[] = [];
  for (const [key, column] of Object.entries(columns)) {
    const { name, type } = column;
    const said = records.map((record) => record[key as keyof Of]);
    const place = `$${params.length + 1}`;
    if (records.length > 1 && saysTheSame(said)) {
      params.push(column.write(said[0]));
      selected.push(`${place}::${type} AS ${name}`);
    } else {
      params.push(
        arrayText(
          column,
          said.map((value) => column.write(value)),
        ),
      );
      arrays.push(`${place}::${type}[]`);
      arrayNames.push(name);
      selected.push(`said.${name}`);
    }
  }
  const rows = [...arrays, ...(arrays.length === 0 ? [`array_fill(0, ARRAY[${records.length}])`] : [])];
  const names = [...arrayNames, ...(arrays.length === 0 ? ['nothing'] : []), 'place'];
  return {
    sql: `(SELECT ${selected.join(', ')}, said.place
      FROM unnest(${rows.join(', ')}) WITH ORDINALITY AS said (${names.join(', ')})) AS ${alias}`,
    params,
  };
}

/** Tables of one statement, each as `tableOf` has it, under the alias `added`. */
export class AddedTables {
  private all: readonly unknown[] = [];

  get params(): unknown[] {
    return [...this.all];
  }

  /** The SQL of it. */
  add<Of extends Columns>(columns: Of, records: readonly RecordOf<NoInfer<Of>>[]): string {
    const { sql, params } = tableOf(columns, records, 'added', this.all);
    this.all = params;
    return sql;
  }
}
