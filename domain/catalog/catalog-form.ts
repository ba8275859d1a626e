// A catalog as a file says it, with nothing left to a default: what is read from it is the same catalog again.
import { eventPathText } from '../metering/event-path.ts';
import { acrossOf, type Condition, itemWidthOf, type Meter, meterDefaults } from '../metering/meter.ts';
import { valueText } from '../metering/value-expression.ts';
import { type Catalog, type Plan, planDefaults } from './catalog.ts';

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

function planForm(plan: Plan): object {
  const { slug, calendar, timezone, afterEnd, trialUsage, minimum, prices } = { ...planDefaults, ...plan };
  return { slug, calendar, timezone, afterEnd, trialUsage, ...(minimum !== undefined && { minimum }), prices };
}

export const catalogForm = ({ currency, meters, plans, defaultPlan }: Catalog): object => ({
  currency,
  meters: meters.map(meterForm),
  plans: plans.map(planForm),
  defaultPlan,
});
