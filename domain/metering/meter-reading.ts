// What an event says to the meters, read from its data: the rule by which the aggregator counts it. The gateway asks
// the same question with a faster twin (ingest/core/meter-checks.ts), which a property test holds to this one: what it
// lets in can be counted.

import { createHash } from 'node:crypto';
import { aggregationRules } from '../aggregation/aggregations.ts';
import { type JsonPath, pick, type SingularPath } from '../json/json-path.ts';
import { nameFault } from '../name-text.ts';
import { QUANTITY_ONE, type Quantity } from '../number/quantity.ts';
import { inWords, Rejection } from '../rejection.ts';
import { eventPathText } from './event-path.ts';
import type { Meter } from './meter.ts';
import { passesFilter } from './meter-filter.ts';
import { readQuantityOf, type ValueFault } from './quantity-reading.ts';
import type { RuleSet } from './rule-set.ts';
import { valueText } from './value-expression.ts';

/** One meter's share of an event. */
export interface Reading {
  readonly meter: Meter;
  readonly quantity: Quantity;
  /** Whether the value has more digits than a quantity holds. */
  readonly isRounded: boolean;
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

function readGroup(meter: Meter, data: unknown, rules: RuleSet): string[] | Rejection {
  const groupValues: string[] = [];
  for (const { name, path } of meter.dimensions) {
    const value = pick(data, path);
    const text = value === undefined || value === null ? '' : rules.scalarText(value);
    // It becomes a name in rows and on a bill. A lone surrogate has no UTF-8: two groups would be one row.
    const fault = text === null ? `be a string, number or boolean, not ${inWords(value)}` : nameFault(text);
    if (fault !== null) {
      const field = eventPathText(path);
      return new Rejection(
        'invalid_group',
        `${field} must ${fault}: meter ${meter.slug} groups by it as ${name}`,
        field,
      );
    }
    groupValues.push(text ?? '');
  }
  return groupValues;
}

/** What an event says to a meter beside its groups. */
type Value = Pick<Reading, 'quantity' | 'isRounded' | 'uniqueValue'>;

const anEvent: Value = { quantity: QUANTITY_ONE, isRounded: false, uniqueValue: null };

/** Null: it is missing or null. */
function readScalar(path: JsonPath, data: unknown, rules: RuleSet): Value | ValueFault | null {
  const value = pick(data, path as SingularPath);
  if (value === undefined || value === null) return null;
  const text = rules.scalarText(value);
  const fault = (must: string): ValueFault => ({ field: eventPathText(path), must });
  if (text === null) return fault(`be a string, number or boolean, not ${inWords(value)}`);
  if (!text.isWellFormed()) return fault('be a string, number or boolean, without a lone surrogate');
  const uniqueValue = createHash('sha256').update(text).digest('hex').slice(0, 32);
  return { quantity: QUANTITY_ONE, isRounded: false, uniqueValue };
}

/** Null: it is missing or null. */
function readValue(meter: Meter, data: unknown, rules: RuleSet): Value | ValueFault | null {
  switch (aggregationRules(meter.aggregation).reads) {
    case 'nothing':
      return anEvent;
    case 'scalar':
      return readScalar(meter.valuePath!, data, rules);
    case 'quantity': {
      const read = readQuantityOf(meter, data, rules);
      return read === null || 'must' in read ? read : { ...read, uniqueValue: null };
    }
  }
}

function unreadValue(meter: Meter, fault: ValueFault | null): Rejection {
  if (fault === null) {
    const field = valueText(meter)!;
    return new Rejection('missing_value', `${field} is missing: meter ${meter.slug} requires it`, field);
  }
  const use =
    aggregationRules(meter.aggregation).reads === 'scalar'
      ? `meter ${meter.slug} counts its unique values`
      : `meter ${meter.slug} reads it`;
  return new Rejection('invalid_value', `${fault.field} must ${fault.must}: ${use}`, fault.field);
}

/** Null: its filter leaves the event out, or the value is missing or null; the meter is left alone. */
function readMeter(meter: Meter, data: unknown, rules: RuleSet): Reading | Rejection | null {
  if (meter.where !== undefined) {
    const passes = passesFilter(meter, meter.where, data, rules);
    if (passes !== true) return passes || null;
  }
  const value = readValue(meter, data, rules);
  if (value === null && !meter.required) return null;
  if (value === null || 'must' in value) return unreadValue(meter, value);
  const groupValues = readGroup(meter, data, rules);
  return Array.isArray(groupValues) ? { meter, ...value, groupValues } : groupValues;
}

/** What a meter can't read of an event that is counted all the same. */
interface Unread {
  readonly meter: Meter;
  readonly rejection: Rejection;
}

export interface MeterReadings {
  readonly readings: readonly Reading[];
  readonly unread: readonly Unread[];
}

/** A Rejection: the event is poison. The meters are those of the event's type. */
export function readMeters(meters: readonly Meter[], data: unknown, rules: RuleSet): MeterReadings | Rejection {
  const readings: Reading[] = [];
  const unread: Unread[] = [];
  for (const meter of meters) {
    const read = readMeter(meter, data, rules);
    if (read === null) continue;
    if (!(read instanceof Rejection)) readings.push(read);
    else if (rules.countsForOthers) unread.push({ meter, rejection: read });
    else return read;
  }
  return { readings, unread };
}
