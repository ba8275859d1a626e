// Who may still get something: a subject, a subscription.
import type { Customer } from '../../domain/accounts/customer.ts';
import { Problem } from '../../domain/problem.ts';

/** Throws a `Problem` where the customer is archived or was erased. */
export function requireActive({ archivedAt, erasedAt }: Pick<Customer, 'archivedAt' | 'erasedAt'>): void {
  if (erasedAt !== null) throw new Problem('customer_erased', 'The customer was erased.');
  if (archivedAt !== null) throw new Problem('customer_archived', 'The customer is archived.');
}
