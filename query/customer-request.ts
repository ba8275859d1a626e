// A read as a key asks for it that is limited to a customer: of no other subject, or not at all.
import { outsideCustomer } from '../domain/accounts/customer-limit.ts';
import { namingSubjects } from './core/named-subjects.ts';
import type { ReadRequest, ToCustomers } from './read.ts';

export function requestOfCustomer(
  asked: ReadRequest,
  subjects: readonly string[],
  toCustomers: ToCustomers | undefined,
): ReadRequest {
  switch (toCustomers) {
    case 'all':
      return asked;
    case 'named':
      return { ...asked, subjects, parameters: namingSubjects(asked.parameters, subjects) };
    case 'own':
      return { ...asked, subjects };
    case undefined:
      throw outsideCustomer('This API key is limited to one customer, and this is not.');
  }
}
