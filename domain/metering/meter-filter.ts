// Which events of its type a meter reads. A value is compared by the text that it has as a group, so "200" and 200 are
// the same, and "" is an event in which it is missing or null. An event that the filter leaves out is nothing to the
// meter: neither its value nor its groups are looked at, and it can't be at fault.
import { pick } from '../json/json-path.ts';
import { inWords, Rejection } from '../rejection.ts';
import { eventPathText } from './event-path.ts';
import type { Condition, Meter } from './meter.ts';
import type { RuleSet } from './rule-set.ts';

/**
 * False: the meter leaves the event alone. A Rejection: a value is no scalar, and no other condition leaves the event
 * out; so the order of the conditions does not matter.
 */
export function passesFilter(
  meter: Meter,
  where: readonly Condition[],
  data: unknown,
  rules: RuleSet,
): boolean | Rejection {
  let fault: Rejection | null = null;
  for (const { path, values, isNot } of where) {
    const value = pick(data, path);
    const text = value === undefined || value === null ? '' : rules.scalarText(value);
    if (text === null) {
      const field = eventPathText(path);
      const must = `must be a string, number or boolean, not ${inWords(value)}`;
      fault ??= new Rejection('invalid_value', `${field} ${must}: meter ${meter.slug} filters by it`, field);
    } else if (values.includes(text) === isNot) return false;
  }
  return fault ?? true;
}

/** `{data.status: "success"}`, as a catalog has it. */
export function filterText(where: readonly Condition[]): string {
  const conditions = where.map(({ path, isNot, values }) => {
    const texts = values.map((value) => JSON.stringify(value));
    const list = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
    return `${eventPathText(path)}: ${isNot ? `{not: ${list}}` : list}`;
  });
  return `{${conditions.join(', ')}}`;
}
