// GET /v1/line-items: pages of what was charged, in order of window and then of writing.
import { Decimal } from '../domain/number/decimal.ts';
import { formatRfc3339 } from '../domain/time/rfc3339.ts';
import { encodeCursor, type LineItemsRequest, parseLineItemsRequest } from './core/line-item-page.ts';
import type { Read } from './read.ts';
import type { BillingReads } from './store-reads.ts';

interface LineItemRow {
  readonly id: string;
  readonly subject: string;
  readonly plan: string;
  readonly price: string;
  readonly meter: string | null;
  readonly groups: Readonly<Record<string, string>>;
  readonly window_start: Date;
  readonly window_end: Date;
  readonly period_start: Date;
  readonly period_end: Date;
  readonly quantity: string;
  readonly amount: string;
  readonly currency: string;
  readonly kind: 'usage' | 'adjustment';
  readonly revision: number;
  readonly created_at: Date;
  readonly sequence: string;
}

const READ_LINE_ITEMS = `
  SELECT id, subject, plan, price, meter, groups, window_start, window_end, period_start, period_end,
    quantity::text, amount::text, currency, kind, revision, created_at, sequence
  FROM tallyline.line_items
  WHERE tenant = $1
    AND ($2::text IS NULL OR subject = $2)
    AND ($3::timestamptz IS NULL OR window_start >= $3)
    AND ($4::timestamptz IS NULL OR window_start < $4)
    AND ($5::timestamptz IS NULL OR (window_start, sequence) > ($5, $6::bigint))
  ORDER BY window_start, sequence
  LIMIT $7`;

const date = (instant: number | null): Date | null => (instant === null ? null : new Date(instant));

async function readRows(pool: BillingReads, tenant: string, request: LineItemsRequest, rowsMax: number) {
  const { subject, from, to, after } = request;
  const { rows } = await pool.query<LineItemRow>(READ_LINE_ITEMS, [
    tenant,
    subject,
    date(from),
    date(to),
    date(after?.windowStart ?? null),
    after?.sequence.toString() ?? null,
    rowsMax,
  ]);
  return rows;
}

/** Postgres keeps trailing zeros of a numeric; amounts are shown in their shortest form. */
const decimal = (text: string): string => Decimal.parse(text).toString();
const instant = (value: Date): string => formatRfc3339(value.getTime());

const lineItem = (row: LineItemRow) => ({
  id: row.id,
  subject: row.subject,
  plan: row.plan,
  price: row.price,
  meter: row.meter,
  groups: row.groups,
  windowStart: instant(row.window_start),
  windowEnd: instant(row.window_end),
  periodStart: instant(row.period_start),
  periodEnd: instant(row.period_end),
  quantity: decimal(row.quantity),
  amount: decimal(row.amount),
  currency: row.currency,
  kind: row.kind,
  revision: row.revision,
  createdAt: instant(row.created_at),
});

export const readLineItems: Read = async ({ pool }, { tenant, parameters }) => {
  const request = parseLineItemsRequest(parameters);
  // One more than asked for tells whether there is a next page.
  const rows = await readRows(pool, tenant, request, request.limit + 1);
  const page = rows.slice(0, request.limit);
  const last = rows.length > request.limit ? page.at(-1) : undefined;
  return {
    data: page.map(lineItem),
    nextCursor:
      last === undefined
        ? null
        : encodeCursor(request, { windowStart: last.window_start.getTime(), sequence: BigInt(last.sequence) }),
  };
};
