// ClickHouse as the stages see it: exact inserts of Native blocks and typed reads. client.ts implements it over
// @clickhouse/client (HTTP); the embedded engine serves the same HTTP interface.

import type { DamagedPart } from './damage.ts';
import type { InsertBody, TableColumn } from './native-block.ts';

/** On which terms a call is made; call-terms.ts has those there are. */
export interface CallTerms {
  /**
   * The call is given up after this long. A stream has no such bound, but that its socket may not be silent for too
   * long.
   */
  readonly timeoutMs?: number;
  /** Gives the call up early. */
  readonly signal?: AbortSignal;
  /** Settings of ClickHouse, by name. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface ClickHouse {
  /**
   * Writes blocks of rows (native-block.ts), one insert, with `deduplicate_insert='disable'`, `async_insert=0`,
   * `optimize_on_insert=0`, `input_format_parallel_parsing=0` on every call. Resolves once the rows are durable.
   * Rejects with a `ClickHouseError`; the rows, or some of them, may be stored then all the same.
   */
  insert(table: string, columns: readonly TableColumn[], body: InsertBody, terms?: CallTerms): Promise<void>;
  /** Rows as objects; 64-bit integers and decimals as strings. `params` bind `{name:Type}` placeholders. */
  query<Row>(sql: string, params?: Readonly<Record<string, unknown>>, terms?: CallTerms): Promise<Row[]>;
  /**
   * Rows as arrays of columns (JSONCompactEachRow), streamed, for results too large to hold. Binary columns must be
   * hex()ed.
   */
  stream(
    sql: string,
    params?: Readonly<Record<string, unknown>>,
    terms?: CallTerms,
  ): AsyncIterable<readonly unknown[][]>;
  /** All rows of a result of moderate size as RowBinary: fixed-size columns as they lie in memory, little-endian. */
  queryBinary(sql: string, params?: Readonly<Record<string, unknown>>, terms?: CallTerms): Promise<Buffer>;
  /** DDL and other statements without a result. */
  command(sql: string, params?: Readonly<Record<string, unknown>>, terms?: CallTerms): Promise<void>;
  close(): Promise<void>;
}

export class ClickHouseError extends Error {
  /** ClickHouse's own error code, e.g. 60 (unknown table); null when no answer came. */
  readonly code: number | null;
  /** True where the same call may succeed later: no answer, overload, a read-only replica. */
  readonly retriable: boolean;
  /** Not null: what is stored can't be read, and this is the part that holds it. Nothing but a repair changes that. */
  readonly damaged: DamagedPart | null;

  constructor(
    message: string,
    code: number | null,
    retriable: boolean,
    options?: ErrorOptions & { readonly damaged?: DamagedPart | null },
  ) {
    super(message, options);
    this.name = 'ClickHouseError';
    this.code = code;
    this.retriable = retriable;
    this.damaged = options?.damaged ?? null;
  }
}

/** The part that an error says can't be read; null where it is about something else. */
export const damagedPartOf = (error: unknown): DamagedPart | null =>
  error instanceof ClickHouseError ? error.damaged : null;
