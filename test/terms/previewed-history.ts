// Takes the last record of a random history for an act that is previewed: what the rater's core then adds, step by
// step, is what the preview said. So a preview can't say anything else than what is charged.
import { closedBefore } from '../../domain/billing/item-span.ts';
import { Decimal } from '../../domain/number/decimal.ts';
import { Random } from '../../domain/random.ts';
import { type BilledBy, billedBy } from '../../domain/rating/billed-by.ts';
import { type AheadStep, chargedAhead, plannedSteps } from '../../domain/rating/charged-ahead.ts';
import type { PeriodTarget } from '../../domain/rating/period-targets.ts';
import { chargedTerms, countedTerms } from '../../domain/rating/term-usage.ts';
import { CatalogHistory } from '../../domain/terms/catalog-history.ts';
import { billsFrom } from '../../domain/terms/record-rules.ts';
import { windowSizeMs, windowStartOf } from '../../domain/time/time-window.ts';
import { usageOfCounted } from './compare.ts';
import { historyOf } from './histories.ts';
import {
  asStored,
  CUSTOMER,
  hasOverlap,
  isInWindows,
  type Known,
  rateAll,
  SUBJECTS,
  Written,
} from './rated-history.ts';
import { SLOT } from './slow-model.ts';

const STEPS_MAX = 10_000;

const billedBefore = ({ versions, ...known }: Known): BilledBy =>
  billedBy(new CatalogHistory(versions), asStored({ versions, ...known }));

/** What a store would say of these targets. */
const readOf = (known: Known, targets: readonly PeriodTarget[]) =>
  targets.map((target) => ({
    target,
    usage: target.usage.map((period) => ({
      period,
      charged: chargedTerms(period, countedTerms(period), (of) => usageOfCounted(of, period.line.meter, known.usage)),
    })),
    fees: target.fees.filter(
      ({ isByUsage, from, to }) =>
        !isByUsage || known.usage.some(({ at, meter }) => isInWindows(known, meter, at, from, to)),
    ),
  }));

const amountsOf = (written: Written): Decimal =>
  written.items.reduce((sum, { item }) => sum.plus(item.amount), Decimal.zero);

/** What differs; null: the history has no act to preview, or one that is refused. */
export function previewFaults(seed: number): string[] | null {
  const history = historyOf(seed);
  const random = new Random(seed).fork('previewed');
  const { versions } = history;
  const last = random.int(0, Math.max(0, history.subscriptions.length - 1));
  const changing = history.subscriptions[last];
  if (changing === undefined || changing.records.length === 0) return null;
  const act = changing.records.at(-1)!;
  const now = history.start + random.int(1, Math.floor((history.end - history.start) / SLOT)) * SLOT;
  const until = now + random.int(1, 100) * SLOT;
  const { meters } = versions[0]!.catalog;
  const usage = history.usage.filter((each) => {
    const { window } = meters.find(({ slug }) => slug === each.meter)!;
    return (
      windowStartOf(each.at, windowSizeMs[window]) < closedBefore(meters.find(({ slug }) => slug === each.meter)!, now)
    );
  });
  const without = { ...changing, records: changing.records.slice(0, -1) };
  const others = history.subscriptions.filter((each) => each !== changing);
  const sorted = (all: Known['subscriptions']) => all.toSorted((a, b) => (a.opening.id < b.opening.id ? -1 : 1));
  const after: Known = { versions, subscriptions: sorted([...others, changing]), usage, watermark: now };
  const before: Known = {
    ...after,
    subscriptions: without.records.length === 0 ? sorted(others) : sorted([...others, without]),
  };
  if ([before, after].some((known) => hasOverlap(history, { ...known, watermark: history.end + 400 * SLOT })))
    return null;

  // All that is due by now is charged.
  const written = new Written();
  const whole = { ...CUSTOMER, subjects: SUBJECTS, windows: new Map(), dueFrom: history.start - 48 * 40 * SLOT };
  const touched = usage.map(({ meter, at }) =>
    windowStartOf(at, windowSizeMs[meters.find(({ slug }) => slug === meter)!.window]),
  );
  rateAll(before, written, { ...whole, windows: new Map([[CUSTOMER.customer, new Set(touched)]]) });
  const charged = amountsOf(written);

  const { sequence: _, ...record } = act;
  const from = billsFrom(changing.opening, record, { recordedAt: now, ratedUpTo: now });
  const customer = { ...CUSTOMER, subjects: SUBJECTS };
  const stored = [...written.periods.values()];
  const [was, is] = [before, after].map((known) => {
    const steps = plannedSteps(billedBefore(known), customer, stored, { from, now, until }, STEPS_MAX)!;
    const read = readOf(
      known,
      steps.flatMap(({ targets }) => targets),
    );
    return chargedAhead(steps, new Map(read.map((each) => [each.target, each])));
  });

  const faults: string[] = [];
  const said = new Map(
    is!.steps.map(({ at, amount }: AheadStep, i) => [at, i === 0 ? amount.minus(was!.steps[0]!.amount) : amount]),
  );
  let sum = charged;
  for (let at: number | null = now, dueFrom = from; at !== null && at <= until; dueFrom = at ?? dueFrom) {
    rateAll({ ...after, watermark: at }, written, { ...whole, dueFrom });
    const more = amountsOf(written).minus(sum);
    sum = amountsOf(written);
    const promised = said.get(at) ?? Decimal.zero;
    if (!more.equals(promised))
      faults.push(`seed ${seed} at ${new Date(at).toISOString()}: ${more} was charged, ${promised} was said`);
    said.delete(at);
    at = written.dueAt;
  }
  for (const [at, amount] of said)
    if (!amount.isZero)
      faults.push(`seed ${seed} at ${new Date(at).toISOString()}: nothing was charged, ${amount} was said`);
  return faults;
}
