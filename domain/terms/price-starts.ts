// From when on the prices hold that a catalog version changes, in words for whoever makes it (T3, T5, T13). What is the
// same for all subscriptions is told as an instant.
import type { CatalogVersion } from '../catalog/catalog.ts';
import { isUsagePrice, type Part, type UsagePrice } from '../pricing/prices.ts';
import { formatRfc3339 } from '../time/rfc3339.ts';
import { windowSizeMs, windowStartFrom, windowStartOf } from '../time/time-window.ts';
import { CatalogHistory, type Dated } from './catalog-history.ts';
import { countsTheSame } from './price-lines.ts';

export interface PriceStart {
  /** As a `Change` names it. */
  readonly subject: string;
  readonly start: string;
}

const NEXT_PERIOD = "each subscription's next period";

/** Of the last version, for the plans that there were before it: the others nobody has yet. */
export function priceStarts(versions: readonly CatalogVersion[]): PriceStart[] {
  const earlier = versions.slice(0, -1);
  const made = versions.at(-1)!;
  const [history, before] = [new CatalogHistory(versions), new CatalogHistory(earlier)];
  const plans = [...new Set(earlier.flatMap(({ catalog }) => catalog.plans.map(({ slug }) => slug)))];
  const prices = plans.flatMap((plan) =>
    history.slugsOf(plan).flatMap((slug): PriceStart[] => {
      const start = startOf(made, history, pricesOver(history, plan, slug), pricesOver(before, plan, slug));
      return start === null ? [] : [{ subject: `plan ${plan}, price ${slug}`, start }];
    }),
  );
  return [...prices, ...defaultPlanStart(made, history)];
}

/** As of a subscription whose period begins wherever a change asks for it. */
const pricesOver = (history: CatalogHistory, plan: string, slug: string): Dated<Part>[] =>
  history.priceOf(plan, slug, (instant) => instant);

/** Null: the version leaves the price as it is. */
function startOf(
  made: CatalogVersion,
  history: CatalogHistory,
  now: readonly Dated<Part>[],
  before: readonly Dated<Part>[],
): string | null {
  const replaced = before.filter(({ version }) => !now.some((each) => each.version === version));
  const versions = replaced.map(({ version }) => version).join(', ');
  const instead = replaced.length === 0 ? '' : `, in place of what version ${versions} was to bring`;
  const at = now.findIndex(({ version }) => version === made.version);
  if (at === -1) return replaced.length === 0 ? null : `what version ${versions} was to bring does not come`;
  return `${wordsFor(made, history, now[at]!, now[at - 1]?.value ?? null)}${instead}`;
}

function wordsFor(
  { effectiveAt, appliesTo }: CatalogVersion,
  history: CatalogHistory,
  { value, openAfter }: Dated<Part>,
  earlier: Part | null,
): string {
  const price = value ?? earlier;
  const windowMs = price !== null && isUsagePrice(price) ? windowSizeMs[history.meter(price.meter).window] : 1;
  const boundary = formatRfc3339(windowStartFrom(effectiveAt, windowMs));
  if (value === null) return `until ${appliesTo === 'next' ? NEXT_PERIOD : boundary}`;
  if (appliesTo === 'next') return `from ${NEXT_PERIOD} on`;
  if (earlier !== null && isUsagePrice(value) && !countsTheSame({ price: earlier }, { price: value as UsagePrice }))
    return `from ${NEXT_PERIOD} on, since it counts other usage or by another length of period`;
  if (openAfter === null || !isUsagePrice(value)) return `from ${boundary} on`;
  const open = windowStartOf(openAfter, windowMs);
  if (open <= 0) return `for all usage that nothing priced, and else from ${boundary} on`;
  return `from ${formatRfc3339(open)} on where nothing priced its usage, and else from ${boundary} on`;
}

function defaultPlanStart({ version, effectiveAt }: CatalogVersion, { defaultPlan }: CatalogHistory): PriceStart[] {
  const dated = defaultPlan.find((each) => each.version === version);
  if (dated === undefined) return [];
  const { value, openAfter } = dated;
  const subject = 'defaultPlan';
  if (value === null) return [{ subject, start: `none from ${formatRfc3339(effectiveAt)} on` }];
  if (openAfter === null) return [{ subject, start: `${value} from ${formatRfc3339(effectiveAt)} on` }];
  const open =
    openAfter <= 0
      ? 'all usage that nothing priced'
      : `windows that end after ${formatRfc3339(openAfter)} and that nothing priced`;
  return [{ subject, start: `${value} for ${open}` }];
}
