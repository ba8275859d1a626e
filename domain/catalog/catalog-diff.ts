// What a new catalog changes, in words, and what of it can't be allowed by what its earlier versions said. A price's
// slug means the same for ever (see price-meaning.ts), also after its removal: `history` holds the earlier versions.
// Whether a meter may change is told by its usage (see meter-meaning.ts). An empty list of changes means that the two
// catalogs say the same.

import type { Terms } from '../fields/definition-form.ts';
import {
  type BookModel,
  bookModelName,
  bookModelTerms,
  bookTerms,
  type PriceBook,
} from '../pricing/book/price-book.ts';
import { planMinimumText } from '../pricing/plan-minimum.ts';
import { priceTerms } from '../pricing/prices.ts';
import { type Catalog, type Meter, type Plan, planDefaults } from './catalog.ts';
import { meterTerms } from './meter-meaning.ts';
import { meaningFault, priceMeanings } from './price-meaning.ts';
import { differences } from './term-differences.ts';

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
  compareBooks(before?.priceBooks ?? [], after.priceBooks ?? [], changes);
  comparePlans(before?.plans ?? [], after.plans, changes);
  change('defaultPlan', before?.defaultPlan ?? 'none', after.defaultPlan ?? 'none');
  refuseNewMeanings([...history, ...(before === null ? [] : [before])], after, refusals);
  return { changes, refusals };
}

function planTerms(plan: Plan): Terms {
  const { calendar, timezone, afterEnd, trialUsage, minimum } = { ...planDefaults, ...plan };
  const least = minimum === undefined ? {} : { minimum: planMinimumText(minimum) };
  return { calendar: String(calendar), timezone, afterEnd, trialUsage, ...least };
}

/** Of what is added. A matrix has thousands of cells. */
const TERMS_SHOWN_MAX = 40;

function termsText(terms: Terms): string {
  const entries = Object.entries(terms);
  const shown = entries.slice(0, TERMS_SHOWN_MAX).map(([name, text]) => `${name} ${text}`);
  const more = entries.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

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
    terms: meterTerms,
  });
}

/** What a book says of its models, model by model; what plans charge by it are their prices' cells. */
export function compareBooks(before: readonly PriceBook[], after: readonly PriceBook[], changes: Change[]): void {
  compareEntries(
    before,
    after,
    changes,
    { key: ({ slug }) => slug, subject: ({ slug }) => `price book ${slug}`, terms: bookTerms },
    (old, now) =>
      compareEntries<BookModel>(old?.models ?? [], now?.models ?? [], changes, {
        key: ({ provider, model }) => JSON.stringify([provider, model]),
        subject: (model) => `price book ${now?.slug}, model ${bookModelName(model)}`,
        terms: bookModelTerms,
      }),
  );
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
  const meanings = priceMeanings(history.flatMap((catalog) => catalog.plans));
  for (const { slug: plan, prices } of after.plans) {
    for (const price of prices) {
      const fault = meaningFault(price, meanings);
      if (fault !== null) refusals.push({ subject: `plan ${plan}, price ${price.slug}`, reason: fault });
    }
  }
}
