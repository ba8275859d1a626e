// GET /v1/events/{id}, and GET /v1/events?id=: where an event is. GET /v1/events?from=: what came in a range of time.
//
//   unknown     no row of this tenant's event: never sent, or not yet counted (about a second after its 2xx)
//   accepted    counted once; copies with the same payload leave no row, copies with another are counted as `conflicts`
//   conflict    not counted: the key was taken by another payload. Met alone only where the accepted event is gone
//   too_late    not counted: older than the log's horizon when it came
//   rejected    not counted: the meters could not read it
//
// An accepted event stays accepted. A rejected one turns to accepted when it is sent again with its cause mended.

import { holdingsOf } from '../../domain/accounts/assignments.ts';
import { customerOf } from '../../domain/accounts/ownership.ts';
import { type DefinedCorrection, definedBy } from '../../domain/metering/corrections.ts';
import { metersByType } from '../../domain/metering/meter-reading.ts';
import { ruleSet } from '../../domain/metering/rule-set.ts';
import { fitsName } from '../../domain/name-text.ts';
import { itemNameOf, lineSlugOf } from '../../domain/pricing/matrix-cells.ts';
import { priceOfItem } from '../../domain/pricing/price-of-item.ts';
import { isUsagePrice, type UsagePrice } from '../../domain/pricing/prices.ts';
import { isOtherwise } from '../../domain/pricing/taken-usage.ts';
import { Problem, retryAfter } from '../../domain/problem.ts';
import { RecordsByCustomer } from '../../domain/rating/customer-records.ts';
import { conflict, nameText, parametersOf, readParameters } from '../../domain/requests/parameters.ts';
import { type ChunkCatalog, catalogVersionAt } from '../../domain/sealing/chunk-catalog.ts';
import type { ChunkPlace } from '../../domain/sealing/seals.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { readAssignedSubject } from '../../platform/account-store/subject-assignments.ts';
import { readSubscriptionsOfCustomers } from '../../platform/account-store/subscriptions.ts';
import { type LineItem, readLineItemsAcross } from '../../platform/billing-store/line-items.ts';
import { readCountedCorrections } from '../../platform/recount-store/chunk-revisions.ts';
import { readRefusalsOf } from '../../platform/refusals/refusal-store.ts';
import { type Counted, countedIn, isPriceOf, type UnreadBy } from '../core/counted-in.ts';
import { eventCursor, eventListParameters, parseEventsRequest } from '../core/event-page.ts';
import { namingSubjects } from '../core/named-subjects.ts';
import { FRESHNESS_AGE_MAX_MS } from '../query-limits.ts';
import type { QueryContext, Read } from '../read.ts';
import type { Catalogs } from '../stores/catalogs.ts';
import { usageDamaged } from '../stores/store-problems.ts';
import type { BillingReads } from '../stores/store-reads.ts';
import { eventTablesOf, readEventPage } from './event-list.ts';
import { type AcceptedRow, type EventName, readEventRows } from './event-store.ts';
import { refusedEvent } from './refusal-route.ts';

/** Chunks are sealed after about half a minute. */
const SEAL_WAIT_S = 30;

interface SealRow {
  readonly chunk: number;
  readonly catalog_version: number;
  readonly version_before: number;
  readonly catalog_changes: ChunkCatalog['changes'];
  readonly rule_set: number;
}

/** What the seal of the chunk that holds an offset says; null while the chunk is open. */
async function readChunkCatalog(
  pool: BillingReads,
  { generation, partition, offset }: AcceptedRow,
): Promise<(ChunkCatalog & { readonly chunk: number }) | null> {
  const { rows } = await pool.query<SealRow>(
    `SELECT seal.chunk, seal.catalog_version, coalesce(before.catalog_version, 0) AS version_before, seal.catalog_changes,
         seal.rule_set
       FROM tallyline.chunk_seals seal
       LEFT JOIN tallyline.chunk_seals before ON before.generation = seal.generation
         AND before.partition = seal.partition AND before.chunk = seal.chunk - 1
       WHERE seal.generation = $1 AND seal.partition = $2 AND seal.start_offset <= $3 AND seal.end_offset > $3
       LIMIT 1`,
    [generation, partition, offset],
  );
  const seal = rows[0];
  if (seal === undefined) return null;
  const { catalog_changes: changes } = seal;
  const versionBefore = changes.length === 0 ? seal.catalog_version : seal.version_before;
  return { chunk: seal.chunk, versionBefore, changes, ruleSet: seal.rule_set };
}

/** By which the events of a partition's open chunk are read. */
async function readOpenRuleSet(pool: BillingReads, { generation, partition }: AcceptedRow): Promise<number> {
  const { rows } = await pool.query<{ rule_set: number }>(
    `SELECT coalesce(
        (SELECT next_rule_set FROM tallyline.chunk_seals WHERE generation = $1 AND partition = $2 ORDER BY chunk DESC LIMIT 1),
        (SELECT first_rule_set FROM tallyline.topic_generations WHERE generation = $1)) AS rule_set`,
    [generation, partition],
  );
  return rows[0]!.rule_set;
}

/** The corrections that a chunk was recounted with, and the meters as their versions define them. */
async function readDefined(
  pool: BillingReads,
  catalogs: Catalogs,
  tenant: string,
  place: ChunkPlace,
): Promise<DefinedCorrection[]> {
  const defined: DefinedCorrection[] = [];
  for (const correction of await readCountedCorrections(pool, place)) {
    const meters = metersByType(await catalogs.at(tenant, correction.version));
    defined.push(definedBy(correction, () => meters));
  }
  return defined;
}

async function readCounted(
  pool: BillingReads,
  catalogs: Catalogs,
  tenant: string,
  row: AcceptedRow,
): Promise<ReturnType<typeof countedIn>> {
  const event = { ...row, tenant };
  const chunk = await readChunkCatalog(pool, row);
  if (chunk !== null) {
    const catalog = await catalogs.at(tenant, catalogVersionAt(chunk, Number(row.offset)));
    const corrections = await readDefined(pool, catalogs, tenant, { ...row, ...chunk });
    return countedIn(event, catalog, ruleSet(chunk.ruleSet), corrections);
  }
  // An open chunk does not say yet by which version it decides; most of the time there is only one in question.
  const { newest } = await catalogs.published(tenant);
  const rules = ruleSet(await readOpenRuleSet(pool, row));
  try {
    return countedIn(event, newest, rules, []);
  } catch (cause) {
    throw new Problem('not_ready', 'The catalog has just changed while this event was counted. Ask again.', {
      headers: retryAfter(SEAL_WAIT_S),
      cause,
    });
  }
}

/** Whether an item's price may take less than its groups say: what others leave. A subscription's own may be such. */
async function mayLeave(
  { catalogs }: QueryContext,
  { tenant, catalogVersion, plan, price: slug, windowStart }: LineItem,
): Promise<boolean> {
  if (catalogVersion === null) return true;
  const { plans } = await catalogs.at(tenant, catalogVersion);
  const price = priceOfItem(plans.find((each) => each.slug === plan)?.prices ?? [], slug, windowStart);
  // Of what a cell of a matrix names, a cell that names more takes its own.
  return price !== null && isUsagePrice(price) && (isOtherwise(price) || lineSlugOf(slug) !== slug);
}

/** By the records of a customer: the prices that take what was counted. */
async function readTakers({ pool, catalogs }: QueryContext, tenant: string, customer: string) {
  const catalog = await catalogs.published(tenant);
  const subscriptions = await readSubscriptionsOfCustomers(pool, [{ tenant, customer }]);
  const { terms } = new RecordsByCustomer({ of: () => catalog }, subscriptions).of({ tenant, customer });
  return ({ meter, groups, windowStart }: Counted): string[] =>
    terms
      .takersOf(meter, Object.fromEntries(groups), windowStart)
      .map(({ price }) => itemNameOf(price as UsagePrice, Object.fromEntries(groups)));
}

async function readLineItemIds(context: QueryContext, tenant: string, subject: string, counted: readonly Counted[]) {
  if (counted.length === 0) return [];
  const { pool } = context;
  const starts = counted.map(({ windowStart }) => windowStart);
  const meters = counted.map(({ meter }) => meter);
  const span = { from: Math.min(...starts), to: Math.max(...starts) };
  const assigned = await readAssignedSubject(pool, tenant, subject);
  const items = await readLineItemsAcross(pool, tenant, { holdings: holdingsOf(assigned), subject }, meters, span);
  const isOf = (item: LineItem, one: Counted): boolean =>
    isPriceOf(item, one) && item.customer === customerOf(assigned, one.windowStart, one.windowEnd - one.windowStart);
  const takers = new Map<string, (one: Counted) => string[]>();
  const ids: string[] = [];
  for (const item of items) {
    const of = counted.filter((one) => isOf(item, one));
    if (of.length === 0) continue;
    if (await mayLeave(context, item)) {
      const takersOf = takers.get(item.customer) ?? (await readTakers(context, tenant, item.customer));
      takers.set(item.customer, takersOf);
      if (!of.some((one) => takersOf(one).includes(item.price))) continue;
    }
    ids.push(item.id);
  }
  return ids;
}

async function describeAccepted(context: QueryContext, tenant: string, rows: readonly AcceptedRow[]) {
  const counted: Counted[] = [];
  const unread: UnreadBy[] = [];
  const lineItems = new Set<string>();
  for (const row of rows) {
    const ofRow = await readCounted(context.pool, context.catalogs, tenant, row);
    counted.push(...ofRow.counted);
    unread.push(...ofRow.unread);
    for (const id of await readLineItemIds(context, tenant, row.subject, ofRow.counted)) lineItems.add(id);
  }
  return {
    countedIn: counted.map(({ meter, windowStart, quantity }) => ({
      meter,
      windowStart: formatRfc3339(windowStart),
      quantity,
    })),
    unread,
    lineItems: [...lineItems],
  };
}

const source = nameText('The event\'s source; "" where it had none', { isOptional: true }).default('');

export const eventParameters = parametersOf({ source });
const eventByIdParameters = parametersOf({ id: nameText("The event's id"), source });
/** As the document has them: an id and a source, or a range. */
export const eventsParameters = parametersOf({
  id: nameText("The event's id: where it is, and nothing about others").optional(),
  source: nameText('The event\'s source, with id; "" where it had none', { isOptional: true }).default(''),
  ...eventListParameters.schema.shape,
  from: eventListParameters.schema.shape.from.optional(),
});

export const readEvent: Read = (context, { tenant, subjects, path, parameters }) => {
  const { source } = readParameters(eventParameters, parameters);
  if (path === '') throw new Problem('invalid_parameter', 'id: missing; ask for /v1/events/ID');
  if (!fitsName(path)) throw new Problem('invalid_parameter', 'id: longer than that of any event');
  return stateOf(context, { tenant, source, id: path }, subjects);
};

/** Ids that a path can't hold are a parameter: clients fold `.` and `..`. Without an id, a list. */
export const readEvents: Read = (context, asked) => {
  const { parameters } = asked;
  if (parameters.id === undefined) {
    if (parameters.source !== undefined) throw conflict('source', 'only with id');
    if (parameters.from === undefined) throw conflict('from', 'needed for a list of events; else an id');
    return listEvents(context, asked);
  }
  const ofLists = Object.keys(eventListParameters.schema.shape).find((name) => parameters[name] !== undefined);
  if (ofLists !== undefined) throw conflict(ofLists, 'of a list of events; leave it out, or id');
  return readEventById(context, asked);
};

const readEventById: Read = (context, { tenant, subjects, parameters }) => {
  const { id, source } = readParameters(eventByIdParameters, parameters);
  return stateOf(context, { tenant, source, id }, subjects);
};

/** What was moved aside at a start may hold rows of the events. */
async function requireWhole({ freshnessWithin }: QueryContext, tables: readonly string[]): Promise<void> {
  const { lost } = await freshnessWithin(FRESHNESS_AGE_MAX_MS);
  const mayHoldThem = lost.find(({ table }) => tables.includes(table));
  if (mayHoldThem !== undefined) throw usageDamaged(mayHoldThem);
}

const listEvents: Read = async (context, { tenant, subjects, parameters }) => {
  const request = parseEventsRequest(subjects === null ? parameters : namingSubjects(parameters, subjects));
  await requireWhole(context, eventTablesOf(request));
  const { events, end } = await readEventPage(context.clickhouse, tenant, request);
  return {
    data: events.map(({ id, source, type, subject, eventTime, receivedAt, state, code, reason }) => ({
      ...{ id, source, type, subject },
      time: formatRfc3339(eventTime),
      receivedAt: formatRfc3339(receivedAt),
      state,
      ...(state !== 'accepted' && { code, reason }),
    })),
    nextCursor: end === null ? null : eventCursor(request.selection, end),
  };
};

/** `subjects`: whose events may be told of; null: everybody's. */
async function stateOf(context: QueryContext, event: EventName, subjects: readonly string[] | null) {
  const { tenant } = event;
  const isTold = ({ subject }: { readonly subject: string | null }): boolean =>
    subjects === null || (subject !== null && subjects.includes(subject));
  const rows = await readEventRows(context.pool, context.clickhouse, event);
  const [accepted, rejected] = [rows.accepted.filter(isTold), rows.rejected.filter(isTold)];
  const first = accepted[0];
  if (first !== undefined) {
    return {
      state: 'accepted',
      receivedAt: formatRfc3339(first.receivedAt),
      ...(await describeAccepted(context, tenant, accepted)),
      conflicts: rejected.filter(({ reason }) => reason === 'conflict').length,
    };
  }
  const last = rejected.at(-1);
  if (last === undefined) {
    await requireWhole(context, ['usage_events', 'event_rejects']);
    const refused = (await readRefusalsOf(context.pool, event)).filter(isTold);
    if (refused.length === 0) return { state: 'unknown' };
    return { state: 'unknown', refused: refused.map((example) => ({ code: example.code, ...refusedEvent(example) })) };
  }
  return {
    state: last.reason === 'poison' ? 'rejected' : last.reason,
    receivedAt: formatRfc3339(last.receivedAt),
    countedIn: [],
    unread: [],
    lineItems: [],
    code: last.code,
    reason: last.message,
  };
}
