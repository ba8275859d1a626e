// The acts that change a subscription, by name: how the body of each is read, and the record that it comes to. What is
// done and what is previewed is decided here alike.
import type { Catalog } from '../../../domain/catalog/catalog.ts';
import type { CatalogHistory } from '../../../domain/terms/catalog-history.ts';
import { type CustomerSubscription, historyOf } from '../../../domain/terms/customer-subscription.ts';
import type { SubscribingNow } from './subscribing.ts';
import { readCancelBody, readChangeBody, readPauseBody, readResumeBody, readUndoBody } from './subscription-body.ts';
import {
  type ChangingSubscription,
  cancelRecord,
  changeRecord,
  type DecidedRecord,
  pauseRecord,
  requireOpen,
  resumeRecord,
  undoRecord,
} from './subscription-changes.ts';

/** What a body asks for. */
export interface AskedAct {
  readonly reason: string | null;
  /** Throws a `Problem`. */
  decide(changing: ChangingSubscription): DecidedRecord;
}

/** Throws a `Problem` that names every fault of the body. */
type ReadAct = (body: unknown, newest: Catalog) => AskedAct;

const act =
  <Body extends { readonly reason: string | null }>(
    read: (body: unknown, newest: Catalog) => Body,
    decide: (body: Body, changing: ChangingSubscription) => DecidedRecord,
  ): ReadAct =>
  (given, newest) => {
    const body = read(given, newest);
    return { reason: body.reason, decide: (changing) => decide(body, changing) };
  };

export const subscriptionActs = {
  change: act(readChangeBody, changeRecord),
  cancel: act(readCancelBody, cancelRecord),
  pause: act(readPauseBody, pauseRecord),
  resume: act(readResumeBody, resumeRecord),
  undo: act(readUndoBody, undoRecord),
} as const satisfies Readonly<Record<string, ReadAct>>;

export type ActName = keyof typeof subscriptionActs;
export const actNames = Object.keys(subscriptionActs) as ActName[];

/** What is asked of a subscription that is there; null: nothing would change by it. Throws a `Problem`. */
export function decideAct(
  asked: AskedAct,
  stored: CustomerSubscription,
  catalog: CatalogHistory,
  situation: SubscribingNow,
): DecidedRecord {
  const changing = { stored, history: historyOf(stored), catalog, ...situation };
  requireOpen(changing);
  return asked.decide(changing);
}
