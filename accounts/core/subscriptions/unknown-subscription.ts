// The 404 of a subscription that there is not.
import { Problem } from '../../../domain/problem.ts';

const SHOWN_LENGTH_MAX = 64;

export const unknownSubscription = (id: string): Problem =>
  new Problem('unknown_subscription', `There is no subscription ${JSON.stringify(id.slice(0, SHOWN_LENGTH_MAX))}.`);
