// Makes customers of the rows of a file, many in a transaction. A row whose customer is there and equal changes
// nothing, so a file that was read in part is simply read again. What is there and different is refused: whoever
// imports has not seen it.
import type { Pool } from 'pg';
import { isCustomerOf } from '../../domain/accounts/customer.ts';
import { Problem } from '../../domain/problem.ts';
import type { Author } from '../../platform/account-store/account-changes.ts';
import {
  lockHierarchy,
  makeCustomers,
  parentFaults,
  readCustomersNamed,
} from '../../platform/account-store/customers.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { retry } from '../../platform/calls/retry.ts';
import { inTransaction } from '../../platform/postgres/pool.ts';
import { nameTenant } from '../../platform/postgres/tenant-fence.ts';
import { isTransientPostgresError } from '../../platform/postgres/transient.ts';
import { type CustomerRow, readCustomerRow } from '../core/customer-rows.ts';

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
  readonly vault: Vault;
  readonly author: Author;
  readonly onRefused: (line: number, why: string) => void;
  /** After each transaction. */
  readonly onProgress: (counts: Readonly<ImportCounts>) => void;
}

interface ReadRow extends CustomerRow {
  readonly line: number;
}

/** What became of each row of a batch, in its order: a text says why it was refused. */
type Outcome = 'made' | 'equal' | { readonly refused: string };

function importBatch({ pool, vault, author }: ImportParts, rows: readonly ReadRow[]): Promise<readonly Outcome[]> {
  const { tenant } = author;
  return inTransaction(pool, async (client) => {
    await nameTenant(client, tenant);
    if (rows.some(({ fields }) => fields.parent !== null)) await lockHierarchy(client, tenant, 'adding');
    const faults = await parentFaults(client, tenant, rows, { isNew: true });
    const made = await makeCustomers(
      client,
      vault,
      author,
      rows.filter(({ id }) => !faults.has(id)),
    );
    const others = rows.filter(({ id }) => !made.has(id));
    const ids = others.map(({ id }) => id);
    const there = ids.length === 0 ? new Map() : await readCustomersNamed(client, vault, tenant, ids);
    return rows.map(({ id, fields }): Outcome => {
      if (made.has(id)) return 'made';
      const customer = there.get(id);
      if (customer === undefined) return { refused: `parent must ${faults.get(id)!}` };
      if (isCustomerOf(customer, fields)) return 'equal';
      const what = customer.erasedAt === null ? 'is there already, and is not as this row says' : 'was erased';
      return { refused: `the customer ${what}` };
    });
  });
}

function readRow(given: FileRow): ReadRow | { readonly line: number; readonly fault: string } {
  if ('fault' in given) return given;
  try {
    return { line: given.line, ...readCustomerRow(given.row) };
  } catch (error) {
    // A fault of ours is none of the row.
    if (!(error instanceof Problem) && (error as Error).name !== 'Error') throw error;
    return { line: given.line, fault: (error as Error).message };
  }
}

/** In the order of the rows: whoever is named as a parent stands above, or is there. */
export async function importCustomers(rows: AsyncIterable<FileRow>, parts: ImportParts): Promise<ImportCounts> {
  const counts: ImportCounts = { made: 0, equal: 0, refused: 0 };
  const refuse = (line: number, why: string): void => {
    counts.refused += 1;
    parts.onRefused(line, why);
  };
  let batch: ReadRow[] = [];
  let ids = new Set<string>();
  const write = async (): Promise<void> => {
    if (batch.length === 0) return;
    const written = batch;
    batch = [];
    ids = new Set();
    const outcomes = await retry(() => importBatch(parts, written), {
      isRetriable: isTransientPostgresError,
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    for (const [i, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') counts[outcome] += 1;
      else refuse(written[i]!.line, outcome.refused);
    }
    parts.onProgress(counts);
  };
  for await (const given of rows) {
    const row = readRow(given);
    if ('fault' in row) {
      refuse(row.line, row.fault);
      continue;
    }
    // The second of two rows with one id is compared with what the first made.
    if (ids.has(row.id)) await write();
    batch.push(row);
    ids.add(row.id);
    if (batch.length === BATCH_ROWS) await write();
  }
  await write();
  return counts;
}
