// GET /v1/unpriced: closed usage that no price of its customer takes (P3), by meter and group values.
//
// Group values are looked at in order, some at a time, until a page is full or enough was looked at: nearly all of them
// are priced. So an answer may have fewer rows than asked for, and a cursor all the same.
import { closedBefore } from '../../domain/billing/item-span.ts';
import { formatQuantity } from '../../domain/number/quantity.ts';
import { Problem } from '../../domain/problem.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readAssignmentsAround } from '../../platform/account-store/subject-assignments.ts';
import { readSubscriptionsOfCustomers } from '../../platform/account-store/subscriptions.ts';
import { storedUsageReads } from '../../platform/charges/stored-usage-reads.ts';
import { readUnpricedUsage, type UnpricedGroup, type UnpricedReads } from '../../platform/charges/unpriced-usage.ts';
import { type GroupOfMeter, readGroupPage, streamGroupSubjects } from '../../platform/usage-store/group-subjects.ts';
import { readSeals } from '../../platform/usage-store/seals.ts';
import { type GroupPlace, parseUnpricedRequest, unpricedCursor } from '../core/unpriced-page.ts';
import type { QueryContext, Read } from '../read.ts';

/** Group values that are looked at together, and for one answer. */
const GROUPS_AT_ONCE = 200;
const GROUPS_LOOKED_AT_MAX = 2_000;

const readsOf = ({ pool, clickhouse }: QueryContext): UnpricedReads => ({
  ...storedUsageReads(clickhouse),
  streamGroupSubjects: (selection) => streamGroupSubjects(clickhouse, selection),
  readAssignmentsAround: (names) => readAssignmentsAround(pool, names),
  readSubscriptions: (customers) => readSubscriptionsOfCustomers(pool, customers),
});

export const listUnpriced: Read = async (context, { tenant, parameters }) => {
  const { pool, clickhouse, catalogs, allowedLatenessMs } = context;
  const { from, to, meter, limit, after } = parseUnpricedRequest(parameters, context.clock());
  const catalog = await catalogs.published(tenant);
  if (meter !== null && !catalog.meters.has(meter))
    throw new Problem('unknown_meter', `There is no meter ${JSON.stringify(meter)}.`);
  const seals = await readSeals(pool);
  const closedUpTo = seals.watermark === null ? null : seals.watermark - allowedLatenessMs;
  const meters = [...catalog.meters.values()].filter(({ slug }) => meter === null || slug === meter);
  const found: UnpricedGroup[] = [];
  let place: GroupPlace | null = after;
  let isMore = closedUpTo !== null && meters.length > 0;
  for (let lookedAt = 0; isMore && lookedAt < GROUPS_LOOKED_AT_MAX && found.length < limit; ) {
    const end = Math.min(to, Math.max(...meters.map((each) => closedBefore(each, closedUpTo!))));
    const range = { tenant, from, to: end };
    const groups: GroupOfMeter[] = await readGroupPage(clickhouse, {
      ...{ ...range, meters: meters.map(({ slug }) => slug), after: place, groupsMax: GROUPS_AT_ONCE },
    });
    lookedAt += groups.length;
    isMore = groups.length === GROUPS_AT_ONCE;
    place = groups.at(-1) ?? place;
    const basis = { seals, closedUpTo: closedUpTo! };
    if (groups.length > 0)
      found.push(...(await readUnpricedUsage(readsOf(context), catalog, basis, { ...range, groups })));
  }
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1)! : isMore ? place : null;
  return {
    from: formatRfc3339(from),
    to: formatRfc3339(to),
    closedUpTo: closedUpTo === null ? null : formatRfc3339(closedUpTo),
    data: page.map(({ groups, quantity, subjects, firstSeen, lastSeen, meter: slug }) => ({
      ...{ meter: slug, groups, quantity: formatQuantity(quantity), subjects },
      ...{ firstSeen: formatRfc3339(firstSeen), lastSeen: formatRfc3339(lastSeen) },
    })),
    nextCursor: last === null ? null : unpricedCursor(parameters, to, last),
  };
};
