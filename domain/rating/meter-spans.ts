// Windows to look for, by meter: two tenants may give one slug different windows, so what closes of it at an instant is
// another span for each. Nearly all tenants have the meters of the default; the others are named one by one.
import type { Meter } from '../catalog/catalog.ts';
import type { RatingCatalog, RatingCatalogs } from './rating-catalog.ts';

/** Windows of a meter that start at or after `from` and before `to`; milliseconds since the epoch. */
export interface MeterSpan {
  readonly meter: string;
  readonly from: number;
  readonly to: number;
}

export interface SpanOfTenant extends MeterSpan {
  readonly tenant: string;
}

export interface MeterSpans {
  /** Of every tenant that is not named with the meter below. A meter that is not named has none. */
  readonly all: readonly MeterSpan[];
  /** Of a tenant, in place of those; empty ones among them. */
  readonly own: readonly SpanOfTenant[];
}

type Span = Omit<MeterSpan, 'meter'>;

const NOTHING: Span = { from: 0, to: 0 };

const isEmpty = ({ from, to }: Span): boolean => to <= from;
const isSame = (one: Span, other: Span): boolean =>
  (isEmpty(one) && isEmpty(other)) || (one.from === other.from && one.to === other.to);

/** `spanOf`: what is to be looked for of a meter of a catalog. */
export function meterSpans(
  { default: byDefault, own }: RatingCatalogs,
  spanOf: (meter: Meter, catalog: RatingCatalog) => Span,
): MeterSpans {
  const spansBy = (catalog: RatingCatalog): Map<string, Span> =>
    new Map([...catalog.meters.values()].map((meter) => [meter.slug, spanOf(meter, catalog)]));
  const all = spansBy(byDefault);
  const ofTenants: SpanOfTenant[] = [];
  for (const [tenant, catalog] of own) {
    for (const [meter, span] of spansBy(catalog))
      if (!isSame(span, all.get(meter) ?? NOTHING)) ofTenants.push({ tenant, meter, from: span.from, to: span.to });
  }
  const named = [...all].map(([meter, { from, to }]) => ({ meter, from, to }));
  return { all: named.filter((span) => !isEmpty(span)), own: ofTenants };
}

/** True where nothing is to be looked for. */
export const isNoSpan = ({ all, own }: MeterSpans): boolean => all.length === 0 && own.every(isEmpty);
