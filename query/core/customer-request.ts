// A read as a key asks for it that is limited to a customer: of no other subject, or not at all.

import { outsideCustomer } from '../../domain/accounts/customer-limit.ts';
import type { QueryParameters } from '../../domain/requests/parameters.ts';
import type { ReadRequest, ToCustomers } from '../read.ts';

/**
 * With the parameter `subject` naming none but these subjects; where it named none, it names them all. Throws a
 * `Problem` where it names another.
 */
export function namingSubjects(parameters: QueryParameters, subjects: readonly string[]): QueryParameters {
  const named = [parameters.subject ?? []].flat();
  if (named.some((subject) => !subjects.includes(subject))) {
    throw outsideCustomer('subject: this API key is limited to another customer');
  }
  if (named.length > 0) return parameters;
  return { ...parameters, subject: subjects.length === 1 ? subjects[0]! : subjects };
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
    case 'own':
      return { ...asked, subjects };
    case undefined:
      throw outsideCustomer('This API key is limited to one customer, and this is not.');
  }
}
