// Where a value stands in a JSON value, in the terms of RFC 9535: a path is a list of segments, and a segment is the
// name of a member, the index of an element, or the wildcard. A path with a wildcard names any number of values, each
// other one at most one. What a path does not find is never a property of a prototype.
import { ExactNumber } from '../number/exact-number.ts';

/** A member's name, or an element's index, which counts from the end where it is below 0. */
type SingularSegment = string | number;
/** Each element of an array, and each member of an object. In JSON itself, as a stored catalog is. */
export const WILDCARD = null;

export type SingularPath = readonly SingularSegment[];
export type JsonPath = readonly (SingularSegment | typeof WILDCARD)[];

export const isSingular = (path: JsonPath): path is SingularPath => !path.includes(WILDCARD);

function step(value: unknown, segment: SingularSegment): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (typeof segment === 'number') return Array.isArray(value) ? value.at(segment) : undefined;
  return Object.hasOwn(value, segment) ? (value as Record<string, unknown>)[segment] : undefined;
}

/** Undefined where the path ends early. */
export function pick(value: unknown, path: SingularPath): unknown {
  let current = value;
  for (const segment of path) {
    if (current === undefined) return undefined;
    current = step(current, segment);
  }
  return current;
}

function childrenOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return [];
  return Object.values(value);
}

/** All values that the path names, in the order of the text. */
export function pickAll(value: unknown, path: JsonPath): readonly unknown[] {
  let found: readonly unknown[] = [value];
  for (const segment of path) {
    const next: unknown[] = [];
    for (const each of found) {
      if (segment === WILDCARD) for (const child of childrenOf(each)) next.push(child);
      else {
        const child = step(each, segment);
        if (child !== undefined) next.push(child);
      }
    }
    found = next;
  }
  return found;
}
