// What a batch does for a customer that is its own subject.
import type { CustomerWork } from '../../domain/rating/customer-work.ts';

export const ownWork = (tenant: string, customer: string, times: readonly number[]): CustomerWork => ({
  ...{ tenant, customer, subjects: [{ subject: customer, assignments: [] }] },
  windows: new Map([[customer, new Set(times)]]),
  dueFrom: null,
});
