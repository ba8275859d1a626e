// GET /v1/meters and GET /v1/meters/{meter}/usage.

import type { Meter } from '../domain/catalog/catalog.ts';
import { acrossOf } from '../domain/metering/meter.ts';
import { quantityToDecimal } from '../domain/number/quantity.ts';
import { Problem } from '../domain/problem.ts';
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import { isClosed } from '../domain/time/time-window.ts';
import { mayLackUsage } from '../platform/clickhouse/lost-parts.ts';
import { readFirstWindows, readUsage, type UsageRow } from '../platform/usage-store/usage-query.ts';
import { bucketOf } from './core/buckets.ts';
import { withEmptyBuckets } from './core/empty-buckets.ts';
import { noParameters, readParameters } from './core/parameters.ts';
import { parseUsageRequest, type UsageRequest } from './core/usage-request.ts';
import { lagSeconds } from './freshness.ts';
import { FRESHNESS_AGE_MAX_MS, USAGE_ROWS_MAX } from './query-limits.ts';
import { instantOrNull, type QueryContext, type Read } from './read.ts';
import { usageDamaged } from './store-problems.ts';

export const listMeters: Read = async ({ catalogs }, { parameters }) => {
  readParameters(noParameters, parameters);
  const { catalog } = await catalogs.published();
  return {
    data: catalog.meters.map((meter) => ({
      meter: meter.slug,
      eventType: meter.eventType,
      aggregation: meter.aggregation,
      dimensions: meter.dimensions.map((dimension) => dimension.name),
      window: meter.window,
      across: acrossOf(meter),
    })),
  };
};

async function meterOf({ catalogs }: QueryContext, slug: string): Promise<Meter> {
  const meter = await catalogs.meter(slug);
  if (meter === null) {
    throw new Problem('unknown_meter', `No meter ${JSON.stringify(slug.slice(0, 64))}; GET /v1/meters names them all.`);
  }
  return meter;
}

function usageRow(row: UsageRow, request: UsageRequest, meter: Meter, watermark: number | null, latenessMs: number) {
  const bucket = bucketOf(request.plan, row.bucketStart);
  return {
    windowStart: formatRfc3339(bucket.start),
    windowEnd: formatRfc3339(bucket.end),
    ...(row.subject !== null && { subject: row.subject }),
    ...(request.groupBy.length > 0 && {
      groups: Object.fromEntries(
        request.groupBy.map((dimension, i) => [meter.dimensions[dimension]!.name, row.groups[i]]),
      ),
    }),
    value: quantityToDecimal(row.quantity).toString(),
    ...(row.eventCount === 0n && { isEmpty: true }),
    state: isClosed(bucket.end, watermark, latenessMs) ? 'closed' : 'open',
  };
}

/** Groups are known from rows alone; a subject that is named, and the whole, are known without. */
function withEmptyRows(rows: readonly UsageRow[], { plan, subjects, bySubject, groupBy }: UsageRequest): UsageRow[] {
  const named = groupBy.length > 0 ? [] : bySubject ? subjects : [null];
  const series = named.map((subject) => ({ subject, groups: [] }));
  return withEmptyBuckets(rows, series, plan, USAGE_ROWS_MAX, (row) => ({ ...row, quantity: 0n, eventCount: 0n }));
}

export const readMeterUsage: Read = async (context, { tenant, path, parameters }) => {
  // Read meanwhile; a request that is refused does not wait for it.
  const reading = context.freshnessWithin(FRESHNESS_AGE_MAX_MS);
  const meter = await meterOf(context, path);
  const now = context.clock();
  const request = parseUsageRequest(parameters, meter, now);
  const freshness = await reading;
  const { from, to } = request.plan;
  const lost = freshness.lost.find((part) => mayLackUsage(part, from, to));
  if (lost !== undefined) throw usageDamaged(lost);
  const found = await readUsage(context.clickhouse, {
    tenant,
    meter,
    from,
    to,
    subjects: request.subjects,
    filters: request.filters,
    bySubject: request.bySubject,
    groupBy: request.groupBy,
    buckets: request.plan.segments,
    rowsMax: USAGE_ROWS_MAX + 1,
  });
  if (found.length > USAGE_ROWS_MAX) {
    throw new Problem(
      'result_too_large',
      `The answer has more than ${USAGE_ROWS_MAX} rows; ask for a shorter range, a larger window, fewer groups or fewer subjects.`,
    );
  }
  const seen = new Set(found.map(({ subject }) => subject));
  const missing = request.subjects.filter((subject) => !seen.has(subject));
  // A part that is lost may have held the only usage there was: then nobody is said to have none.
  const isWhole = !freshness.lost.some((part) => mayLackUsage(part, 0, Number.MAX_SAFE_INTEGER));
  const firstWindows =
    missing.length === 0 || !isWhole
      ? null
      : await readFirstWindows(context.clickhouse, { tenant, meter, subjects: missing });
  const rows = request.emptyBuckets ? withEmptyRows(found, request) : found;
  return {
    meter: meter.slug,
    from: formatRfc3339(from),
    to: formatRfc3339(to),
    window: request.window,
    ...(!request.bySubject && { across: acrossOf(meter) }),
    watermark: instantOrNull(freshness.watermark),
    lagSeconds: lagSeconds(freshness, now),
    ...(firstWindows !== null && {
      withoutUsage: missing.map((subject) => ({
        subject,
        firstSeen: instantOrNull(firstWindows.get(subject) ?? null),
      })),
    }),
    data: rows.map((row) => usageRow(row, request, meter, freshness.watermark, context.allowedLatenessMs)),
  };
};
