// All customers of a tenant, as a file that `import customers` takes: in the order of their making, so that parents
// stand above. Those that were erased have nothing left to be made again from, and are left out.
import type { Pool } from 'pg';
import { csvLine } from '../../domain/csv-line.ts';
import { type CustomerSelection, readCustomers } from '../../platform/account-store/customers.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { cellsOf, customerRowOf, exportedColumns } from '../core/customer-rows.ts';
import type { RowFileFormat } from './row-file.ts';

const PAGE_ROWS = 1_000;

async function* customersOf(pool: Pool, vault: Vault, tenant: string) {
  const selection: CustomerSelection = { tenant, words: null, afterNumber: 0, rowsMax: PAGE_ROWS };
  for (let afterNumber = 0; ; ) {
    const page = await readCustomers(pool, vault, { ...selection, afterNumber });
    for (const { customer } of page) if (customer.erasedAt === null) yield customer;
    if (page.length < PAGE_ROWS) return;
    afterNumber = page.at(-1)!.number;
  }
}

async function* csvLines(pool: Pool, vault: Vault, tenant: string): AsyncGenerator<string> {
  // The columns stand in the first line, so all metadata are looked at before.
  const keys = new Set<string>();
  for await (const { personal } of customersOf(pool, vault, tenant)) {
    for (const key of Object.keys(personal?.metadata ?? {})) keys.add(key);
  }
  const columns = [...keys].sort();
  yield csvLine(exportedColumns(columns));
  for await (const customer of customersOf(pool, vault, tenant)) yield csvLine(cellsOf(customer, columns));
}

async function* ndjsonLines(pool: Pool, vault: Vault, tenant: string): AsyncGenerator<string> {
  for await (const customer of customersOf(pool, vault, tenant)) yield JSON.stringify(customerRowOf(customer));
}

/** Lines without their ends. */
export const exportedCustomers = (
  format: RowFileFormat,
  pool: Pool,
  vault: Vault,
  tenant: string,
): AsyncGenerator<string> => (format === 'csv' ? csvLines : ndjsonLines)(pool, vault, tenant);
