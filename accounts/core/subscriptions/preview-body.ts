// What is to be previewed: an act on a subscription that there is, or a new one, said as it would be said to do it.
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import { BodyFields, isObject } from '../body-fields.ts';
import { idField } from '../customer-body.ts';
import { type AskedAct, actNames, subscriptionActs } from './subscription-acts.ts';
import { readSubscriptionBody, type SubscriptionBody } from './subscription-body.ts';

/** `id`: of a subscription that there is, or by which one is to be made. */
export type AskedPreview =
  | { readonly id: string; readonly asked: AskedAct }
  | { readonly id: string; readonly body: SubscriptionBody };

/** Throws a `Problem` that names every fault. */
export function readPreviewBody(given: unknown, newest: Catalog): AskedPreview {
  if (isObject(given) && Object.hasOwn(given, 'subscription')) {
    const body = new BodyFields(given, ['subscription', ...actNames]);
    const id = body.required('subscription', idField);
    const acts = actNames.filter((name) => body.has(name));
    if (acts.length !== 1) body.refuse('subscription', `be followed by one of ${actNames.join(', ')}`);
    body.end();
    return { id: id!, asked: subscriptionActs[acts[0]!](given[acts[0]!], newest) };
  }
  const { id: named, ...said } = isObject(given) ? given : { id: undefined };
  const body = new BodyFields(isObject(given) ? { id: named } : given, ['id']);
  const id = body.required('id', idField);
  body.end();
  return { id: id!, body: readSubscriptionBody(said, newest) };
}
