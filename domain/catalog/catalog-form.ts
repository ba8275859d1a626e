// A catalog as a file says it, with nothing left to a default: what is read from it is the same catalog again.
import { eventPathText } from '../metering/event-path.ts';
import { acrossOf, type Condition, itemWidthOf, type Meter, meterDefaults } from '../metering/meter.ts';
import { valueText } from '../metering/value-expression.ts';
import { formatRfc3339 } from '../time/rfc3339.ts';
import type { Catalog } from './catalog.ts';

const conditionForm = ({ path, isNot, values }: Condition): [string, unknown] => [
  eventPathText(path),
  isNot ? { not: values } : values,
];

function meterForm(meter: Meter): object {
  const { slug, eventType, aggregation, required, window, where, dimensions } = meter;
  const value = valueText(meter);
  const { precision, unreadable } = { ...meterDefaults, ...meter };
  return {
    ...{ slug, eventType, aggregation },
    ...(value !== null && { value }),
    ...(where !== undefined && { where: Object.fromEntries(where.map(conditionForm)) }),
    ...{ required, precision, unreadable },
    groupBy: Object.fromEntries(dimensions.map(({ name, path }) => [name, eventPathText(path)])),
    ...{ window, lineItems: itemWidthOf(meter), across: acrossOf(meter) },
  };
}

export const catalogForm = ({ currency, meters, plans, subscriptions, defaultPlan }: Catalog): object => ({
  currency,
  meters: meters.map(meterForm),
  plans,
  subscriptions: subscriptions.map((each) => ({ ...each, startsAt: formatRfc3339(each.startsAt) })),
  defaultPlan,
});

/** What of it a tenant is told: subscriptions that name another tenant are that one's. */
export const catalogOfTenant = (catalog: Catalog, tenant: string): Catalog => ({
  ...catalog,
  subscriptions: catalog.subscriptions.filter((each) => each.tenant === null || each.tenant === tenant),
});
