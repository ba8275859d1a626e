// The keys of customers as a whole: whether the installation has what opens them.
import type { Queries } from '../postgres/table-columns.ts';
import type { Vault } from './vault.ts';

/** Throws, saying what to do, where a customer's key was encrypted by none of the vault's. */
export async function assertKeysKnown(queries: Queries, vault: Vault): Promise<void> {
  const { rows } = await queries.query<{ wrappedBy: string }>(
    'SELECT wrapped_by AS "wrappedBy" FROM tallyline.customer_keys WHERE wrapped_by <> ALL($1::text[]) LIMIT 1',
    [vault.keyIds],
  );
  const [unknown] = rows;
  if (unknown === undefined) return;
  throw new Error(
    `customers are stored encrypted by the key ${unknown.wrappedBy}, which TALLYLINE_ACCOUNTS_KEY lacks (it has ` +
      `${vault.keyIds.join(', ')}): add the key that was set before, behind a comma`,
  );
}
