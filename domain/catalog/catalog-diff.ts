// What a new catalog changes, in words, and what of it can't be allowed. A meter's slug means the same for ever,
// because the usage stored under it was counted by its definition; and so does a price's (see price-meaning.ts). Both
// outlive their removal: `history` holds the earlier versions. An empty list of changes means that the two catalogs say
// the same.

import type { Terms } from '../fields/definition-form.ts';
import { eventPathText } from '../metering/event-path.ts';
import { acrossOf, defaultItemWidth, itemWidthOf, meterDefaults } from '../metering/meter.ts';
import { filterText } from '../metering/meter-filter.ts';
import { valueText } from '../metering/value-expression.ts';
import { priceTerms } from '../pricing/prices.ts';
import { type Catalog, type Meter, type Plan, planDefaults } from './catalog.ts';
import { meaningFault, priceMeanings } from './price-meaning.ts';

export interface Change {
  readonly kind: 'added' | 'removed' | 'changed';
  /** E.g. `plan pay-as-you-go, price input-large`. */
  readonly subject: string;
  /** E.g. `unitAmount 0.000003 -> 0.0000025`; empty for something added or removed that needs no more words. */
  readonly detail: string;
}

export interface Refusal {
  readonly subject: string;
  /** What can't be done and what to do instead. */
  readonly reason: string;
}

export interface CatalogDiff {
  readonly changes: readonly Change[];
  readonly refusals: readonly Refusal[];
}

const MARKS = { added: '+', removed: '-', changed: '~' } as const;

/** `~ plan p, price a: unitAmount 0.1 -> 0.2` */
export const formatChange = ({ kind, subject, detail }: Change): string =>
  `${MARKS[kind]} ${subject}${detail === '' ? '' : `: ${detail}`}`;

export const formatRefusal = ({ subject, reason }: Refusal): string => `${subject}: ${reason}`;

/** `before` is null where there is no catalog yet; `history` holds every version ever applied, in any order. */
export function diffCatalogs(before: Catalog | null, after: Catalog, history: readonly Catalog[]): CatalogDiff {
  const changes: Change[] = [];
  const refusals: Refusal[] = [];
  const change = (subject: string, old: string, now: string) => {
    if (old !== now) changes.push({ kind: 'changed', subject, detail: `${old} -> ${now}` });
  };
  if (before !== null && before.currency !== after.currency) {
    change('currency', before.currency, after.currency);
    refusals.push({
      subject: 'currency',
      reason: `is ${before.currency} and can't become ${after.currency}: amounts that are written would change their meaning; run a second installation`,
    });
  }
  compareMeters(before?.meters ?? [], after.meters, changes);
  comparePlans(before?.plans ?? [], after.plans, changes);
  change('defaultPlan', before?.defaultPlan ?? 'none', after.defaultPlan ?? 'none');
  refuseNewMeanings([...history, ...(before === null ? [] : [before])], after, refusals);
  return { changes, refusals };
}

// One text for each aspect of a definition, so that what is compared is what is shown.
const meterMeaning = (meter: Meter): Readonly<Record<string, string>> => ({
  eventType: meter.eventType,
  aggregation: meter.aggregation,
  value: valueText(meter) ?? 'none',
  ...(meter.where === undefined ? {} : { where: filterText(meter.where) }),
  groupBy: `{${meter.dimensions.map(({ name, path }) => `${name}: ${eventPathText(path)}`).join(', ')}}`,
  window: meter.window,
  lineItems: itemWidthOf(meter),
});

/**
 * What to write so that a meter keeps its widths, where nothing else of it differs: a file that leaves them out meant
 * others in an earlier release.
 */
function keepingWidths(earlier: Meter, meter: Meter): string {
  const { window, lineItems } = meterMeaning(earlier);
  const now = meterMeaning({ ...meter, window: earlier.window, itemWidth: itemWidthOf(earlier) });
  if (differences(meterMeaning(earlier), now).length > 0) return '';
  const written = window === meter.window ? [] : [`window: ${window}`];
  if (written.length === 0 || lineItems !== defaultItemWidth(earlier.window)) written.push(`lineItems: ${lineItems}`);
  return `; to keep the meter as it is, write ${written.join(' and ')}`;
}

function planTerms(plan: Plan): Terms {
  const { calendar, timezone, afterEnd, trialUsage } = { ...planDefaults, ...plan };
  return { calendar: String(calendar), timezone, afterEnd, trialUsage };
}

/** Of what is added. A matrix has thousands of cells. */
const TERMS_SHOWN_MAX = 40;

function termsText(terms: Terms): string {
  const entries = Object.entries(terms);
  const shown = entries.slice(0, TERMS_SHOWN_MAX).map(([name, text]) => `${name} ${text}`);
  const more = entries.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

/** The aspects that differ, each as `name old -> new`. */
const differences = (old: Terms, now: Terms): string[] =>
  [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((name) => old[name] !== now[name])
    .map((name) => `${name} ${old[name] ?? 'none'} -> ${now[name] ?? 'none'}`);

/** Entries by their key, compared by their terms; `inside` compares what an entry of both lists holds. */
function compareEntries<Entry>(
  before: readonly Entry[],
  after: readonly Entry[],
  changes: Change[],
  describe: { key(entry: Entry): string; subject(entry: Entry): string; terms(entry: Entry): Terms },
  inside: (old: Entry | undefined, now: Entry | undefined) => void = () => {},
): void {
  const old = new Map(before.map((entry) => [describe.key(entry), entry]));
  const now = new Map(after.map((entry) => [describe.key(entry), entry]));
  for (const [key, entry] of old) {
    if (now.has(key)) continue;
    changes.push({ kind: 'removed', subject: describe.subject(entry), detail: '' });
  }
  for (const [key, entry] of now) {
    const earlier = old.get(key);
    const detail =
      earlier === undefined
        ? termsText(describe.terms(entry))
        : differences(describe.terms(earlier), describe.terms(entry)).join(', ');
    if (earlier === undefined || detail !== '') {
      changes.push({ kind: earlier === undefined ? 'added' : 'changed', subject: describe.subject(entry), detail });
    }
    inside(earlier, entry);
  }
}

function compareMeters(before: readonly Meter[], after: readonly Meter[], changes: Change[]): void {
  compareEntries(before, after, changes, {
    key: ({ slug }) => slug,
    subject: ({ slug }) => `meter ${slug}`,
    terms: (meter) => {
      const { required, precision, unreadable } = { ...meterDefaults, ...meter };
      return { ...meterMeaning(meter), required: String(required), precision, unreadable, across: acrossOf(meter) };
    },
  });
}

function comparePlans(before: readonly Plan[], after: readonly Plan[], changes: Change[]): void {
  compareEntries(
    before,
    after,
    changes,
    { key: ({ slug }) => slug, subject: ({ slug }) => `plan ${slug}`, terms: planTerms },
    (old, now) =>
      compareEntries(old?.prices ?? [], now?.prices ?? [], changes, {
        key: ({ slug }) => slug,
        subject: ({ slug }) => `plan ${now?.slug}, price ${slug}`,
        terms: priceTerms,
      }),
  );
}

function refuseNewMeanings(history: readonly Catalog[], after: Catalog, refusals: Refusal[]): void {
  const meters = new Map(history.flatMap((catalog) => catalog.meters).map((meter) => [meter.slug, meter]));
  for (const meter of after.meters) {
    const earlier = meters.get(meter.slug);
    const changed = earlier === undefined ? [] : differences(meterMeaning(earlier), meterMeaning(meter));
    if (changed.length === 0) continue;
    refusals.push({
      subject: `meter ${meter.slug}`,
      reason: `can't change (${changed.join(', ')}): its slug names the usage that was stored under the earlier definition; give the new meter a slug of its own${keepingWidths(earlier!, meter)}`,
    });
  }
  const meanings = priceMeanings(history.flatMap((catalog) => catalog.plans));
  for (const { slug: plan, prices } of after.plans) {
    for (const price of prices) {
      const fault = meaningFault(price, meanings);
      if (fault !== null) refusals.push({ subject: `plan ${plan}, price ${price.slug}`, reason: fault });
    }
  }
}
