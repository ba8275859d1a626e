// POST /v1/subscriptions/preview: what an act on a subscription, or a new one, would charge when, as the rater would do
// it. Nothing is written. What is decided is decided as the act itself would decide it, so that it is refused alike.

import type { RatingCatalog } from '../../domain/rating/rating-catalog.ts';
import { invalidParameter, parametersOf, readParameters, time } from '../../domain/requests/parameters.ts';
import {
  type CustomerSubscription,
  grownBy,
  historyOf,
  type NewSubscription,
  type UnnumberedRecord,
} from '../../domain/terms/customer-subscription.ts';
import { billsFrom, saysFrom } from '../../domain/terms/record-rules.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readCustomer } from '../../platform/account-store/customers.ts';
import {
  readSubscriber,
  readSubscriptionsNamed,
  readSubscriptionsOfCustomers,
} from '../../platform/account-store/subscriptions.ts';
import { readClosingOf } from '../../platform/billing-store/rater-progress.ts';
import { type AccountAct, type AccountContext, type AccountRoute, listAnswer } from '../account-route.ts';
import { overlapsFrom, requireNoOverlap } from '../core/subscriptions/overlapping-prices.ts';
import { chargesAnswer } from '../core/subscriptions/preview-answer.ts';
import { type AskedPreview, readPreviewBody } from '../core/subscriptions/preview-body.ts';
import { newBasis, type PreviewBasis, previewHashOf } from '../core/subscriptions/previewed.ts';
import { newSubscriptionOf, requireSame, type SubscribingNow } from '../core/subscriptions/subscribing.ts';
import { decideAct } from '../core/subscriptions/subscription-acts.ts';
import { subscriptionAnswer } from '../core/subscriptions/subscription-answers.ts';
import { periodEndAt } from '../core/subscriptions/subscription-changes.ts';
import { unknownSubscription } from '../core/subscriptions/unknown-subscription.ts';
import { readPreviewedCharges } from '../preview-charges.ts';

/** What would be. */
interface Planned {
  readonly customer: string;
  /** All subscriptions of the customer. */
  readonly before: readonly CustomerSubscription[];
  readonly after: readonly CustomerSubscription[];
  readonly becomes: CustomerSubscription;
  /** What is added. */
  readonly records: readonly UnnumberedRecord[];
  readonly basis: PreviewBasis;
}

interface Planning extends SubscribingNow {
  readonly context: AccountContext;
  readonly tenant: string;
  readonly catalogs: RatingCatalog;
}

type AskedOf<Form extends string> = Extract<AskedPreview, Readonly<Record<Form, unknown>>>;

async function customerOf(preview: AskedPreview, { reads }: AccountContext, tenant: string): Promise<string> {
  if ('body' in preview) return preview.body.customer;
  const customer = await readSubscriber(reads, tenant, preview.id);
  if (customer === null) throw unknownSubscription(preview.id);
  return customer;
}

async function planAct({ id, asked }: AskedOf<'asked'>, customer: string, planning: Planning): Promise<Planned> {
  const { tenant, catalogs, now, ratedUpTo } = planning;
  const { reads } = planning.context;
  const before = await readSubscriptionsOfCustomers(reads, [{ tenant, customer }]);
  const stored = before.find(({ opening }) => opening.id === id)!;
  const record = decideAct(asked, stored, catalogs.history, { now, ratedUpTo });
  const records = record === null ? [] : [record];
  const becomes = record === null ? stored : grownBy(stored, records, now);
  const after = before.map((each) => (each === stored ? becomes : each));
  if (record !== null)
    requireNoOverlap(after.map(historyOf), catalogs.history, overlapsFrom(stored, record, ratedUpTo));
  const decided = { customer, subscription: id, decided: record };
  const basis = { tenant, ...decided, subscriptions: before, catalogVersion: catalogs.version };
  return { customer, before, after, becomes, records, basis };
}

const madeFrom = (tenant: string, { customer, opening, records }: NewSubscription, now: number) =>
  grownBy({ tenant, customer, opening, records: [], version: 0, createdAt: now, updatedAt: now }, records, now);

async function planNew({ id, body }: AskedOf<'body'>, planning: Planning): Promise<Planned> {
  const { tenant, catalogs, now, ratedUpTo } = planning;
  const { reads, vault } = planning.context;
  const { customer } = body;
  const wanted = { id, body, changes: [], condition: null };
  const before = await readSubscriptionsOfCustomers(reads, [{ tenant, customer }]);
  const known = await readCustomer(reads, vault, tenant, customer);
  const there = (await readSubscriptionsNamed(reads, tenant, [id])).get(id);
  if (there !== undefined) requireSame(there, wanted);
  const situation = { now, ratedUpTo };
  const made = newSubscriptionOf(wanted, known, before.length === 0, catalogs.newest, situation);
  const basis = newBasis(tenant, made, before, catalogs.version);
  if (there !== undefined) return { customer, before, after: before, becomes: there, records: [], basis };
  const becomes = madeFrom(tenant, made, now);
  const after = [...before, becomes];
  requireNoOverlap(after.map(historyOf), catalogs.history, made.opening.billedFrom);
  return { customer, before, after, becomes, records: made.records, basis };
}

/** To the end of the period in which it takes effect, with what is due just then. */
function untilOf({ becomes, before, records }: Planned, { catalogs, now }: Planning): number {
  const begins = Math.max(now, ...records.map(saysFrom));
  const known = before.find(({ opening }) => opening.id === becomes.opening.id);
  return Math.max(...[becomes, known ?? becomes].map((each) => periodEndAt(historyOf(each), catalogs.history, begins)));
}

const previewParameters = parametersOf({
  until: time('missing', 'Charges up to here. Left out: the end of the period in which it takes effect').optional(),
});

const previewSubscription: AccountAct = async (context, { author: { tenant }, parameters, body }) => {
  const { until: asked } = readParameters(previewParameters, parameters);
  const catalogs = await context.catalogs();
  const preview = readPreviewBody(body, catalogs.newest);
  const of = { tenant, customer: await customerOf(preview, context, tenant) };
  const { ratedUpTo, now } = await readClosingOf(context.reads, [of]);
  if (asked !== undefined && asked <= now)
    throw invalidParameter('until', `must lie behind now, ${formatRfc3339(now)}`);
  const planning = { context, tenant, catalogs, now, ratedUpTo };
  const planned = await ('asked' in preview ? planAct(preview, of.customer, planning) : planNew(preview, planning));
  const { customer, before, after, becomes, records, basis } = planned;
  const from = Math.min(
    now,
    ...records.map((record) => billsFrom(becomes.opening, record, { recordedAt: now, ratedUpTo })),
  );
  const charges = await readPreviewedCharges(context, catalogs, {
    ...{ customer: { tenant, customer }, before, after, from, now },
    until: asked ?? untilOf(planned, planning),
  });
  return listAnswer({
    ...{ customer, now: formatRfc3339(now), isChange: records.length > 0 },
    becomes: subscriptionAnswer(becomes, now),
    ...chargesAnswer(charges),
    previewHash: previewHashOf(now, basis),
  });
};

export const previewRoutes: readonly AccountRoute[] = [
  {
    ...{ method: 'POST', path: '/v1/subscriptions/preview', scope: 'read' },
    ...{ parameters: previewParameters, act: previewSubscription },
  },
];
