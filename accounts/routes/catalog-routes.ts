// The catalog that a tenant has: GET and PUT /v1/catalog, and what another one would change: POST /v1/catalog/diff.

import { appliesTos } from '../../domain/catalog/catalog.ts';
import { diffCatalogs } from '../../domain/catalog/catalog-diff.ts';
import { catalogForm } from '../../domain/catalog/catalog-form.ts';
import { inTheirPlaces, meterStarts } from '../../domain/catalog/meter-meaning.ts';
import { windowChoices } from '../../domain/catalog/window-choice.ts';
import { Problem } from '../../domain/problem.ts';
import { encodePlace, numberBehind } from '../../domain/requests/cursor.ts';
import {
  choice,
  flag,
  noParameters,
  pageCursor,
  parametersOf,
  readParameters,
  time,
  wholeNumber,
} from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readNow } from '../../platform/account-store/subject-assignments.ts';
import { readClosingUpTo } from '../../platform/billing-store/rater-progress.ts';
import { refusedByState } from '../../platform/catalog-publishing/refused-catalogs.ts';
import { overlapRefusals } from '../../platform/catalog-publishing/refused-overlaps.ts';
import {
  type ChangedAmounts,
  readChangedAmounts,
  readChangedCustomers,
  readPriceOverlaps,
  readUntakenUsage,
  totalAmounts,
} from '../../platform/charges/catalog-effects.ts';
import { type AccountAct, type AccountRoute, listAnswer } from '../account-route.ts';
import { timeOrNull } from '../core/account-answers.ts';
import { readCatalogBody } from '../core/catalog-body.ts';
import { readIfMatch } from '../core/request-headers.ts';
import { amountsAnswer } from '../core/subscriptions/preview-answer.ts';

const getCatalog: AccountAct = async ({ catalogs }, { parameters }) => {
  readParameters(noParameters, parameters);
  const { versions, newest } = await catalogs();
  const { version, effectiveAt } = versions.at(-1) ?? { version: 0, effectiveAt: null };
  const body = { version, effectiveAt: timeOrNull(effectiveAt), catalog: catalogForm(newest) };
  return { status: 200, version, body };
};

const putParameters = parametersOf({
  effectiveAt: time('an instant', 'From when on its prices hold; left out: from now on').optional(),
  appliesTo: choice(appliesTos, 'To the periods that run, or to the next one of each subscription').default('running'),
  rerate: flag('True: effectiveAt may lie before what was rated; that is rated again, by adjustments'),
});

const putCatalog: AccountAct = async ({ publish }, { author, parameters, body, ifMatch }) => {
  const { effectiveAt, appliesTo, rerate } = readParameters(putParameters, parameters);
  const follows = readIfMatch(ifMatch) ?? 'none';
  const { catalog, source } = readCatalogBody(body);
  const applied = await publish(catalog, source, {
    ...{ author, follows, appliesTo, rerate },
    ...(effectiveAt !== undefined && { effectiveAt }),
  });
  const { version, changes, starts } = applied;
  return {
    status: applied.isFirst ? 201 : 200,
    version,
    body: { version, effectiveAt: formatRfc3339(applied.effectiveAt), changes, starts },
  };
};

const diffParameters = parametersOf({
  limit: wholeNumber(2_000, 500, 'Subscriptions to look at, whose prices would change or not'),
  cursor: pageCursor('the same catalog'),
});

/** What a catalog changes in itself is told also while usage can't be asked for. */
async function unlessAway<Result>(read: () => Promise<Result>): Promise<Result | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Problem && error.code === 'store_unavailable') return null;
    throw error;
  }
}

const amountAnswer = (of: ChangedAmounts | undefined) =>
  of === undefined ? null : { until: formatRfc3339(of.until), ...amountsAnswer(of.before, of.after) };

/** It changes nothing, so it takes no Idempotency-Key. */
const diffCatalog: AccountAct = async ({ reads, usage, catalogs }, { author, parameters, body }) => {
  const { limit, cursor } = readParameters(diffParameters, parameters);
  const { versions } = await catalogs();
  const history = versions.map(({ catalog }) => catalog);
  const wanted = inTheirPlaces(history, readCatalogBody(body).catalog);
  const { changes, refusals } = diffCatalogs(history.at(-1) ?? null, wanted, history);
  const [now, closedUpTo] = [await readNow(reads), await readClosingUpTo(reads)];
  const of = { tenants: { tenant: author.tenant }, versions, catalog: wanted, now, closedUpTo };
  const byState = await refusedByState(reads, { ...of, usage });
  const afterNumber = numberBehind(cursor, wanted, 'catalog');
  const changed = await readChangedCustomers(reads, of, { afterNumber, subscriptionsMax: limit });
  const untaken = await unlessAway(() => readUntakenUsage(usage, of));
  const amounts = await unlessAway(() => readChangedAmounts(reads, usage, of, changed.customers));
  const total = totalAmounts(amounts ?? []);
  const amountsOf = new Map((amounts ?? []).map((each) => [each.customer, each]));
  const { inPlans, ofCustomers, isComplete } = await readPriceOverlaps(reads, of);
  return listAnswer({
    version: versions.at(-1)?.version ?? 0,
    changes,
    starts: meterStarts(history.at(-1) ?? null, wanted),
    refusals: [...refusals, ...byState, ...overlapRefusals(ofCustomers)],
    windows: windowChoices(wanted.meters, changes),
    unpriced: untaken && {
      since: formatRfc3339(untaken.since),
      groups: untaken.groups.map(({ firstSeen, lastSeen, ...group }) => ({
        ...group,
        ...{ firstSeen: formatRfc3339(firstSeen), lastSeen: formatRfc3339(lastSeen) },
      })),
      isComplete: untaken.isComplete,
    },
    customers: {
      lookedAt: changed.lookedAt,
      total: amounts && {
        currency: wanted.currency,
        ...amountsAnswer(total.before, total.after),
        isComplete: changed.customers.every(({ customer }) => amountsOf.has(customer)),
      },
      changed: changed.customers.map(({ customer, prices }) => ({
        customer,
        amount: amountAnswer(amountsOf.get(customer)),
        prices: prices.map(({ from, period, ...price }) => ({
          ...{ ...price, from: formatRfc3339(from) },
          ...{ periodStart: formatRfc3339(period.start), periodEnd: formatRfc3339(period.end) },
        })),
      })),
      nextCursor: changed.last === null ? null : encodePlace(wanted, [changed.last]),
    },
    overlaps: {
      inPlans,
      ofCustomers: ofCustomers.map(({ customer, one, other, from }) => ({
        ...{ customer, from: formatRfc3339(from), prices: [one, other] },
      })),
      isComplete,
    },
  });
};

export const catalogRoutes: readonly AccountRoute[] = [
  { method: 'GET', path: '/v1/catalog', scope: 'manage', parameters: noParameters, act: getCatalog },
  {
    ...{ method: 'PUT', path: '/v1/catalog', scope: 'manage', parameters: putParameters, act: putCatalog },
    takesYaml: true,
  },
  {
    ...{ method: 'POST', path: '/v1/catalog/diff', scope: 'manage', parameters: diffParameters, act: diffCatalog },
    takesYaml: true,
  },
];
