// Whether the meters of a catalog can read an event's data. Compiled once a catalog version into a list of checks for
// each event type. What these checks pass, the aggregator can count: an accepted event must never turn out to be
// unreadable later.
import type { AggregationRules } from '../../domain/aggregation/aggregation-rules.ts';
import { aggregationRules } from '../../domain/aggregation/aggregations.ts';
import type { Catalog, Meter } from '../../domain/catalog/catalog.ts';
import { pick } from '../../domain/json/exact-json.ts';
import { quantityWords } from '../../domain/metering/meter-reading.ts';
import type { RuleSet } from '../../domain/metering/rule-set.ts';
import { nameFault } from '../../domain/name-text.ts';
import { ExactNumber } from '../../domain/number/exact-number.ts';
import { QUANTITY_INTEGER_DIGITS } from '../../domain/number/quantity.ts';
import { inWords, Rejection } from '../../domain/rejection.ts';

interface GroupCheck {
  readonly path: readonly string[];
  readonly field: string;
  readonly dimension: string;
}

export interface MeterCheck {
  readonly meter: Meter;
  readonly rules: RuleSet;
  readonly reads: AggregationRules['reads'];
  /** Null where the aggregation reads nothing. */
  readonly valuePath: readonly string[] | null;
  readonly valueField: string;
  readonly groups: readonly GroupCheck[];
}

export type MeterChecks = ReadonlyMap<string, readonly MeterCheck[]>;

const fieldOf = (path: readonly string[]): string => `data.${path.join('.')}`;

/** By the catalog and the rule set in force. A meter that takes what it can't read has no check. */
export function compileMeterChecks(catalog: Catalog, rules: RuleSet): MeterChecks {
  const byType = new Map<string, MeterCheck[]>();
  for (const meter of catalog.meters) {
    if (rules.countsForOthers && meter.unreadable === 'skip') continue;
    const check: MeterCheck = {
      meter,
      rules,
      reads: aggregationRules(meter.aggregation).reads,
      valuePath: meter.valuePath,
      valueField: meter.valuePath === null ? 'data' : fieldOf(meter.valuePath),
      groups: meter.dimensions.map(({ name, path }) => ({ path, field: fieldOf(path), dimension: name })),
    };
    const checks = byType.get(meter.eventType);
    if (checks === undefined) byType.set(meter.eventType, [check]);
    else checks.push(check);
  }
  return byType;
}

/** A path of one key is nearly every path. */
const at = (data: object, path: readonly string[]): unknown => {
  if (path.length !== 1) return pick(data, path);
  const key = path[0]!;
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

function valueFault(check: MeterCheck, value: unknown): Rejection | null {
  const { meter, valueField } = check;
  if (check.reads === 'scalar') {
    const fault = uniqueFault(value);
    if (fault === null) return null;
    return new Rejection(
      'invalid_value',
      `${valueField} must ${fault}: meter "${meter.slug}" counts its values`,
      valueField,
    );
  }
  if (isPlainQuantity(value) || check.rules.quantity(value, meter) !== null) return null;
  return new Rejection(
    'invalid_value',
    `${valueField} must be ${quantityWords(meter, check.rules)}, not ${inWords(value)}: ` +
      `meter "${meter.slug}" reads it`,
    valueField,
  );
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
    if (check.valuePath !== null) {
      const value = at(data, check.valuePath);
      if (value === undefined || value === null) {
        if (!check.meter.required) continue;
        const { valueField, meter } = check;
        return new Rejection(
          'missing_value',
          `${valueField} is missing: meter "${meter.slug}" requires it`,
          valueField,
        );
      }
      const fault = valueFault(check, value);
      if (fault !== null) return fault;
    }
    if (check.groups.length > 0) {
      const fault = groupFault(check, data);
      if (fault !== null) return fault;
    }
  }
  return null;
}
