// Reading one price of a plan, by its model. A new model is one reader here, one pricer in rater/core/pricers and one
// branch in the JSON Schema; the compiler finds a missing reader.
import type { Meter, Price, Tier } from './catalog.ts';
import {
  expected,
  type Field,
  isAbsent,
  readChoice,
  readDecimal,
  readEntries,
  readList,
  readMap,
  readSlug,
  readText,
  refuse,
} from './catalog-fields.ts';
import { Decimal } from './decimal.ts';

export const TIERS_MAX = 100;

type Model = Price['model'];
type PriceOf<M extends Model> = Extract<Price, { model: M }>;
/** The meters of the catalog by slug; null for one whose definition is itself in error. */
export type KnownMeters = ReadonlyMap<string, Meter | null>;
type Reader<M extends Model> = (field: Field, meters: KnownMeters) => PriceOf<M> | null;

const USAGE_KEYS = ['slug', 'model', 'meter', 'match'] as const;

interface UsageFields {
  readonly slug: Field;
  readonly meter: Field;
  readonly match: Field;
}

function readMatch(field: Field, meter: Meter | null): Readonly<Record<string, string>> | null {
  if (isAbsent(field)) return {};
  const entries = readEntries(field);
  if (entries === null) return null;
  const names = meter?.dimensions.map(({ name }) => name);
  const match: [string, string][] = [];
  for (const [name, entry] of entries) {
    const value = readText(entry);
    if (names !== undefined && !names.includes(name)) {
      const known = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
      refuse(entry, `is not in groupBy of meter ${JSON.stringify(meter?.slug)}: ${known}`, 'key');
    } else if (value !== null) match.push([name, value]);
  }
  return Object.fromEntries(match.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function readUsage({ slug, meter, match }: UsageFields, meters: KnownMeters) {
  const name = readSlug(meter);
  const known = name === null ? null : meters.get(name);
  if (known === undefined) refuse(meter, `there is no meter ${JSON.stringify(name)} in this catalog`);
  const fields = { slug: readSlug(slug), meter: name, match: readMatch(match, known ?? null) };
  return fields.slug === null || fields.meter === null || fields.match === null
    ? null
    : { slug: fields.slug, meter: fields.meter, match: fields.match };
}

function readTier(field: Field): Tier | null {
  const fields = readMap(field, ['upTo', 'unitAmount', 'flatAmount']);
  if (fields === null) return null;
  const upTo = fields.upTo.value === null ? null : readDecimal(fields.upTo);
  if (isAbsent(fields.unitAmount) && isAbsent(fields.flatAmount))
    return refuse(field, 'needs unitAmount, flatAmount or both');
  const unitAmount = isAbsent(fields.unitAmount) ? '0' : readDecimal(fields.unitAmount);
  const flatAmount = isAbsent(fields.flatAmount) ? '0' : readDecimal(fields.flatAmount);
  return unitAmount === null || flatAmount === null || (upTo === null && fields.upTo.value !== null)
    ? null
    : { upTo, unitAmount, flatAmount };
}

function readTiers(field: Field): readonly Tier[] | null {
  const entries = readList(field, TIERS_MAX);
  if (entries === null) return null;
  if (entries.length === 0) return refuse(field, 'needs at least one tier');
  const tiers = entries.map(readTier);
  if (tiers.some((tier) => tier === null)) return null;
  let lowerBound = Decimal.zero;
  const upToField = (index: number): Field => {
    const entry = entries[index]!;
    return { ...entry, path: [...entry.path, 'upTo'] };
  };
  for (const [index, tier] of (tiers as Tier[]).entries()) {
    const isLast = index === tiers.length - 1;
    if (tier.upTo === null) {
      if (!isLast) refuse(upToField(index), 'only the last tier is without an upper bound');
    } else if (isLast) {
      refuse(
        upToField(index),
        `the last tier must have "upTo: null", got "${tier.upTo}": usage above it would have no price`,
      );
    } else {
      const bound = Decimal.parse(tier.upTo);
      if (bound.compare(lowerBound) <= 0) {
        refuse(
          upToField(index),
          `must be above ${lowerBound} (${index === 0 ? 'zero' : 'the tier before'}), got "${tier.upTo}"`,
        );
      }
      lowerBound = bound;
    }
  }
  return tiers as Tier[];
}

const tiered =
  <M extends 'graduated' | 'volume'>(model: M) =>
  (field: Field, meters: KnownMeters) => {
    const fields = readMap(field, [...USAGE_KEYS, 'tiers']);
    if (fields === null) return null;
    const [usage, tiers] = [readUsage(fields, meters), readTiers(fields.tiers)];
    return usage === null || tiers === null ? null : { ...usage, model, tiers };
  };

const readers: { readonly [M in Model]: Reader<M> } = {
  per_unit(field, meters) {
    const fields = readMap(field, [...USAGE_KEYS, 'unitAmount']);
    if (fields === null) return null;
    const [usage, unitAmount] = [readUsage(fields, meters), readDecimal(fields.unitAmount)];
    return usage === null || unitAmount === null ? null : { ...usage, model: 'per_unit', unitAmount };
  },
  graduated: tiered('graduated'),
  volume: tiered('volume'),
  package(field, meters) {
    const fields = readMap(field, [...USAGE_KEYS, 'packageSize', 'packageAmount']);
    if (fields === null) return null;
    const usage = readUsage(fields, meters);
    const packageSize = readDecimal(fields.packageSize);
    const packageAmount = readDecimal(fields.packageAmount);
    if (packageSize !== null && Decimal.parse(packageSize).compare(Decimal.zero) <= 0) {
      return refuse(fields.packageSize, `must be above zero, got "${packageSize}"`);
    }
    return usage === null || packageSize === null || packageAmount === null
      ? null
      : { ...usage, model: 'package', packageSize, packageAmount };
  },
  flat(field) {
    const fields = readMap(field, ['slug', 'model', 'flatAmount']);
    if (fields === null) return null;
    const [slug, flatAmount] = [readSlug(fields.slug), readDecimal(fields.flatAmount)];
    return slug === null || flatAmount === null ? null : { slug, model: 'flat', flatAmount };
  },
};

export const priceModels = Object.keys(readers) as readonly Model[];

export function readPrice(field: Field, meters: KnownMeters): Price | null {
  if (typeof field.value !== 'object' || field.value === null || Array.isArray(field.value))
    return expected(field, 'a map');
  // The model says which keys are known, so it is read first.
  const value = Object.hasOwn(field.value, 'model') ? (field.value as { model: unknown }).model : undefined;
  const model = readChoice({ source: field.source, path: [...field.path, 'model'], value }, priceModels);
  return model === null ? null : readers[model](field, meters);
}
