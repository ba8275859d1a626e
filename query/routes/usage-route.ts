// GET /v1/meters and GET /v1/meters/{meter}/usage: as one JSON document, or as a stream of rows.

import type { Meter } from '../../domain/catalog/catalog.ts';
import { acrossOf, itemWidthOf } from '../../domain/metering/meter.ts';
import { quantityToDecimal } from '../../domain/number/quantity.ts';
import { Problem } from '../../domain/problem.ts';
import { conflict, noParameters, readParameters } from '../../domain/requests/parameters.ts';
import { formatRfc3339 } from '../../domain/time/rfc3339.ts';
import { isClosed } from '../../domain/time/time-window.ts';
import { mayLackTotals, mayLackUsage } from '../../platform/clickhouse/lost-parts.ts';
import { readTopUsage } from '../../platform/usage-store/top-usage.ts';
import {
  readFirstWindows,
  readUsage,
  streamUsage,
  type UsageRow,
  type UsageSelection,
} from '../../platform/usage-store/usage-query.ts';
import { bucketOf } from '../core/buckets.ts';
import { withEmptyBuckets } from '../core/empty-buckets.ts';
import { csvLines, jsonLines } from '../core/row-lines.ts';
import { parseUsageRequest, USAGE_ROWS_MAX, type UsageRequest, usageCursor } from '../core/usage-request.ts';
import { FRESHNESS_AGE_MAX_MS } from '../query-limits.ts';
import { instantOrNull, type QueryContext, type Read, type ReadRequest, type StreamedRead } from '../read.ts';
import { type Freshness, lagSeconds } from '../stores/freshness.ts';
import { usageDamaged } from '../stores/store-problems.ts';

export const listMeters: Read = async ({ catalogs }, { tenant, parameters }) => {
  readParameters(noParameters, parameters);
  const { newest } = await catalogs.published(tenant);
  return {
    data: newest.meters.map((meter) => ({
      meter: meter.slug,
      eventType: meter.eventType,
      aggregation: meter.aggregation,
      dimensions: meter.dimensions.map((dimension) => dimension.name),
      window: meter.window,
      lineItems: itemWidthOf(meter),
      across: acrossOf(meter),
    })),
  };
};

/** As published, or as last defined where it was removed: its usage stays readable. */
async function meterOf({ catalogs }: QueryContext, tenant: string, slug: string): Promise<Meter> {
  const meter = (await catalogs.published(tenant)).meters.get(slug);
  if (meter === undefined) {
    throw new Problem('unknown_meter', `No meter ${JSON.stringify(slug.slice(0, 64))}; GET /v1/meters names them all.`);
  }
  return meter;
}

/** What a request is about, and how complete its answer will be. */
interface Asked {
  readonly meter: Meter;
  readonly request: UsageRequest;
  readonly selection: UsageSelection;
  readonly freshness: Freshness;
  readonly now: number;
  readonly allowedLatenessMs: number;
}

/** Throws a `Problem` for what can't be answered. */
async function readAsked(context: QueryContext, { tenant, path, parameters }: ReadRequest): Promise<Asked> {
  // Read meanwhile; a request that is refused does not wait for it.
  const reading = context.freshnessWithin(FRESHNESS_AGE_MAX_MS);
  const meter = await meterOf(context, tenant, path);
  const now = context.clock();
  const request = parseUsageRequest(parameters, meter, now);
  const freshness = await reading;
  const { from, to } = request.plan;
  const lost = freshness.lost.find((part) => mayLackUsage(part, from, to));
  if (lost !== undefined) throw usageDamaged(lost);
  const { subjects, filters, bySubject, groupBy, plan } = request;
  const totalsFrom = freshness.lost.some((part) => mayLackTotals(part, from, to)) ? null : freshness.totalsFrom;
  const buckets = plan.segments;
  const { recounted } = freshness;
  const selection = { tenant, meter, from, to, subjects, filters, bySubject, groupBy, buckets, totalsFrom, recounted };
  return { meter, request, selection, freshness, now, allowedLatenessMs: context.allowedLatenessMs };
}

const headOf = ({ meter, request, freshness, now }: Asked) => ({
  meter: meter.slug,
  from: formatRfc3339(request.plan.from),
  to: formatRfc3339(request.plan.to),
  window: request.window,
  ...(!request.bySubject && { across: acrossOf(meter) }),
  watermark: instantOrNull(freshness.watermark),
  lagSeconds: lagSeconds(freshness, now),
});

function usageRow(row: UsageRow, { request, meter, freshness, allowedLatenessMs }: Asked) {
  const bucket = bucketOf(request.plan, row.bucketStart);
  return {
    windowStart: formatRfc3339(bucket.start),
    windowEnd: formatRfc3339(bucket.end),
    ...(row.subject !== null && { subject: row.subject }),
    ...(request.groupBy.length > 0 && {
      groups: Object.fromEntries(
        request.groupBy.map((dimension, i) => [meter.dimensions[dimension]!.name, row.groups[i]!]),
      ),
    }),
    value: quantityToDecimal(row.quantity).toString(),
    ...(row.eventCount === 0n && { isEmpty: true }),
    state: isClosed(bucket.end, freshness.watermark, allowedLatenessMs) ? 'closed' : 'open',
  };
}

/** Groups are known from rows alone; a subject that is named, and the whole, are known without. */
function withEmptyRows(rows: readonly UsageRow[], { plan, subjects, bySubject, groupBy }: UsageRequest): UsageRow[] {
  const named = groupBy.length > 0 ? [] : bySubject ? subjects : [null];
  const series = named.map((subject) => ({ subject, groups: [] }));
  return withEmptyBuckets(rows, series, plan, USAGE_ROWS_MAX, (row) => ({ ...row, quantity: 0n, eventCount: 0n }));
}

interface FoundRows {
  readonly rows: readonly UsageRow[];
  /** True: there are more rows, which are no part of the answer. */
  readonly isCut: boolean;
  /** Of a ranking, where they were asked for and there are any. */
  readonly others: { readonly value: string; readonly count: number } | null;
}

const tooLarge = (): Problem =>
  new Problem(
    'result_too_large',
    `The answer has more than ${USAGE_ROWS_MAX} rows. Ask for pages with limit=${USAGE_ROWS_MAX}, for a stream with ` +
      'Accept: application/x-ndjson or text/csv, or for a shorter range, a larger window, fewer groups or subjects.',
  );

async function findRows({ clickhouse }: QueryContext, { request, selection }: Asked): Promise<FoundRows> {
  const { rowsMax, isPage, after, ranking } = request;
  // One more than asked for tells whether there are others.
  const wanted = rowsMax + 1;
  if (ranking?.withOthers === true) {
    const { rows, others } = await readTopUsage(clickhouse, selection, { rowsMax, withOthers: true });
    if (others !== null && !isPage) throw tooLarge();
    const merged = others && { value: quantityToDecimal(others.quantity).toString(), count: others.count };
    return { rows, isCut: others !== null, others: merged };
  }
  const found =
    ranking === null
      ? await readUsage(clickhouse, { ...selection, ...(after !== null && { after }), rowsMax: wanted })
      : (await readTopUsage(clickhouse, selection, { rowsMax: wanted, withOthers: false })).rows;
  const isCut = found.length > rowsMax;
  if (isCut && !isPage) throw tooLarge();
  return { rows: found.slice(0, rowsMax), isCut, others: null };
}

/** Which of the subjects that were asked for are in no row of the answer, its later pages included. */
async function missingSubjects(
  { clickhouse }: QueryContext,
  { request, selection }: Asked,
  { rows, isCut }: FoundRows,
): Promise<readonly string[]> {
  if (request.subjects.length === 0) return [];
  const { from, to } = selection;
  const seen = isCut
    ? await readUsage(clickhouse, { ...selection, groupBy: [], buckets: [{ start: from, stepMs: to - from }] })
    : rows;
  const subjects = new Set(seen.map(({ subject }) => subject));
  return request.subjects.filter((subject) => !subjects.has(subject));
}

/** Of the subjects without usage in the answer; null where there is none, or nothing can be said. */
async function withoutUsage(context: QueryContext, asked: Asked, found: FoundRows) {
  const { selection, freshness, request } = asked;
  // A part that is lost may have held the only usage there was: then nobody is said to have none.
  const isWhole = !freshness.lost.some((part) => mayLackUsage(part, 0, Number.MAX_SAFE_INTEGER));
  // Of all pages the first says it.
  if (!isWhole || request.after !== null) return null;
  const subjects = await missingSubjects(context, asked, found);
  if (subjects.length === 0) return null;
  const { tenant, meter } = selection;
  const firstWindows = await readFirstWindows(context.clickhouse, { tenant, meter, subjects });
  return subjects.map((subject) => ({ subject, firstSeen: instantOrNull(firstWindows.get(subject) ?? null) }));
}

export const readMeterUsage: Read = async (context, asking) => {
  const asked = await readAsked(context, asking);
  const { request } = asked;
  const found = await findRows(context, asked);
  const missing = await withoutUsage(context, asked, found);
  const last = found.isCut && request.ranking === null ? found.rows.at(-1) : undefined;
  const rows = request.emptyBuckets ? withEmptyRows(found.rows, request) : found.rows;
  return {
    ...headOf(asked),
    ...(missing !== null && { withoutUsage: missing }),
    data: rows.map((row) => usageRow(row, asked)),
    ...(request.ranking?.withOthers === true && { others: found.others }),
    nextCursor: last === undefined ? null : usageCursor(request, last),
  };
};

/** What a stream is not asked with: it has all rows, in order of time. */
const notOfStreams = ['limit', 'cursor', 'order', 'others', 'emptyBuckets'] as const;

export const streamMeterUsage: StreamedRead = async (context, asking, form) => {
  const parameter = notOfStreams.find((name) => asking.parameters[name] !== undefined);
  if (parameter !== undefined) {
    throw conflict(parameter, 'only of an answer in JSON; a stream has all rows');
  }
  const asked = await readAsked(context, asking);
  const { meter, request, selection } = asked;
  async function* rows() {
    for await (const some of streamUsage(context.clickhouse, selection)) yield some.map((row) => usageRow(row, asked));
  }
  if (form === 'ndjson') return jsonLines(headOf(asked), rows());
  const dimensions = request.groupBy.map((dimension) => meter.dimensions[dimension]!.name);
  const columns = [
    ...['windowStart', 'windowEnd', ...(request.bySubject ? ['subject'] : [])],
    ...[...dimensions.map((name) => `groups.${name}`), 'value', 'state'],
  ];
  return csvLines(columns, rows(), ({ windowStart, windowEnd, subject, groups, value, state }) => [
    ...[windowStart, windowEnd, ...(subject === undefined ? [] : [subject])],
    ...[...dimensions.map((name) => groups![name]!), value, state],
  ]);
};
