// A read as a key asks for it that is limited to a customer: of no other subject, or not at all.
import { outsideCustomer } from '../domain/accounts/customer-limit.ts';
import type { QueryParameters } from '../domain/requests/parameters.ts';
import { namingSubjects } from './core/named-subjects.ts';
import type { ReadRequest, ToCustomers } from './read.ts';

/** With the customer in the parameter `customer`, and none but its subjects in `subject`. */
function namingCustomer({ customer, parameters }: ReadRequest, subjects: readonly string[]): QueryParameters {
  if (parameters.customer !== undefined && parameters.customer !== customer) {
    throw outsideCustomer('customer: this API key is limited to another customer');
  }
  const named = parameters.subject === undefined ? parameters : namingSubjects(parameters, subjects);
  return { ...named, customer: customer! };
}

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
    case 'billed':
      return { ...asked, subjects, parameters: namingCustomer(asked, subjects) };
    case 'own':
      return { ...asked, subjects };
    case undefined:
      throw outsideCustomer('This API key is limited to one customer, and this is not.');
  }
}
