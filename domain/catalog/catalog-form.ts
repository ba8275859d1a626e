// A catalog as a file says it, with nothing left to a default: what is read from it is the same catalog again.
import { eventPathText } from '../metering/event-path.ts';
import { acrossOf, type Condition, itemWidthOf, type Meter, meterDefaults } from '../metering/meter.ts';
import { valueText } from '../metering/value-expression.ts';
import type { PriceBook } from '../pricing/book/price-book.ts';
import { priceForm } from '../pricing/prices.ts';
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
  return {
    ...{ slug, calendar, timezone, afterEnd, trialUsage, ...(minimum !== undefined && { minimum }) },
    prices: prices.map(priceForm),
  };
}

function bookForm({ models, ...book }: PriceBook): object {
  return {
    ...book,
    models: models.map(({ provider, ...model }) => ({ ...(provider !== '' && { provider }), ...model })),
  };
}

export const catalogForm = ({ currency, meters, priceBooks = [], plans, defaultPlan }: Catalog): object => ({
  currency,
  meters: meters.map(meterForm),
  ...(priceBooks.length > 0 && { priceBooks: priceBooks.map(bookForm) }),
  plans: plans.map(planForm),
  defaultPlan,
});
