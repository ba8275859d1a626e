// Reading what a meter of a catalog file takes from an event: its value, its filter and its groups. What is returned is
// in one canonical form, so that two files which say the same compare equal.
import { type Aggregation, aggregationRules } from '../aggregation/aggregations.ts';
import {
  expected,
  type Field,
  isAbsent,
  readEntries,
  readList,
  readMap,
  readText,
  refuse,
} from '../fields/catalog-fields.ts';
import { isSingular, type JsonPath, type SingularPath } from '../json/json-path.ts';
import { eventPathText, readEventPath } from './event-path.ts';
import type { Condition, Dimension, Meter } from './meter.ts';
import { readValueExpression, wildcardOf } from './value-expression.ts';

export const DIMENSIONS_MAX = 32;
export const CONDITIONS_MAX = 32;
export const CONDITION_VALUES_MAX = 100;
export const VALUE_LENGTH_MAX = 1024;
const PATH_LENGTH_MAX = 256;
const TOO_LONG = `is longer than ${PATH_LENGTH_MAX} characters`;

const DIMENSION_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;
const A_PATH = 'a path below data, such as data.input_tokens';
const NOT_ONE_VALUE = 'not all that [*] stands for: name an element, [0]';

/** What a meter reads of an event: a path, or a sum. */
export type ReadValue = Pick<Meter, 'valuePath' | 'addends'>;

export function readValue(field: Field, aggregation: Aggregation | null): ReadValue | null {
  const text = readText(field, VALUE_LENGTH_MAX);
  if (text === null) return null;
  const reading = readValueExpression(text);
  if (!reading.ok) {
    const { at, isPath, message } = reading;
    if (isPath) return expected(field, A_PATH, message, at);
    return refuse(field, message, at);
  }
  const { addends } = reading;
  const [first] = addends;
  const isPlain = addends.length === 1 && first!.factor === '1';
  if (aggregation === null) return null;
  const { reads, isSum, isMean, joinValues } = aggregationRules(aggregation);
  if (isPlain) {
    if (joinValues !== null || isSingular(first!.path)) return { valuePath: first!.path };
    return refuse(field, `must name one value for ${aggregation}, ${NOT_ONE_VALUE}`);
  }
  if (reads !== 'quantity') return refuse(field, `must be a path: ${aggregation} reads no number to calculate with`);
  if ((!isSum || isMean) && wildcardOf(addends) !== undefined) {
    return refuse(field, `must name one value in each path for ${aggregation}, ${NOT_ONE_VALUE}`);
  }
  return { valuePath: null, addends };
}

/** Of a text that is one path. `data.usage.model` is ["usage", "model"]. */
function readPath(field: Field, text: string, at?: 'key'): JsonPath | null {
  const reading = readEventPath(text);
  if (reading.ok) return reading.path;
  if (reading.reason === 'refused') return refuse(field, reading.message, at);
  return at === 'key'
    ? refuse(field, `a key must be ${A_PATH}${reading.hint}`, at)
    : expected(field, A_PATH, reading.hint);
}

function readDimensionPath(field: Field): SingularPath | null {
  const text = readText(field);
  const path = text === null ? null : readPath(field, text);
  if (path === null || isSingular(path)) return path;
  return refuse(field, `must name one value to group by, ${NOT_ONE_VALUE}`);
}

export function readDimensions(field: Field): readonly Dimension[] | null {
  const entries = readEntries(field);
  if (entries === null) return null;
  if (entries.length > DIMENSIONS_MAX)
    return refuse(field, `has ${entries.length} names; the limit is ${DIMENSIONS_MAX}`);
  const dimensions: Dimension[] = [];
  for (const [name, entry] of entries) {
    const path = readDimensionPath(entry);
    if (name === 'subject' || name in {}) refuse(entry, `the name ${JSON.stringify(name)} is reserved`, 'key');
    else if (!DIMENSION_NAME.test(name)) {
      refuse(entry, 'a name must be up to 64 letters, digits, ".", "_" or "-", the first a letter', 'key');
    } else if (path !== null) dimensions.push({ name, path });
  }
  if (dimensions.length < entries.length) return null;
  return dimensions.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function readWhere(field: Field): readonly Condition[] | null {
  const entries = readEntries(field);
  if (entries === null) return null;
  if (entries.length === 0) return refuse(field, 'has no condition; leave the key out for all events of the type');
  if (entries.length > CONDITIONS_MAX)
    return refuse(field, `has ${entries.length} paths; the limit is ${CONDITIONS_MAX}`);
  const byPath = new Map<string, Condition>();
  for (const [name, entry] of entries) {
    const path = [...name].length > PATH_LENGTH_MAX ? refuse(entry, TOO_LONG, 'key') : readPath(entry, name, 'key');
    const condition = readCondition(entry);
    if (path === null || condition === null) continue;
    const text = eventPathText(path);
    if (!isSingular(path)) refuse(entry, `must name one value to filter by, ${NOT_ONE_VALUE}`, 'key');
    else if (byPath.has(text)) refuse(entry, `stands twice, in two ways to write ${text}`, 'key');
    else byPath.set(text, { path, ...condition });
  }
  if (byPath.size < entries.length) return null;
  return [...byPath].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, condition]) => condition);
}

/** A value, a list of them, or `{ not: … }` around one of both. */
function readCondition(field: Field): Omit<Condition, 'path'> | null {
  const { value } = field;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const values = readValues(field);
    return values === null ? null : { isNot: false, values };
  }
  const fields = readMap(field, ['not']);
  if (fields === null) return null;
  if (isAbsent(fields.not)) return expected(fields.not, '');
  const values = readValues(fields.not);
  return values === null ? null : { isNot: true, values };
}

function readValues(field: Field): readonly string[] | null {
  if (!Array.isArray(field.value)) {
    const text = readComparedText(field);
    return text === null ? null : [text];
  }
  const list = readList(field, CONDITION_VALUES_MAX);
  if (list === null) return null;
  if (list.length === 0) return refuse(field, 'has no value to compare with');
  const texts = list.map(readComparedText);
  return texts.includes(null) ? null : [...new Set(texts as string[])].sort();
}

/** As the text of a group. A number that has a point or is long has been a float on the way. */
function readComparedText(field: Field): string | null {
  const { value } = field;
  if (value === '') return '';
  if (typeof value === 'boolean' || (Number.isSafeInteger(value) && isWrittenPlainly(field))) return String(value);
  return readText(field);
}

/** Whether a whole number stands in the file as itself: not as 1.0, 1e3 or 0x10. */
const isWrittenPlainly = ({ source, path, value }: Field): boolean => {
  const written = source.textOf(path);
  return (written === null || written === String(value)) && !Object.is(value, -0);
};
