// I5: the entries of every ledger transaction, per tenant and currency, and each line item against its own entries.
import type { Pool } from 'pg';
import { readLedgerFaults } from '../../../platform/billing-store/ledger-entries.ts';
import type { AuditLog } from '../discrepancy.ts';

/** `tenant` null: the ledgers of all. */
export async function auditLedger(pool: Pool, tenant: string | null, log: AuditLog): Promise<void> {
  const { transactions, items, unbalanced, misposted } = await readLedgerFaults(pool, tenant);
  log.held('I5', transactions - unbalanced.length);
  for (const { transactionId, sum } of unbalanced) log.compare('I5', `ledger transaction ${transactionId}`, '0', sum);
  log.held('I5', items - misposted.length);
  for (const { id, amount, receivable } of misposted) {
    log.compare('I5', `line item ${id}, receivable`, amount ?? 'no entries: there is no such line item', receivable);
  }
}
