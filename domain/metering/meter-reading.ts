// What an event says to the meters, read from its data: the rule by which the aggregator counts it. The gateway asks
// the same question with a faster twin (ingest/core/meter-checks.ts), which a property test holds to this one: what it
// lets in can be counted.

import { createHash } from 'node:crypto';
import { aggregationRules } from '../aggregation/aggregations.ts';
import { pick } from '../json/exact-json.ts';
import { nameFault } from '../name-text.ts';
import { ExactNumber } from '../number/exact-number.ts';
import { QUANTITY_ONE, type Quantity, readQuantity } from '../number/quantity.ts';
import { inWords, Rejection } from '../rejection.ts';
import type { Meter } from './meter.ts';

/** One meter's share of an event. */
export interface Reading {
  readonly meter: Meter;
  readonly quantity: Quantity;
  /** For `unique`: the 128-bit hash of the value, as hex; null for every other aggregation. */
  readonly uniqueValue: string | null;
  /** In the order of the meter's dimensions; "" where the event has no such property. */
  readonly groupValues: readonly string[];
}

/** The meters of each event type. */
export type MetersByType = ReadonlyMap<string, readonly Meter[]>;

export function metersByType(catalog: { readonly meters: readonly Meter[] }): MetersByType {
  const byType = new Map<string, Meter[]>();
  for (const meter of catalog.meters) {
    const meters = byType.get(meter.eventType);
    if (meters === undefined) byType.set(meter.eventType, [meter]);
    else meters.push(meter);
  }
  return byType;
}

const fieldOf = (path: readonly string[]): string => `data.${path.join('.')}`;

/** Scalars as text: numbers in their own digits. Null where the value is no scalar. */
function scalarText(value: unknown): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value instanceof ExactNumber ? value.text : null;
  }
}

function readGroup(meter: Meter, data: unknown): string[] | Rejection {
  const groupValues: string[] = [];
  for (const { name, path } of meter.dimensions) {
    const value = pick(data, path);
    const text = value === undefined || value === null ? '' : scalarText(value);
    // It becomes a name in rows and on a bill. A lone surrogate has no UTF-8: two groups would be one row.
    const fault = text === null ? `be a string, number or boolean, not ${inWords(value)}` : nameFault(text);
    if (fault !== null) {
      return new Rejection(
        'invalid_group',
        `${fieldOf(path)} must ${fault}: meter ${meter.slug} groups by it as ${name}`,
        fieldOf(path),
      );
    }
    groupValues.push(text ?? '');
  }
  return groupValues;
}

/** A missing or null value leaves the meter alone, unless the meter requires it. */
export function readMeters(meters: readonly Meter[], data: unknown): Reading[] | Rejection {
  const readings: Reading[] = [];
  for (const meter of meters) {
    let quantity: Quantity = QUANTITY_ONE;
    let uniqueValue: string | null = null;
    if (meter.valuePath !== null) {
      const value = pick(data, meter.valuePath);
      const field = fieldOf(meter.valuePath);
      if (value === undefined || value === null) {
        if (!meter.required) continue;
        return new Rejection('missing_value', `${field} is missing: meter ${meter.slug} requires it`, field);
      }
      if (aggregationRules(meter.aggregation).reads === 'scalar') {
        const text = scalarText(value);
        if (text === null || !text.isWellFormed()) {
          const reason = text === null ? `not ${inWords(value)}` : 'without a lone surrogate';
          return new Rejection(
            'invalid_value',
            `${field} must be a string, number or boolean, ${reason}: meter ${meter.slug} counts its unique values`,
            field,
          );
        }
        uniqueValue = createHash('sha256').update(text).digest('hex').slice(0, 32);
      } else {
        const read = readQuantity(value);
        if (read === null) {
          return new Rejection(
            'invalid_value',
            `${field} must be a decimal number of at most 26 integer and 12 fraction digits, not ${inWords(value)}: meter ${meter.slug} reads it`,
            field,
          );
        }
        quantity = read;
      }
    }
    const groupValues = readGroup(meter, data);
    if (!Array.isArray(groupValues)) return groupValues;
    readings.push({ meter, quantity, uniqueValue, groupValues });
  }
  return readings;
}
