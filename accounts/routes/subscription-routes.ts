// Subscriptions: made, read, listed, and changed by acts of which each is one record.

import { canonicalJson } from '../../domain/json/canonical-json.ts';
import { Problem } from '../../domain/problem.ts';
import { encodePlace, numberBehind, pageOf } from '../../domain/requests/cursor.ts';
import {
  anyText,
  noParameters,
  pageCursor,
  parametersOf,
  readParameters,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import type { CustomerSubscription, MadeSubscription } from '../../domain/terms/customer-subscription.ts';
import { priceOverlap } from '../../domain/terms/overlaps.ts';
import { CustomerTerms } from '../../domain/terms/price-terms.ts';
import { SubscriptionHistory } from '../../domain/terms/subscription-history.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { lockCustomer } from '../../platform/account-store/customers.ts';
import type { AccountAnswer } from '../../platform/account-store/idempotent-answers.ts';
import { readNow } from '../../platform/account-store/subject-assignments.ts';
import {
  appendRecord,
  lockSubscribing,
  makeSubscription,
  readSubscriber,
  readSubscription,
  readSubscriptions,
  readSubscriptionsOfCustomers,
} from '../../platform/account-store/subscriptions.ts';
import { readProgress } from '../../platform/billing-store/rater-progress.ts';
import {
  type AccountAct,
  type AccountContext,
  type AccountRequest,
  type AccountRoute,
  type AccountTransaction,
  doneOnce,
  listAnswer,
} from '../account-route.ts';
import type { CatalogNow } from '../catalog-now.ts';
import { readPathId } from '../core/account-ids.ts';
import { requireActive } from '../core/active-customer.ts';
import { invalidField, invalidFields } from '../core/body-fields.ts';
import { meets, readIfMatch, versionMismatch } from '../core/request-headers.ts';
import { openingOf } from '../core/subscribing.ts';
import { subscriptionAnswer, termsAnswer } from '../core/subscription-answers.ts';
import {
  readCancelBody,
  readChangeBody,
  readPauseBody,
  readResumeBody,
  readSubscriptionBody,
  readUndoBody,
  type SubscriptionBody,
} from '../core/subscription-body.ts';
import {
  type ChangingSubscription,
  cancelRecord,
  changeRecord,
  type DecidedRecord,
  pauseRecord,
  requireOpen,
  resumeRecord,
  undoRecord,
} from '../core/subscription-changes.ts';

const SUBSCRIPTIONS_DEFAULT = 100;
const SUBSCRIPTIONS_MAX = 1_000;
/** Of phases with prices with tiers. */
const MADE_FROM_DEPTH_MAX = 16;

const answerOf = (subscription: CustomerSubscription, now: number, status = 200): AccountAnswer => ({
  status,
  version: subscription.version,
  body: subscriptionAnswer(subscription, now),
});

const unknownSubscription = (id: string): Problem =>
  new Problem('unknown_subscription', `There is no subscription ${JSON.stringify(id.slice(0, 64))}.`);

const historyOf = ({ opening, records }: CustomerSubscription): SubscriptionHistory =>
  new SubscriptionHistory(opening, records);

/** Throws a `Problem` where one of them would price what another of the customer prices. */
function requireNoOverlap(
  changed: CustomerSubscription,
  others: readonly CustomerSubscription[],
  { history: catalog }: CatalogNow,
  after: number,
): void {
  const subscriptions = [...others, changed].map(historyOf);
  const overlap = priceOverlap(new CustomerTerms({ catalog, subscriptions }), after);
  if (overlap === null) return;
  const { one, other, from } = overlap;
  throw new Problem(
    'overlapping_prices',
    `From ${formatRfc3339(from)} on price ${one.price} of subscription ${one.subscription} and price ${other.price} of ` +
      `subscription ${other.subscription} would both charge the same usage.`,
    { members: { overlap: { from: formatRfc3339(from), prices: [one, other] } } },
  );
}

/** Under the lock of the customer's subscriptions. */
async function readSituation(transaction: AccountTransaction) {
  const { closedUpTo } = await readProgress(transaction);
  return { now: await readNow(transaction), ratedUpTo: closedUpTo };
}

/** The same again is answered with what is there; anything else is another subscription. */
function putExisting(existing: MadeSubscription, madeFrom: unknown, now: number): AccountAnswer {
  if (canonicalJson(existing.madeFrom, MADE_FROM_DEPTH_MAX) === canonicalJson(madeFrom, MADE_FROM_DEPTH_MAX))
    return answerOf(existing, now);
  throw versionMismatch(
    'The subscription is there and was made from another body. What is there is changed by POST, or ended by it.',
    existing.version,
  );
}

async function make(
  transaction: AccountTransaction,
  { vault }: AccountContext,
  { author }: AccountRequest,
  id: string,
  body: SubscriptionBody,
  catalogs: CatalogNow,
): Promise<AccountAnswer> {
  const { tenant } = author;
  const { reason, ...said } = body;
  // As it is stored.
  const madeFrom = JSON.parse(JSON.stringify(said)) as unknown;
  const locked = await lockCustomer(transaction, vault, tenant, body.customer);
  if (locked === null) throw invalidFields([invalidField('customer', 'be a customer that there is')]);
  const { customer } = locked;
  await lockSubscribing(transaction, tenant, body.customer);
  const existing = await readSubscription(transaction, tenant, id);
  const situation = await readSituation(transaction);
  if (existing !== null) return putExisting(existing, madeFrom, situation.now);
  requireActive(customer);
  const others = await readSubscriptionsOfCustomers(transaction, [{ tenant, customer: body.customer }]);
  const { timezone, currency } = customer;
  const of = { timezone, currency, isFirst: others.length === 0 };
  const { opening, first } = openingOf(id, body, of, catalogs.newest, situation);
  const wanted = { customer: body.customer, opening, first, madeFrom, reason };
  const made = await makeSubscription(transaction, author, wanted, situation.now);
  if (made === null) {
    // Another request has made it since, of another customer.
    const other = await readSubscription(transaction, tenant, id);
    return putExisting(other!, madeFrom, situation.now);
  }
  requireNoOverlap(made, others, catalogs, Math.max(opening.billedFrom, situation.ratedUpTo ?? opening.billedFrom));
  transaction.changed('subscription');
  return answerOf(made, situation.now, 201);
}

const putSubscription: AccountAct = async (context, request) => {
  readParameters(noParameters, request.parameters);
  const id = readPathId('id', request.path.id!);
  const condition = readIfMatch(request.ifMatch);
  const catalogs = await context.catalogs();
  const body = readSubscriptionBody(request.body, catalogs.newest);
  return context.change(async (transaction) => {
    if (condition !== null) {
      const existing = await readSubscription(transaction, request.author.tenant, id);
      if (existing === null) throw versionMismatch('There is no such subscription.', 0);
      if (!meets(condition, existing.version))
        throw versionMismatch('The subscription was changed since.', existing.version);
    }
    return make(transaction, context, request, id, body, catalogs);
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
  const selection = { tenant, customer, afterNumber: numberBehind(cursor, customer, 'customer'), rowsMax: limit + 1 };
  const found = await readSubscriptions(reads, selection);
  const now = await readNow(reads);
  const { page, last } = pageOf(found, limit);
  return listAnswer({
    data: page.map(({ subscription }) => subscriptionAnswer(subscription, now)),
    nextCursor: last === undefined ? null : encodePlace(customer, [last.number]),
  });
};

interface SubscriptionAct<Body> {
  readonly name: string;
  read(body: unknown, catalogs: CatalogNow): Body & { readonly reason: string | null };
  decide(body: Body, changing: ChangingSubscription): DecidedRecord;
}

/** A POST that adds a record to a subscription, once. */
const act = <Body>({ name, read, decide }: SubscriptionAct<Body>): AccountRoute => {
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
    catalogs: CatalogNow,
  ): Promise<AccountAnswer> {
    readParameters(noParameters, request.parameters);
    const id = readPathId('id', request.path.id!);
    const condition = readIfMatch(request.ifMatch);
    const body = read(request.body, catalogs);
    const { author } = request;
    const { tenant } = author;
    const customer = await readSubscriber(transaction, tenant, id);
    if (customer === null) throw unknownSubscription(id);
    await lockSubscribing(transaction, tenant, customer);
    const all = await readSubscriptionsOfCustomers(transaction, [{ tenant, customer }]);
    const stored = all.find(({ opening }) => opening.id === id)!;
    if (condition !== null && !meets(condition, stored.version))
      throw versionMismatch('The subscription was changed since.', stored.version);
    const situation = await readSituation(transaction);
    const changing = { stored, history: historyOf(stored), catalog: catalogs.history, ...situation };
    requireOpen(changing);
    const record = decide(body, changing);
    if (record === null) return answerOf(stored, situation.now);
    const { now, ratedUpTo } = situation;
    const changed = await appendRecord(transaction, author, stored, record, { now, reason: body.reason });
    const others = all.filter((each) => each !== stored);
    requireNoOverlap(changed, others, catalogs, ratedUpTo ?? stored.opening.billedFrom);
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
  act({ name: 'change', read: (body, { newest }) => readChangeBody(body, newest), decide: changeRecord }),
  act({ name: 'cancel', read: readCancelBody, decide: cancelRecord }),
  act({ name: 'pause', read: readPauseBody, decide: pauseRecord }),
  act({ name: 'resume', read: readResumeBody, decide: resumeRecord }),
  act({ name: 'undo', read: readUndoBody, decide: undoRecord }),
];
