// Customers of the rows of a file. Whoever is named as a parent stands above, or is there.
import { isCustomerOf } from '../../domain/accounts/customer.ts';
import type { Author } from '../../platform/account-store/account-changes.ts';
import { lockHierarchy, parentFaults, readCustomersNamed } from '../../platform/account-store/customers.ts';
import { makeCustomers } from '../../platform/account-store/new-customers.ts';
import type { Vault } from '../../platform/account-store/vault.ts';
import { type CustomerRow, readCustomerRow } from '../core/customer-rows.ts';
import type { RowKind, RowOutcome } from './import-rows.ts';

export const importedCustomers = (author: Author, vault: Vault): RowKind<CustomerRow> => ({
  read: readCustomerRow,
  async make(queries, rows) {
    const { tenant } = author;
    if (rows.some(({ fields }) => fields.parent !== null)) await lockHierarchy(queries, tenant, 'adding');
    const faults = await parentFaults(queries, tenant, rows, { isNew: true });
    const made = await makeCustomers(
      queries,
      vault,
      author,
      rows.filter(({ id }) => !faults.has(id)),
    );
    const others = rows.filter(({ id }) => !made.has(id));
    const ids = others.map(({ id }) => id);
    const there = ids.length === 0 ? new Map() : await readCustomersNamed(queries, vault, tenant, ids);
    return rows.map(({ id, fields }): RowOutcome => {
      if (made.has(id)) return 'made';
      const customer = there.get(id);
      if (customer === undefined) return { refused: `parent must ${faults.get(id)!}` };
      if (isCustomerOf(customer, fields)) return 'equal';
      const what = customer.erasedAt === null ? 'is there already, and is not as this row says' : 'was erased';
      return { refused: `the customer ${what}` };
    });
  },
});
