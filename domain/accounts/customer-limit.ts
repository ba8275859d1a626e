// What a key that is limited to one customer may speak of. Whoever answers such a key leaves out what is not its
// customer's, and refuses what can't be left out.
import { Problem } from '../problem.ts';

/** Of a key's customer: the subject of its name, which is whose it is until subjects are assigned. */
export const subjectsOfCustomer = (customer: string): readonly string[] => [customer];

export const outsideCustomer = (detail: string): Problem => new Problem('outside_customer', detail);
