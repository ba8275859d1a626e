// Whether the meters of a catalog can read an event's data. Compiled once a catalog version into a list of checks for
// each event type. What these checks pass, the aggregator can count: an accepted event must never turn out to be
// unreadable later.
import type { AggregationRules } from '../../domain/aggregation/aggregation-rules.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Catalog, Meter } from '../../domain/catalog/catalog.ts';
import { isSingular, type JsonPath, pick, type SingularPath } from '../../domain/json/json-path.ts';
import { eventPathText } from '../../domain/metering/event-path.ts';
import type { Addend, Condition } from '../../domain/metering/meter.ts';
import { passesFilter } from '../../domain/metering/meter-filter.ts';
import { readQuantityOf, type ValueFault } from '../../domain/metering/quantity-reading.ts';
import type { RuleSet } from '../../domain/metering/rule-set.ts';
import { valueText } from '../../domain/metering/value-expression.ts';
import { nameFault } from '../../domain/name-text.ts';
import { ExactNumber } from '../../domain/number/exact-number.ts';
import { QUANTITY_INTEGER_DIGITS } from '../../domain/number/quantity.ts';
import { inWords, Rejection } from '../../domain/rejection.ts';

interface GroupCheck {
  readonly path: SingularPath;
  readonly field: string;
  readonly dimension: string;
}

export interface MeterCheck {
  readonly meter: Meter;
  readonly rules: RuleSet;
  readonly reads: AggregationRules['reads'];
  /** Null where the aggregation reads nothing, or a sum of several values. */
  readonly valuePath: JsonPath | null;
  readonly addends: readonly Addend[] | null;
  readonly valueField: string;
  /** Null: it reads every event of its type. */
  readonly where: readonly Condition[] | null;
  readonly groups: readonly GroupCheck[];
}

export type MeterChecks = ReadonlyMap<string, readonly MeterCheck[]>;

/** By the catalog and the rule set in force. A meter that takes what it can't read has no check. */
export function compileMeterChecks(catalog: Pick<Catalog, 'meters'>, rules: RuleSet): MeterChecks {
  const byType = new Map<string, MeterCheck[]>();
  for (const meter of catalog.meters) {
    if (rules.countsForOthers && meter.unreadable === 'skip') continue;
    const check: MeterCheck = {
      meter,
      rules,
      reads: aggregationRules(meter.aggregation).reads,
      valuePath: meter.valuePath,
      addends: meter.addends ?? null,
      valueField: valueText(meter) ?? 'data',
      where: meter.where ?? null,
      groups: meter.dimensions.map(({ name, path }) => ({ path, field: eventPathText(path), dimension: name })),
    };
    const checks = byType.get(meter.eventType);
    if (checks === undefined) byType.set(meter.eventType, [check]);
    else checks.push(check);
  }
  return byType;
}

/** A path of one key is nearly every path. */
const at = (data: object, path: SingularPath): unknown => {
  const key = path[0]!;
  if (path.length !== 1 || typeof key === 'number') return pick(data, path);
  return Object.hasOwn(data, key) ? (data as Record<string, unknown>)[key] : undefined;
};

const isScalar = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' || value instanceof ExactNumber;

const notScalar = (value: unknown): string => `be a string, number or boolean, not ${inWords(value)}`;

/** Why a value can't be a group's, in words that follow "must", or null: it becomes a name in rows and line items. */
function groupValueFault(value: unknown, rules: RuleSet): string | null {
  if (!isScalar(value)) return notScalar(value);
  if (value instanceof ExactNumber) return nameFault(rules.scalarText(value)!);
  return typeof value === 'string' ? nameFault(value) : null;
}

/** Why a value can't be counted as unique: it is told apart by a hash of its UTF-8, so its length does not matter. */
function uniqueFault(value: unknown): string | null {
  if (!isScalar(value)) return notScalar(value);
  return typeof value === 'string' && !value.isWellFormed()
    ? 'be well-formed Unicode, and holds a lone surrogate'
    : null;
}

/** A whole number that surely fits, told without building it: nearly every value. */
function isPlainQuantity(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'string' || value.length === 0 || value.length > QUANTITY_INTEGER_DIGITS) return false;
  for (let index = 0; index < value.length; index++) {
    const unit = value.charCodeAt(index);
    if (unit < 48 || unit > 57) return false;
  }
  return true;
}

/** Null: it can be read. Undefined: it is missing or null. */
function valueFault(
  { meter, rules, reads, valuePath, valueField }: MeterCheck,
  data: object,
): ValueFault | null | undefined {
  if (reads === 'nothing') return null;
  if (valuePath !== null && isSingular(valuePath)) {
    const value = at(data, valuePath);
    if (value === undefined || value === null) return undefined;
    if (reads === 'scalar') {
      const must = uniqueFault(value);
      return must === null ? null : { field: valueField, must };
    }
    if (isPlainQuantity(value)) return null;
  }
  const read = readQuantityOf(meter, data, rules);
  if (read === null) return undefined;
  return 'must' in read ? read : null;
}

function unreadable({ meter, reads, valueField }: MeterCheck, fault: ValueFault | undefined): Rejection {
  if (fault === undefined) {
    return new Rejection('missing_value', `${valueField} is missing: meter "${meter.slug}" requires it`, valueField);
  }
  const use = reads === 'scalar' ? 'counts its values' : 'reads it';
  return new Rejection('invalid_value', `${fault.field} must ${fault.must}: meter "${meter.slug}" ${use}`, fault.field);
}

function groupFault(check: MeterCheck, data: object): Rejection | null {
  for (const { path, field, dimension } of check.groups) {
    const value = at(data, path);
    if (value === undefined || value === null) continue;
    const fault = groupValueFault(value, check.rules);
    if (fault !== null) {
      return new Rejection(
        'invalid_group',
        `${field} must ${fault}: meter "${check.meter.slug}" groups by it as "${dimension}"`,
        field,
      );
    }
  }
  return null;
}

/**
 * Null when every meter of the event's type can read the data. A value that is absent or null leaves its meter alone.
 */
export function meterFault(checks: readonly MeterCheck[], data: object): Rejection | null {
  for (const check of checks) {
    if (check.where !== null) {
      const passes = passesFilter(check.meter, check.where, data, check.rules);
      if (passes === false) continue;
      if (passes !== true) return passes;
    }
    const fault = valueFault(check, data);
    if (fault === undefined && !check.meter.required) continue;
    if (fault !== null) return unreadable(check, fault);
    if (check.groups.length > 0) {
      const rejection = groupFault(check, data);
      if (rejection !== null) return rejection;
    }
  }
  return null;
}
