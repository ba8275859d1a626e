// Subscriptions: made, read, listed, and changed by acts of which each is one record.

import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { encodePlace, numberBehind, pageOf } from '../../domain/requests/cursor.ts';
import {
  anyText,
  noParameters,
  pageCursor,
  parametersOf,
  readParameters,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import { type CustomerSubscription, historyOf } from '../../domain/terms/customer-subscription.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import type { AccountAnswer } from '../../platform/account-store/idempotent-answers.ts';
import { readNow } from '../../platform/account-store/subject-assignments.ts';
import {
  appendRecord,
  readSubscriber,
  readSubscriptions,
  readSubscriptionsOfCustomers,
} from '../../platform/account-store/subscriptions.ts';
import {
  type AccountAct,
  type AccountRequest,
  type AccountRoute,
  type AccountTransaction,
  doneOnce,
  listAnswer,
} from '../account-route.ts';
import { readPathId } from '../core/account-ids.ts';
import { meets, readIfMatch, versionMismatch } from '../core/request-headers.ts';
import { overlapsFrom, requireNoOverlap } from '../core/subscriptions/overlapping-prices.ts';
import { asPreviewed, requirePreviewed, withoutPreview } from '../core/subscriptions/previewed.ts';
import { type ActName, actNames, decideAct, subscriptionActs } from '../core/subscriptions/subscription-acts.ts';
import { subscriptionAnswer, termsAnswer } from '../core/subscriptions/subscription-answers.ts';
import { readSubscriptionBody } from '../core/subscriptions/subscription-body.ts';
import { unknownSubscription } from '../core/subscriptions/unknown-subscription.ts';
import { lockForChange, overlapHistories, subscribeCustomers } from '../subscribe-customers.ts';

const SUBSCRIPTIONS_DEFAULT = 100;
const SUBSCRIPTIONS_MAX = 1_000;

const answerOf = (subscription: CustomerSubscription, now: number, status = 200): AccountAnswer => ({
  status,
  version: subscription.version,
  body: subscriptionAnswer(subscription, now),
});

const putSubscription: AccountAct = async ({ catalogs: readCatalogs, change }, { author, ...request }) => {
  readParameters(noParameters, request.parameters);
  const id = readPathId('id', request.path.id!);
  const condition = readIfMatch(request.ifMatch);
  const catalogs = await readCatalogs();
  const { body: said, previewed } = withoutPreview(request.body);
  const body = readSubscriptionBody(said, catalogs.newest);
  const wanted = { id, body, changes: [], condition };
  return change(async (transaction) => {
    const { outcomes, now } = await subscribeCustomers(transaction, author, [wanted], catalogs, previewed);
    const [outcome] = outcomes;
    if (outcome!.is === 'refused') throw outcome!.problem;
    const { is, subscription } = outcome!;
    if (is === 'made') transaction.changed('subscription');
    return answerOf(subscription, now, is === 'made' ? 201 : 200);
  });
};

const getSubscription: AccountAct = async ({ reads, catalogs }, { author: { tenant }, path, parameters }) => {
  readParameters(noParameters, parameters);
  const id = readPathId('id', path.id!);
  const customer = await readSubscriber(reads, tenant, id);
  if (customer === null) throw unknownSubscription(id);
  const all = await readSubscriptionsOfCustomers(reads, [{ tenant, customer }]);
  const subscription = all.find(({ opening }) => opening.id === id)!;
  const { history: catalog } = await catalogs();
  const terms = new CustomerTerms({ catalog, subscriptions: all.map(historyOf) });
  const { status, version, body } = answerOf(subscription, await readNow(reads));
  return { status, version, body: { ...(body as object), terms: termsAnswer(terms, id) } };
};

const subscriptionsParameters = parametersOf({
  customer: anyText('Only those of this customer').optional(),
  limit: wholeNumber(SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_DEFAULT, 'Subscriptions in an answer'),
  cursor: pageCursor('the same customer'),
});

const listSubscriptions: AccountAct = async ({ reads }, { author: { tenant }, parameters }) => {
  const { customer = null, limit, cursor } = readParameters(subscriptionsParameters, parameters);
  const afterNumber = numberBehind(cursor, customer, 'customer');
  const selection = { tenants: { tenant }, customer, afterNumber, rowsMax: limit + 1 };
  const found = await readSubscriptions(reads, selection);
  const now = await readNow(reads);
  const { page, last } = pageOf(found, limit);
  return listAnswer({
    data: page.map(({ subscription }) => subscriptionAnswer(subscription, now)),
    nextCursor: last === undefined ? null : encodePlace(customer, [last.number]),
  });
};

/** A POST that adds a record to a subscription, once. */
const act = (name: ActName): AccountRoute => {
  const path = `/v1/subscriptions/{id}/${name}`;
  return {
    ...{ method: 'POST', path, scope: 'manage', parameters: noParameters },
    act: async (context, request) => {
      // Before the transaction: within it, each would hold a connection and wait for another one.
      const catalogs = await context.catalogs();
      return doneOnce(path, (transaction) => change(transaction, request, catalogs))(context, request);
    },
  };

  async function change(
    transaction: AccountTransaction,
    request: AccountRequest,
    catalogs: RatingCatalog,
  ): Promise<AccountAnswer> {
    readParameters(noParameters, request.parameters);
    const id = readPathId('id', request.path.id!);
    const condition = readIfMatch(request.ifMatch);
    const { body, previewed } = withoutPreview(request.body);
    const asked = subscriptionActs[name](body, catalogs.newest);
    const { author } = request;
    const { tenant } = author;
    const histories = await overlapHistories(transaction, tenant, catalogs);
    const customer = await readSubscriber(transaction, tenant, id);
    if (customer === null) throw unknownSubscription(id);
    const situation = await lockForChange(transaction, tenant, [customer]);
    const all = await readSubscriptionsOfCustomers(transaction, [{ tenant, customer }]);
    const stored = all.find(({ opening }) => opening.id === id)!;
    if (condition !== null && !meets(condition, stored.version))
      throw versionMismatch('The subscription was changed since.', stored.version);
    const record = decideAct(asked, stored, catalogs.history, asPreviewed(previewed, situation));
    requirePreviewed(previewed, {
      ...{ tenant, customer, subscription: id, decided: record, subscriptions: all },
      catalogVersion: catalogs.version,
    });
    if (record === null) return answerOf(stored, situation.now);
    const { now, ratedUpTo } = situation;
    const changed = await appendRecord(transaction, author, stored, record, { now, reason: asked.reason });
    const subscriptions = all.map((each) => historyOf(each === stored ? changed : each));
    for (const history of histories) requireNoOverlap(subscriptions, history, overlapsFrom(stored, record, ratedUpTo));
    transaction.changed('subscription');
    return answerOf(changed, Math.max(now, changed.updatedAt));
  }
};

export const subscriptionRoutes: readonly AccountRoute[] = [
  { method: 'PUT', path: '/v1/subscriptions/{id}', scope: 'manage', parameters: noParameters, act: putSubscription },
  { method: 'GET', path: '/v1/subscriptions/{id}', scope: 'read', parameters: noParameters, act: getSubscription },
  {
    ...{ method: 'GET', path: '/v1/subscriptions', scope: 'read' },
    ...{ parameters: subscriptionsParameters, act: listSubscriptions },
  },
  ...actNames.map(act),
];
