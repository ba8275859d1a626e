// The parameter `subject` of a read, where the key is limited to some subjects.
import { outsideCustomer } from '../../domain/accounts/customer-limit.ts';
import type { QueryParameters } from '../../domain/requests/parameters.ts';

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
