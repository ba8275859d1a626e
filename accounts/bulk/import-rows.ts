// Makes account objects of the rows of a file, many in a transaction. A row whose object is there and equal changes
// nothing, so a file that was read in part is simply read again. What is there and different is refused: whoever
// imports has not seen it.
import type { Pool } from 'pg';
import { Problem } from '../../domain/problem.ts';
import { retry } from '../../platform/calls/retry.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import type { Queries } from '../../platform/postgres/table-columns.ts';
import { ofTenant } from '../../platform/postgres/tenant-fence.ts';
import { isTransientPostgresError } from '../../platform/postgres/transient.ts';

/** Enough that the round trips of a transaction weigh little, few enough that one is short. */
const BATCH_ROWS = 500;
/** How long Postgres may be away. */
const PATIENCE_MS = 60_000;

/** A row of the file, or why it is none. */
export type FileRow = { readonly line: number } & (
  | { readonly row: Readonly<Record<string, unknown>> }
  | { readonly fault: string }
);

export interface ImportCounts {
  made: number;
  /** There already, and the same. */
  equal: number;
  refused: number;
}

export interface ImportParts {
  readonly pool: Pool;
  readonly tenant: string;
  readonly onRefused: (line: number, why: string) => void;
  /** After each transaction. */
  readonly onProgress: (counts: Readonly<ImportCounts>) => void;
}

/** What became of a row: a text says why it was refused. */
export type RowOutcome = 'made' | 'equal' | { readonly refused: string };

/** What rows are of a kind of account object. */
export interface RowKind<Row extends { readonly id: string }> {
  /** Throws a `Problem`, or an `Error` that says what is wrong. */
  read(row: Readonly<Record<string, unknown>>): Row;
  /** In one transaction, of rows with different ids; an outcome for each, in their order. */
  make(queries: Queries, rows: readonly Row[]): Promise<readonly RowOutcome[]>;
}

function readRow<Row extends { readonly id: string }>(given: FileRow, { read }: RowKind<Row>) {
  if ('fault' in given) return given;
  try {
    return { line: given.line, row: read(given.row) };
  } catch (error) {
    // A fault of ours is none of the row.
    if (!(error instanceof Problem) && (error as Error).name !== 'Error') throw error;
    return { line: given.line, fault: (error as Error).message };
  }
}

/** In the order of the rows. */
export async function importRows<Row extends { readonly id: string }>(
  rows: AsyncIterable<FileRow>,
  kind: RowKind<Row>,
  { pool, tenant, onRefused, onProgress }: ImportParts,
): Promise<ImportCounts> {
  const counts: ImportCounts = { made: 0, equal: 0, refused: 0 };
  const refuse = (line: number, why: string): void => {
    counts.refused += 1;
    onRefused(line, why);
  };
  let batch: { readonly line: number; readonly row: Row }[] = [];
  let ids = new Set<string>();
  const write = async (): Promise<void> => {
    if (batch.length === 0) return;
    const written = batch;
    batch = [];
    ids = new Set();
    const make = () =>
      inTransaction(
        pool,
        (client) =>
          kind.make(
            client,
            written.map(({ row }) => row),
          ),
        { settings: ofTenant(tenant) },
      );
    const patience = { isRetriable: isTransientPostgresError, signal: AbortSignal.timeout(PATIENCE_MS) };
    for (const [i, outcome] of (await retry(make, patience)).entries()) {
      if (typeof outcome === 'string') counts[outcome] += 1;
      else refuse(written[i]!.line, outcome.refused);
    }
    onProgress(counts);
  };
  for await (const given of rows) {
    const read = readRow(given, kind);
    if ('fault' in read) {
      refuse(read.line, read.fault);
      continue;
    }
    // The second of two rows with one id is compared with what the first made.
    if (ids.has(read.row.id)) await write();
    batch.push(read);
    ids.add(read.row.id);
    if (batch.length === BATCH_ROWS) await write();
  }
  await write();
  return counts;
}
